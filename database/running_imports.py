"""Finds unfinished jobs, and whether the last one ended so recently that another one may follow.

While there is an unfinished job, some background work waits, and no client can delete all products.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

# The partial index `import_jobs_unfinished_idx` answers these.
FIND_RUNNING_IMPORT_SQL = (
    "SELECT kind, filename FROM import_jobs WHERE status IN ('pending', 'processing') ORDER BY id LIMIT 1"
)
FIND_STARTED_JOB_SQL = """
SELECT kind, filename FROM import_jobs
WHERE status IN ('pending', 'processing') AND rows_written > 0 AND id <> %s ORDER BY id LIMIT 1
"""
# Between the imports of a series, a client sends the next file. That takes a small part of the time of an import. So
# the next one is expected for this share of the time that the last one took, within these limits.
SERIES_GAP_SHARE = 0.25
MIN_SERIES_GAP_SECONDS, MAX_SERIES_GAP_SECONDS = 2, 30
# The index on `finished_at` answers this.
READ_SERIES_GAP_SQL = f"""
SELECT max(
    least(greatest(worked_seconds * {SERIES_GAP_SHARE}, {MIN_SERIES_GAP_SECONDS}), {MAX_SERIES_GAP_SECONDS})
    - extract(epoch FROM clock_timestamp() - finished_at)::float8
)
FROM import_jobs WHERE finished_at > clock_timestamp() - interval '{MAX_SERIES_GAP_SECONDS} seconds'
"""
NAMES = {"import": "The import of {filename}", "undo": "The undo of {filename}", "bulk": "The bulk change “{filename}”"}


@dataclass(frozen=True)
class RunningJob:
    """An unfinished job: its kind, and the name of its file or the title of its bulk change."""

    kind: str
    filename: str

    def __str__(self) -> str:
        return name_job(self.kind, self.filename)


def name_job(kind: str, filename: str) -> str:
    """Return what begins a sentence about a job: its kind, and the name of its file or the title of its bulk change."""
    return NAMES[kind].format(filename=filename)


def find_running_import(cursor: Cursor) -> RunningJob | None:
    """Return the oldest job that is waiting or running; None if there is none."""
    cursor.execute(FIND_RUNNING_IMPORT_SQL)
    row = cursor.fetchone()
    return RunningJob(*row) if row else None


def read_series_gap(cursor: Cursor) -> float:
    """Return for how many seconds from now the next import of a series may follow; 0 if none is expected.

    That is up to a quarter of the time that the last job took, but 2 to 30 seconds.
    """
    cursor.execute(READ_SERIES_GAP_SQL)
    (seconds,) = cursor.fetchone() or (None,)
    return max(0.0, seconds or 0.0)


def find_started_job(cursor: Cursor, *, besides: int) -> RunningJob | None:
    """Return the oldest unfinished job that has written products, other than the one with the id `besides`, if any."""
    cursor.execute(FIND_STARTED_JOB_SQL, (besides,))
    row = cursor.fetchone()
    return RunningJob(*row) if row else None
