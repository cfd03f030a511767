"""What an import would do, counted at full size without touching anything. Its job then waits to be confirmed."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

from database.connect import limit_waits
from importer.jobs import repository
from importer.jobs.heartbeat import READING_FOR_PREVIEW_PERCENT, READING_PERCENT, LeaseKeeper
from importer.jobs.repository import Job, Retention
from importer.pipeline.merge import SLICE_SETTINGS, Parts, differs_of, look, slices_of

SHOWN_CHANGES = 20
SHOWN_REJECTS = 20
SHOWN_CHARACTERS = 2000

# As `writing` will do it: a product keeps its SKU, an empty `active` leaves it as it is.
CHANGES = """
SELECT coalesce(p.sku, s.sku), p.id IS NULL, {values}
FROM (SELECT DISTINCT ON (key) * FROM {table} WHERE {staged_range} ORDER BY key, number DESC) s
LEFT JOIN (SELECT * FROM products WHERE {products_range}) p ON lower(p.sku) COLLATE "C" = s.key
WHERE {wanted} ORDER BY s.key LIMIT {limit}
"""
REJECTS = "SELECT line, code, message, row FROM import_rejects WHERE job_id = %s ORDER BY line LIMIT %s"
COMPARING = "phase = 'comparing', progress = greatest(progress, %(progress)s)"
AWAITS = (
    "status = 'awaiting_confirmation', phase = 'comparing', progress = greatest(progress, %(progress)s),"
    " preview = %(preview)s, confirm_until = clock_timestamp() + make_interval(hours => %(preview_hours)s),"
    f" {repository.REST}"
)


def compare(connection: Connection, job: Job, keeper: LeaseKeeper, *, slice_rows: int, retention: Retention) -> None:
    """Compares all staged rows with the catalogue and leaves the job waiting; raises `LeaseLost`."""
    slices = slices_of(connection, job, slice_rows)
    found = new = changed = skipped = 0
    updates: list[dict[str, Any]] = []
    creations: list[dict[str, Any]] = []
    for number, parts in enumerate(slices.values(), 1):
        keeper.check()
        with connection, connection.cursor() as cursor:
            limit_waits(cursor)
            cursor.execute(SLICE_SETTINGS)
            counts = look(cursor, parts)
            found, new, changed, skipped = map(sum, zip((found, new, changed, skipped), counts, strict=True))
            if counts[2] and len(updates) < SHOWN_CHANGES:
                updates += _changes(cursor, job, parts, new=False, limit=SHOWN_CHANGES - len(updates))
            if counts[1] and len(creations) < SHOWN_CHANGES:
                creations += _changes(cursor, job, parts, new=True, limit=SHOWN_CHANGES - len(creations))
            span = READING_PERCENT - READING_FOR_PREVIEW_PERCENT
            progress = READING_FOR_PREVIEW_PERCENT + span * number // len(slices)
            repository.update(cursor, job, COMPARING, {"progress": progress})
    preview = {
        "create": new,
        "update": changed,
        "unchanged": found - new - changed,
        "skipped": skipped,
        "rejected": job.rejected_count,
        "duplicate": job.total_records - job.rejected_count - found,
        "changes": [*updates, *creations][:SHOWN_CHANGES],
    }
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        cursor.execute(REJECTS, (job.id, SHOWN_REJECTS))
        rejects = [dict(zip(("line", "code", "message", "row"), row, strict=True)) for row in cursor.fetchall()]
        values = {"preview": Json({**preview, "rejects": rejects}), "progress": READING_PERCENT, **retention.values}
        repository.update(cursor, job, AWAITS, values)
        sentence = "{:,} would be created, {:,} updated; {:,} rejected. Nothing was written yet."
        repository.note(cursor, job.id, "compared", sentence.format(new, changed, job.rejected_count))


def _changes(cursor: Any, job: Job, parts: Parts, *, new: bool, limit: int) -> list[dict[str, Any]]:
    """The first new, or changed, products of a slice, with their values before and after."""
    fields = [name for name in job.staged_columns or [] if name != "sku"]
    values = [_value(alias, name) for name in fields for alias in "ps"]
    wanted = sql.SQL("p.id IS NULL") if new else sql.SQL("p.id IS NOT NULL AND ({})").format(differs_of(fields))
    query = sql.SQL(CHANGES).format(
        values=sql.SQL(", ").join(values) if values else sql.SQL("NULL"),
        wanted=wanted,
        limit=sql.Literal(limit),
        **parts,
    )
    cursor.execute(query)
    changes = []
    for sku, is_new, *cells in cursor.fetchall():
        before = dict(zip(fields, cells[::2], strict=False))
        after = dict(zip(fields, cells[1::2], strict=False))
        changes.append({"sku": sku, "before": None if is_new else before, "after": after})
    return changes


def _value(alias: str, name: str) -> sql.Composable:
    if name == "active":
        return sql.SQL("p.active" if alias == "p" else "coalesce(s.active, p.active, true)")
    template = "left({alias}.{name}, {limit})"
    return sql.SQL(template).format(
        alias=sql.SQL(alias), name=sql.Identifier(name), limit=sql.Literal(SHOWN_CHARACTERS)
    )
