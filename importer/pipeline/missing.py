"""Missing products: those that the file of an import with `missing=deactivate` or `missing=delete` does not have.

They are found once, before the import writes anything: in the check of a preview, else before the first slice. The job
keeps the snapshot of PostgreSQL in which they were found. Only products that existed in that snapshot, and that nobody
has changed since, are removed. Products that were created, edited or restored later are left alone, however often the
import is interrupted and however late it is confirmed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from importer.jobs import repository
from importer.jobs.missing_limit import MissingProducts
from importer.notices import Fix, Notices
from importer.pipeline.missing_sql import FIND_PLANNER_SETTINGS_SQL, render_find_missing
from importer.pipeline.run import Run, StepKind

NOTICE_CODE = "missing_products"
NOTHING_MISSING = {"missing": 0, "missing_action": "keep", "catalogue": None}

# If the limit is exceeded, there is no snapshot, so nothing can be removed. The next worker finds the products again.
RECORD_FOUND_SQL = "phase = %(phase)s, missing_found = %(found)s, missing_snapshot = %(snapshot)s"


def preview_missing(run: Run) -> dict[str, Any]:
    """Find the missing products for a preview, and return its part about them; raises `LeaseLost`."""
    return _find_missing(run).to_json() if run.job.removes_missing else NOTHING_MISSING


def prepare_removal(run: Run) -> Run:
    """Find the missing products before the first slice, unless that was done before; return the run with its new job.

    Raises `LeaseLost`, and `ImportFailure` if they exceed the limit.
    """
    if not run.job.removes_missing or run.job.missing_snapshot is not None:
        return run
    missing = _find_missing(run)
    if missing.exceed_limit:
        raise missing.excess()
    return replace(run, job=repository.reload(run.connection, run.job))


def _find_missing(run: Run) -> MissingProducts:
    job = run.job
    estimate = run.forecast.begin("finding")
    with run.step(StepKind.FIND_MISSING) as cursor:
        repository.update(cursor, job, "phase = 'finding'", {}, phase_of_sample="finding", estimate=estimate)
    with run.step(StepKind.COMPARE_MISSING) as cursor:
        cursor.execute(FIND_PLANNER_SETTINGS_SQL)
        cursor.execute(render_find_missing(job))
        snapshot, catalogue, found, unreadable, samples = cursor.fetchone() or ()
        missing = MissingProducts(job.missing, found, catalogue, job.missing_limit)
        next_phase = "comparing" if job.is_preview else "writing"
        values = {"phase": next_phase, "found": found, "snapshot": None if missing.exceed_limit else snapshot}
        run.forecast.expect("writing", extra_rows=found)
        estimate = run.forecast.begin("finishing" if job.is_preview else "writing", done=job.processed_records)
        repository.update(
            cursor,
            job,
            RECORD_FOUND_SQL,
            values,
            phase_of_sample="finding",
            rows_of_sample=catalogue,
            estimate=estimate,
        )
        notices = Notices()
        if found:
            keep = Fix("keep_products", {"missing": "keep"})
            details = {**missing.limit_details(), "unreadable": unreadable}
            notices.add(NOTICE_CODE, count=found, samples=samples, fix=keep, details=details)
        repository.add_notices(cursor, job, notices, codes=[NOTICE_CODE])
    return missing
