"""Splitting staged rows into slices, and comparing a slice with the catalogue.

A slice is one short transaction, so an import never locks products for long. Slices follow the order of the keys. So
concurrent imports lock products in the same order and cannot deadlock, and the last key of a slice is the checkpoint.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.advisory_locks import mark_work
from database.connect import transaction
from importer.jobs.repository import Job
from importer.pipeline.slice_sql import COUNT_STAGED_ROWS_SQL, Slice, staging_table

SAMPLED_KEYS_PER_SLICE = 1000
PRODUCTS = sql.Identifier("products")

COUNT_REMAINING_ROWS_SQL = "SELECT count(*) FROM {rows} WHERE key > {checkpoint}"
# The last key of each slice: evenly spread keys of a sample, and the last key of all. Any keys would do, but these make
# slices of similar size.
FIND_SLICE_ENDS_SQL = """
SELECT key FROM (
    SELECT key, row_number() OVER (ORDER BY key) AS place, count(*) OVER () AS sampled
    FROM {sample} WHERE key > {checkpoint}
) keys WHERE place * {slices} / sampled <> (place - 1) * {slices} / sampled
UNION (SELECT key FROM {rows} WHERE key > {checkpoint} ORDER BY key DESC LIMIT 1)
ORDER BY key
"""
SAMPLE_SQL = "{table} TABLESAMPLE SYSTEM ({percent})"
PRODUCT_KEYS_SQL = '(SELECT lower(sku) COLLATE "C" AS key FROM {products}) products'


@dataclass(frozen=True)
class Comparison:
    """How many different keys a slice has, and how many of them the import would create, update or skip."""

    keys: int = 0
    created: int = 0
    updated: int = 0
    skipped: int = 0

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.keys + other.keys,
            self.created + other.created,
            self.updated + other.updated,
            self.skipped + other.skipped,
        )


def plan_slices(connection: Connection, job: Job, slice_rows: int) -> list[Slice]:
    """Split the staged rows after the checkpoint of a job into slices of about `slice_rows` rows, in key order."""
    table = staging_table(job)
    return _plan(connection, job, job.checkpoint or "", slice_rows, table, _render_sample(table, slice_rows))


def plan_product_ranges(
    connection: Connection, job: Job, slice_rows: int, *, table: sql.Identifier = PRODUCTS
) -> list[Slice]:
    """Split the keys of the catalogue after the `missing_checkpoint` of a job, in key order.

    The ranges have about `slice_rows` products each and cover all products that exist now, or those of another `table`.
    """
    rows, sample = (
        sql.SQL(PRODUCT_KEYS_SQL).format(products=source) for source in (table, _render_sample(table, slice_rows))
    )
    return _plan(connection, job, job.missing_checkpoint or "", slice_rows, rows, sample)


def _plan(
    connection: Connection,
    job: Job,
    checkpoint: str,
    slice_rows: int,
    rows: sql.Composable,
    sample: sql.Composable,
) -> list[Slice]:
    """Split the keys after `checkpoint`; `rows` is a table with the column `key`, and `sample` a sample of it."""
    parts = {"rows": rows, "checkpoint": sql.Literal(checkpoint)}
    with transaction(connection) as cursor:
        mark_work(cursor, job.id)
        cursor.execute(sql.SQL(COUNT_REMAINING_ROWS_SQL).format(**parts))
        (remaining_rows,) = cursor.fetchone() or (0,)
        slices = sql.Literal(max(1, -(-remaining_rows // slice_rows)))
        cursor.execute(sql.SQL(FIND_SLICE_ENDS_SQL).format(**parts, sample=sample, slices=slices))
        ends = [row[0] for row in cursor.fetchall()]
    return [Slice(job, after, last) for after, last in itertools.pairwise([checkpoint, *ends])]


def _render_sample(table: sql.Composable, slice_rows: int) -> sql.Composable:
    percent = min(100.0, 100 * SAMPLED_KEYS_PER_SLICE / slice_rows)
    return sql.SQL(SAMPLE_SQL).format(table=table, percent=sql.Literal(percent))


def compare_slice(cursor: Cursor, part: Slice) -> Comparison:
    """Compare a slice with the catalogue, in the caller's transaction."""
    cursor.execute(part.render_comparison())
    return Comparison(*(cursor.fetchone() or ()))


def count_staged_rows(cursor: Cursor, part: Slice) -> int:
    """Return the number of staged rows of a slice, duplicates included."""
    cursor.execute(part.render(COUNT_STAGED_ROWS_SQL))
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)
