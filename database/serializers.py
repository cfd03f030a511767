"""A product and an import as clients see them: in the API, in streams and in webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

PRODUCT_FIELDS = ("id", "sku", "name", "description", "active", "created_at", "updated_at")
# What a job's JSON is made of.
IMPORT_COLUMNS = (
    "id",
    "task_id",
    "kind",
    "filename",
    "status",
    "phase",
    "progress",
    "total_records",
    "processed_records",
    "rows_read",
    "rows_written",
    "created_count",
    "updated_count",
    "unchanged_count",
    "duplicate_count",
    "rejected_count",
    "skipped_count",
    "removed_count",
    "run",
    "mode",
    "on_reject",
    "started_from",
    "started_by",
    "file_size",
    "error_message",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
    "confirm_until",
    "retry_until",
    "undo_until",
    "undo_of",
    "undone_by",
    "worked_seconds",
    "active_since",
)


def iso(moment: datetime | None) -> str | None:
    """A time as clients see it: ISO 8601 in UTC, to the microsecond."""
    # Without the zone: `isoformat` takes longer over writing it than over all the rest.
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat()}Z" if moment else None


def product_json(product: Any) -> dict[str, Any]:
    """A product, given as anything with the attributes of PRODUCT_FIELDS."""
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "description": product.description,
        "active": product.active,
        "created_at": iso(product.created_at),
        "updated_at": iso(product.updated_at),
    }


def import_json(job: Any) -> dict[str, Any]:
    """An import, given as anything with the attributes of IMPORT_COLUMNS."""
    values = {name: getattr(job, name) for name in IMPORT_COLUMNS}
    worked, since = values.pop("worked_seconds"), values.pop("active_since")
    moments = {name: iso(values[name]) for name in values if name.endswith(("_at", "_until"))}
    ids = {name: str(values[name]) if values[name] else None for name in ("task_id", "undo_of", "undone_by")}
    if since:
        worked += max(0.0, (job.updated_at - since).total_seconds())
    seconds = round(worked, 3) if job.started_at else None
    speed = round(job.total_records / worked) if job.status == "completed" and worked else None
    undo = {"undo_until": None} if job.undone_by else {}
    return {**values, **moments, **ids, **undo, "duration_seconds": seconds, "rows_per_second": speed}
