"""A product and an import as clients see them: in the API, in streams and in webhooks."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

PRODUCT_FIELDS = ("id", "sku", "name", "description", "active", "created_at", "updated_at")
IMPORT_FIELDS = (
    "id",
    "task_id",
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
    "file_size",
    "error_message",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
)


def iso(moment: datetime | None) -> str | None:
    """A time as clients see it: ISO 8601 in UTC, to the microsecond."""
    # Without the zone: `isoformat` takes longer over writing it than over all the rest.
    return f"{moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat()}Z" if moment else None


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
    """An import, given as anything with the attributes of IMPORT_FIELDS."""
    values = {name: getattr(job, name) for name in IMPORT_FIELDS}
    moments = {name: iso(values[name]) for name in IMPORT_FIELDS if name.endswith("_at")}
    return {**values, "task_id": str(job.task_id), **moments}
