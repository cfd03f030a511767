"""The speeds of this installation: how long a row takes in each kind of work, learned from the jobs that it has run.

The end of a job adds what it measured. The median of the last jobs counts, so one unusual job changes little. What was
never measured has a default, scaled by how fast this machine is in all else.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from psycopg2.extensions import cursor as Cursor

from importer.jobs.forecast import Forecast, Stage
from importer.jobs.repository import Job

KEPT_VALUES = 7
# The phases of each kind of job in their order, with the kinds of work that their rows are. A check is an import that
# waits for its confirmation. `staging` is the end of reading, when PostgreSQL indexes the rows, and `finishing` is what
# follows the last row.
PHASES: dict[str, dict[str, str]] = {
    "check": {
        "reading": "reading",
        "staging": "staging",
        "comparing": "comparing",
        "finding": "finding",
        "finishing": "finishing_check",
    },
    "import": {
        "reading": "reading",
        "staging": "staging",
        "finding": "finding",
        "writing": "created",
        "finishing": "finishing",
    },
    # A change that deletes has other work; see `load_forecast`.
    "bulk": {"finding": "finding", "writing": "deactivate", "finishing": "finishing"},
    "undo": {"undoing": "undoing", "finishing": "finishing_undo"},
}
# Seconds per row, measured on 2 cores with nothing else to do.
DEFAULT_SECONDS_PER_ROW = {
    "reading": 6e-6,
    "reading_workbook": 40e-6,
    "staging": 2.5e-6,
    "comparing": 6e-6,
    "finding": 2e-6,
    "created": 16e-6,
    "updated": 32e-6,
    "unchanged": 5e-6,
    "deactivate": 25e-6,
    "delete": 25e-6,
    "undoing": 20e-6,
    "finishing": 0.1e-6,
    "finishing_check": 0.3e-6,
    "finishing_undo": 0.2e-6,
}

LOAD_SPEEDS_SQL = "SELECT work, seconds_per_row FROM import_speeds"
ESTIMATE_PRODUCTS_SQL = "SELECT greatest(0, reltuples) FROM pg_class WHERE oid = 'products'::regclass"
# What is known about the rows of a job that an earlier attempt or a check has compared with the catalogue.
COUNT_KNOWN_ROWS_SQL = """
SELECT coalesce((preview ->> 'create')::float, created_count), coalesce((preview ->> 'update')::float, updated_count),
    coalesce((preview ->> 'unchanged')::float, unchanged_count)
FROM import_jobs WHERE id = %s
"""
SAVE_SPEED_SQL = f"""
INSERT INTO import_speeds (work, seconds_per_row) VALUES (%s, ARRAY[%s])
ON CONFLICT (work) DO UPDATE SET updated_at = clock_timestamp(),
    seconds_per_row = (excluded.seconds_per_row || import_speeds.seconds_per_row)[1:{KEPT_VALUES}]
"""


def load_forecast(cursor: Cursor, job: Job) -> Forecast:
    """Return the forecast of a worker's run of a job, from what earlier jobs took, in the caller's transaction."""
    cursor.execute(LOAD_SPEEDS_SQL)
    learned = {work: median(values) for work, values in cursor.fetchall()}
    cursor.execute(ESTIMATE_PRODUCTS_SQL)
    (products,) = cursor.fetchone() or (0,)
    cursor.execute(COUNT_KNOWN_ROWS_SQL, (job.id,))
    known = dict(zip(("created", "updated", "unchanged"), cursor.fetchone() or (), strict=False))
    kind = "check" if job.is_preview else job.kind
    finds_missing = job.missing != "keep" and job.missing_snapshot is None
    extra_rows = {"finding": products, "writing": job.missing_found or 0}
    stages = [
        Stage(phase, {work: 1.0}, extra_rows=extra_rows.get(phase, 0))
        for phase, work in PHASES.get(kind, {}).items()
        if phase != "finding" or job.kind != "import" or finds_missing
    ]
    if job.kind == "bulk" and job.bulk_change.deletes:
        stages[1].shares = {"delete": 1.0}
    has_total = job.staged_columns is not None or job.kind == "undo"
    forecast = Forecast(
        stages,
        expected_speeds(learned),
        is_learned=bool(learned),
        total=job.total_records if has_total else None,
    )
    if job.kind == "import" and (compared := sum(known.values())):
        forecast.expect("writing", shares={work: rows / compared for work, rows in known.items()})
    return forecast


def expected_speeds(learned: Mapping[str, float]) -> dict[str, float]:
    """Return the expected seconds per row of each kind of work, given the learned ones.

    What this installation has not measured yet is expected to be as much slower than the default as the rest.
    """
    defaults = DEFAULT_SECONDS_PER_ROW
    ratios = [seconds / defaults[work] for work, seconds in learned.items() if work in defaults]
    slowness = median(ratios) if ratios else 1.0
    return {work: seconds * slowness for work, seconds in defaults.items()} | dict(learned)


def save_learned(cursor: Cursor, learned: Mapping[str, float]) -> None:
    """Add the seconds per row that a job measured to those of earlier jobs, in the caller's transaction."""
    # The order is the same in each transaction, so that two of them cannot deadlock.
    for work, seconds_per_row in sorted(learned.items()):
        cursor.execute(SAVE_SPEED_SQL, (work, seconds_per_row))
