"""The JSON of products and jobs, the same in the API, in streams and in webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from database import clock

PRODUCT_FIELDS = ("id", "sku", "name", "description", "active", "created_at", "updated_at")
# The columns of a job that its JSON needs. The last ones are not in the JSON: they give the
# duration, the speed and `step_progress`. Beside them it needs `last_undo` (models.LAST_UNDO_SQL).
IMPORT_COLUMNS = (
    "id",
    "task_id",
    "kind",
    "bulk",
    "filename",
    "status",
    "phase",
    "progress",
    "total_records",
    "processed_records",
    "rows_read",
    "rows_written",
    "rows_compared",
    "created_count",
    "updated_count",
    "unchanged_count",
    "duplicate_count",
    "rejected_count",
    "skipped_count",
    "removed_count",
    "missing_count",
    "run",
    "mode",
    "on_reject",
    "started_from",
    "started_by",
    "file_size",
    "error_message",
    "error_code",
    "error_details",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
    "confirm_until",
    "retry_until",
    "undo_until",
    "undo_of",
    "undone_by",
    "left_alone_count",
    "seconds_left",
    "current_rows_per_second",
    "worked_seconds",
    "active_since",
    "wants_preview",
    "confirmed_at",
    "rows_before_run",
)
UNFINISHED_STATUSES = ("pending", "processing")
# What has become of the undo of a job. A completed undo that has left products alone has undone the job in part.
UNDO_STATES = ("undoing", "undone", "partly_undone", "undo_failed", "undo_cancelled")


def format_timestamp(timestamp: datetime | None) -> str | None:
    """Return a timestamp as clients see it: ISO 8601 in UTC, to the microsecond; None for None."""
    # `isoformat` is several times slower if the timestamp has a time zone.
    return f"{timestamp.astimezone(UTC).replace(tzinfo=None).isoformat()}Z" if timestamp else None


def serialize_product(product: Any) -> dict[str, Any]:
    """Return the JSON of a product, which can be any object with the attributes of `PRODUCT_FIELDS`."""
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "active": product.active,
        "created_at": format_timestamp(product.created_at),
        "updated_at": format_timestamp(product.updated_at),
    }


def step_progress(progress: int, wants_preview: bool, confirmed_at: datetime | None) -> int:
    """Return the percent of the current step of a job: of its check, then of its import.

    A job without a check has one step.
    """
    if not wants_preview:
        return progress
    return max(0, 2 * progress - 100) if confirmed_at else min(100, 2 * progress)


def undo_state(job: Any) -> str | None:
    """Return one of `UNDO_STATES`, or None for a job that has no undo."""
    if not job.undone_by:
        return None
    # An undo that was deleted had completed.
    status = job.last_undo["status"] if job.last_undo else "completed"
    if status in UNFINISHED_STATUSES:
        return "undoing"
    if status == "completed":
        return "partly_undone" if job.left_alone_count else "undone"
    return f"undo_{status}"


def serialize_import(job: Any) -> dict[str, Any]:
    """Return the JSON of a job: any object with the attributes of `IMPORT_COLUMNS` and the attribute `last_undo`."""
    values = {name: getattr(job, name) for name in IMPORT_COLUMNS}
    values["step_progress"] = step_progress(job.progress, values.pop("wants_preview"), values.pop("confirmed_at"))
    worked_seconds, active_since = values.pop("worked_seconds"), values.pop("active_since")
    rows_in_run = job.total_records - values.pop("rows_before_run")
    if active_since:
        worked_seconds += max(0.0, (job.updated_at - active_since).total_seconds())
    for name, value in values.items():
        if name.endswith(("_at", "_until")):
            values[name] = format_timestamp(value)
    for name in ("task_id", "undo_of", "undone_by"):
        values[name] = str(values[name]) if values[name] else None
    values["undo"], values["undo_state"] = job.last_undo, undo_state(job)
    # An import that was undone can be undone again only if its undo left products alone.
    if job.undone_by and not job.left_alone_count:
        values["undo_until"] = None
    is_completed = job.status == "completed"
    values["duration_seconds"] = round(worked_seconds, 3) if job.started_at else None
    values["rows_per_second"] = round(rows_in_run / worked_seconds) if is_completed and worked_seconds else None
    for name, digits in (("seconds_left", 1), ("current_rows_per_second", None)):
        values[name] = None if values[name] is None else round(values[name], digits)
    # Clients need not compare their clock with that of the server.
    age_seconds = (clock.now() - job.updated_at).total_seconds()
    values["seconds_since_update"] = round(max(0.0, age_seconds), 3) if job.status in UNFINISHED_STATUSES else None
    return values
