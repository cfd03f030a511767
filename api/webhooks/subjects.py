"""What the events of deliveries are about: a product, an import, or several products."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from psycopg2.extensions import cursor as Cursor

# The body of a batch can have megabytes. Its event has the id of the import.
LIST_SUBJECTS_SQL = """
SELECT d.id, CASE WHEN d.cut IS DISTINCT FROM 'batch' THEN coalesce(d.body, e.body) END, e.task_id::text, j.filename
FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
LEFT JOIN import_jobs j ON d.cut = 'batch' AND j.task_id = e.task_id
WHERE d.id = ANY (%s)
"""


def list_subjects(cursor: Cursor, delivery_ids: Collection[int]) -> dict[int, dict[str, Any] | None]:
    """Return the `subject` object of each delivery, by its id; None if its event is about nothing."""
    cursor.execute(LIST_SUBJECTS_SQL, (list(delivery_ids),))
    return {
        id: _subject("import", task_id, filename) if body is None else _read_subject(json.loads(body))
        for id, body, task_id, filename in cursor.fetchall()
    }


def _read_subject(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the subject that the body of an event names."""
    if product := body.get("product"):
        return _subject("product", product["id"], product["sku"])
    if job := body.get("import"):
        return _subject("import", job["task_id"], job.get("filename"))
    if (count := body.get("count")) is not None:
        return _subject("products", None, f"{count:,} product{'' if count == 1 else 's'}")
    return None


def _subject(type: str, id: Any, name: str | None) -> dict[str, Any]:
    return {"type": type, "id": None if id is None else str(id), "name": name}
