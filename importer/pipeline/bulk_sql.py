"""The SQL of bulk changes: it finds the products, and changes or deletes them in a range of keys.

Like a slice of an import, one statement writes the products, appends them to the change log and records their events.
"""

from __future__ import annotations

from psycopg2 import sql

from catalogue.bulk import BulkChange
from importer.jobs.repository import Job
from importer.pipeline.change_log import VERSION_SQL, render_deleted_entry, render_updated_entry
from importer.pipeline.slice_sql import Slice
from importer.pipeline.slices import render_remaining
from webhook_service import insert_updated_sql

# No column has the name of a column of `products`, so that a condition on products can stand beside them.
STAGED_COLUMNS = ["key", "product_id", "found_version"]
CREATE_STAGING_TABLE_SQL = """
CREATE UNLOGGED TABLE {table} (key text COLLATE "C", product_id bigint, found_version timestamptz)
WITH (autovacuum_enabled = off)
"""
FIND_PRODUCTS_SQL = """
INSERT INTO {table} (key, product_id, found_version)
SELECT lower(sku) COLLATE "C" AS key, id, updated_at FROM products
WHERE ({condition}) AND {remaining} ORDER BY key
"""

# A product is changed if it still meets the condition. It does if it is the version that was found, so the condition
# is only evaluated for the others. The products are written by their physical addresses, as in `slice_sql.UPDATED_SQL`:
# fewer are written than selected if another client has changed one since.
SELECTED_SQL = """
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), selected AS MATERIALIZED (
    SELECT products.ctid AS address, products.updated_at,
        {version} AS version{previous_value}
    FROM (SELECT * FROM {table} WHERE {staged_range}) staged
    JOIN products ON lower(products.sku) COLLATE "C" = staged.key AND products.id = staged.product_id
    WHERE {products_range} AND {difference} AND (products.updated_at = staged.found_version OR ({condition}))
    ORDER BY staged.key
)"""
UPDATED_SQL = """, updated AS (
    UPDATE products p SET {column} = {value}, updated_at = (SELECT at FROM write_time)
    FROM selected s WHERE p.ctid = s.address AND p.updated_at IS NOT DISTINCT FROM s.updated_at
    RETURNING p.id, s.version, s.{previous}
)"""
DELETED_SQL = """, deleted AS (
    DELETE FROM products p USING selected s
    WHERE p.ctid = s.address AND p.updated_at IS NOT DISTINCT FROM s.updated_at
    RETURNING p.id, p.sku, p.name, p.description, p.active, p.created_at, p.updated_at, s.version
)"""
COUNT_WRITTEN_SQL = "\nSELECT (SELECT count(*) FROM selected), (SELECT count(*) FROM {written})"
UPDATE_SQL = SELECTED_SQL + UPDATED_SQL + "{record_event}{log_entry}" + COUNT_WRITTEN_SQL
DELETE_SQL = SELECTED_SQL + DELETED_SQL + "{log_entry}" + COUNT_WRITTEN_SQL

EMPTY_SQL = sql.SQL("")


def render_find(table: sql.Composable, change: BulkChange, job: Job) -> sql.Composed:
    """Return the statement that stages the products to which a change applies and that its job has not written yet."""
    return sql.SQL(FIND_PRODUCTS_SQL).format(
        table=table, condition=change.condition(), remaining=render_remaining(job, 'lower(sku) COLLATE "C"')
    )


def render_write(part: Slice, change: BulkChange, *, keep_change_log: bool) -> sql.Composed:
    """Return the statement that changes or deletes the staged products in a range of keys.

    `keep_change_log` makes that undoable. The statement returns the number of products that it selected, and of those
    that it wrote.
    """
    common = {
        "version": sql.SQL(VERSION_SQL.format(p="products")),
        "difference": change.difference(),
        "condition": change.condition(),
    }
    if change.deletes:
        log_entry = render_deleted_entry(part.job.id) if keep_change_log else EMPTY_SQL
        return part.render(
            DELETE_SQL, **common, previous_value=EMPTY_SQL, log_entry=log_entry, written=sql.SQL("deleted")
        )
    column, previous = sql.Identifier(change.column), sql.Identifier(f"previous_{change.column}")
    return part.render(
        UPDATE_SQL,
        **common,
        column=column,
        value=sql.Literal(change.new_value),
        previous=previous,
        previous_value=sql.SQL(", products.{} AS {}").format(column, previous),
        record_event=insert_updated_sql(),
        log_entry=render_updated_entry(part.job.id, [change.column]) if keep_change_log else EMPTY_SQL,
        written=sql.SQL("updated"),
    )
