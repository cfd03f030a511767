"""Finds an unfinished job. While there is one, some background work waits, and no client can delete all products."""

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


def find_started_job(cursor: Cursor, *, besides: int) -> RunningJob | None:
    """Return the oldest unfinished job that has written products, other than the one with the id `besides`, if any."""
    cursor.execute(FIND_STARTED_JOB_SQL, (besides,))
    row = cursor.fetchone()
    return RunningJob(*row) if row else None
