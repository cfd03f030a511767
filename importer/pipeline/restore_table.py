"""Restoring the products of a deletion of all, which moved them to a table of their own; see `deletion`.

An undo moves them back in ranges of keys, each in a short transaction. So the table always has the products that are
still deleted, and an interrupted undo continues with these. A product whose SKU another product has now is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from database.advisory_locks import mark_work
from database.connect import transaction
from importer.jobs import repository
from importer.pipeline.restore import COUNT_RESTORED_SQL, INSERT_RESTORED_SQL, LIST_TAKEN_SQL, TAKEN_SQL
from importer.pipeline.reversal import render_event, reverse
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import Slice
from importer.pipeline.slices import plan_product_ranges
from importer.pipeline.transactions import write_with_retries

# The undo of a large deletion reads its ranges by this index. The deletion itself must be quick.
CREATE_INDEX_SQL = 'CREATE INDEX IF NOT EXISTS {index} ON {deleted_table} ((lower(sku) COLLATE "C"))'
RESTORE_RANGE_SQL = (
    """
WITH logged AS MATERIALIZED (
    SELECT id, sku, name, description, active, created_at, updated_at, restored FROM {deleted_table}
    WHERE {products_range}
)"""
    + TAKEN_SQL
    + INSERT_RESTORED_SQL
    + """, moved AS (
    DELETE FROM {deleted_table} WHERE {products_range} AND id IN (SELECT id FROM inserted)
), counted AS (
    UPDATE import_changes SET deleted_rows = deleted_rows - (SELECT count(*) FROM inserted) WHERE id = {entry_id}
)"""
    + LIST_TAKEN_SQL
    + COUNT_RESTORED_SQL
)
END_ENTRY_SQL = """
UPDATE import_changes SET left_alone = ARRAY(SELECT id FROM {deleted_table} ORDER BY id) WHERE id = {entry_id}
"""
RECORD_END_SQL = "checkpoint = %(checkpoint)s, missing_checkpoint = NULL, attempts = 0"


@dataclass(frozen=True)
class DeletedTable:
    """The table of an entry of the change log, and how far the undo has come.

    `checkpoint` is the last entry that it has reversed completely, and `last_key` the last key of this table that it
    has restored or left alone.
    """

    name: str
    entry_id: int
    checkpoint: str | None
    last_key: str | None


def restore_table(run: Run, table: DeletedTable, *, slice_rows: int, max_rejects: int) -> None:
    """Restore the products of a table after its `last_key`; list at most `max_rejects` that are left alone.

    Raises `Interrupted` between two ranges when the time is up, `LeaseLost`, and `ImportFailure` if other clients keep
    interfering.
    """
    deleted_table = sql.Identifier(table.name)
    with transaction(run.connection) as cursor:
        mark_work(cursor, run.job.id)
        index = sql.Identifier(f"{table.name}_key")
        cursor.execute(sql.SQL(CREATE_INDEX_SQL).format(index=index, deleted_table=deleted_table))
        cursor.execute(sql.SQL("ANALYZE {table}").format(table=deleted_table))
    job = replace(run.job, missing_checkpoint=table.last_key)
    for part in plan_product_ranges(run.connection, job, slice_rows, table=deleted_table):
        run.check()
        reverse(
            run,
            lambda has_subscriber, part=part: render_range(  # type: ignore[misc]
                part, table, max_rejects=max_rejects, has_subscriber=has_subscriber
            ),
            checkpoint=table.checkpoint,
            last_key=part.last,
        )
    _end_entry(run, table)


def render_range(part: Slice, table: DeletedTable, *, max_rejects: int, has_subscriber: bool) -> sql.Composed:
    """Return the statement that restores a range of keys; see `undo.render_reversal`."""
    return part.render(
        RESTORE_RANGE_SQL,
        deleted_table=sql.Identifier(table.name),
        entry_id=sql.Literal(table.entry_id),
        job_id=sql.Literal(part.job.id),
        max_rejects=sql.Literal(max_rejects),
        record_event=render_event(part.job, has_subscriber=has_subscriber),
    )


def _end_entry(run: Run, table: DeletedTable) -> None:
    """Record which products are left, for a later undo, and that the entry is reversed."""
    checkpoint = str(table.entry_id)

    def write(cursor: Cursor) -> None:
        names = {"deleted_table": sql.Identifier(table.name), "entry_id": sql.Literal(table.entry_id)}
        cursor.execute(sql.SQL(END_ENTRY_SQL).format(**names))
        values = {"checkpoint": checkpoint}
        repository.update(cursor, run.job, RECORD_END_SQL, values, estimate=run.forecast.estimate())

    write_with_retries(run, StepKind.REVERSE_ENTRY, checkpoint, write)
