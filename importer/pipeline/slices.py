"""Splitting staged rows into slices.

A slice is one short transaction, so an import never locks products for long. It has a range of keys, and locks its
products in the order of their keys, so concurrent imports cannot deadlock.
"""

from __future__ import annotations

import itertools

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.advisory_locks import mark_work
from database.connect import transaction
from importer.jobs.repository import Job
from importer.pipeline.slice_sql import COUNT_STAGED_SQL, Slice, staging_table

SAMPLED_KEYS_PER_SLICE = 1000
PRODUCTS = sql.Identifier("products")

# The last key of each slice: evenly spread keys of a sample, and the last key of all. Any keys would do, but these make
# slices of similar size.
FIND_SLICE_ENDS_SQL = """
SELECT key FROM (
    SELECT key, row_number() OVER (ORDER BY key) AS place, count(*) OVER () AS sampled,
        greatest(1, round(count(*) OVER () / {keys_per_slice}::numeric))::bigint AS slices
    FROM {sample} WHERE {remaining}
) keys WHERE place * slices / sampled <> (place - 1) * slices / sampled
UNION (SELECT key FROM {rows} WHERE {remaining} ORDER BY key DESC LIMIT 1)
ORDER BY key
"""
SAMPLE_SQL = "{table} TABLESAMPLE SYSTEM ({percent})"
PRODUCT_KEYS_SQL = '(SELECT lower(sku) COLLATE "C" AS key FROM {products}) products'


def plan_slices(connection: Connection, job: Job, slice_rows: int) -> list[Slice]:
    """Split the staged rows of a job that are not written yet into slices of about `slice_rows` rows, in key order."""
    table = staging_table(job)
    sample = _render_sample(table, slice_rows)
    slices = _plan(connection, job, job.checkpoint or "", render_remaining(job), slice_rows, table, sample)
    return _cut_out_written(slices, job.written_ahead or [])


def plan_product_ranges(
    connection: Connection, job: Job, slice_rows: int, *, table: sql.Identifier = PRODUCTS
) -> list[Slice]:
    """Split the keys of the catalogue after the `missing_checkpoint` of a job, in key order.

    The ranges have about `slice_rows` products each and cover all products that exist now, or those of another `table`.
    """
    rows, sample = (
        sql.SQL(PRODUCT_KEYS_SQL).format(products=source) for source in (table, _render_sample(table, slice_rows))
    )
    checkpoint = job.missing_checkpoint or ""
    return _plan(connection, job, checkpoint, _render_after(checkpoint), slice_rows, rows, sample)


def render_remaining(job: Job, key: str = "key") -> sql.Composed:
    """Return the condition that the SQL expression `key` is a key that the job has not written yet."""
    written = (
        sql.SQL(" AND NOT ({key} > {after} AND {key} <= {last})").format(
            key=sql.SQL(key), after=sql.Literal(after), last=sql.Literal(last)
        )
        for after, last in job.written_ahead or []
    )
    return sql.Composed([_render_after(job.checkpoint or "", key), *written])


def _render_after(checkpoint: str, key: str = "key") -> sql.Composed:
    return sql.SQL("{} > {}").format(sql.SQL(key), sql.Literal(checkpoint))


def _cut_out_written(slices: list[Slice], written_ahead: list[list[str]]) -> list[Slice]:
    """Return the parts of the slices that are in none of the written ranges."""
    # Python compares texts by their code points, which is the order of keys, that of their bytes in UTF-8.
    for after, last in written_ahead:
        parts = []
        for part in slices:
            pieces = [(part.after, min(part.last, after)), (max(part.after, last), part.last)]
            parts += [Slice(part.job, first, end) for first, end in pieces if first < end]
        slices = parts
    return slices


def add_written(checkpoint: str, written_ahead: list[list[str]], part: Slice) -> tuple[str, list[list[str]]]:
    """Return the checkpoint of a job and the ranges of keys written beyond it, once a slice is written as well.

    A range is the key before it and its last key, as in a slice. The ranges are in key order.
    """
    ranges: list[list[str]] = []
    for after, last in sorted([*written_ahead, [part.after, part.last]]):
        if after <= checkpoint:
            checkpoint = max(checkpoint, last)
        elif ranges and after <= ranges[-1][1]:
            ranges[-1] = [ranges[-1][0], max(ranges[-1][1], last)]
        else:
            ranges.append([after, last])
    return checkpoint, ranges


def _plan(
    connection: Connection,
    job: Job,
    checkpoint: str,
    remaining: sql.Composable,
    slice_rows: int,
    rows: sql.Composable,
    sample: sql.Composable,
) -> list[Slice]:
    """Split the keys after `checkpoint` that meet the condition `remaining`.

    `rows` is a table with the column `key`, and `sample` a sample of it.
    """
    # The sample has all keys if a slice is small.
    keys_per_slice = sql.Literal(min(slice_rows, SAMPLED_KEYS_PER_SLICE))
    parts = {"rows": rows, "remaining": remaining, "sample": sample, "keys_per_slice": keys_per_slice}
    with transaction(connection) as cursor:
        mark_work(cursor, job.id)
        cursor.execute(sql.SQL(FIND_SLICE_ENDS_SQL).format(**parts))
        ends = [row[0] for row in cursor.fetchall()]
    return [Slice(job, after, last) for after, last in itertools.pairwise([checkpoint, *ends])]


def _render_sample(table: sql.Composable, slice_rows: int) -> sql.Composable:
    percent = min(100.0, 100 * SAMPLED_KEYS_PER_SLICE / slice_rows)
    return sql.SQL(SAMPLE_SQL).format(table=table, percent=sql.Literal(percent))


def count_staged(cursor: Cursor, part: Slice) -> tuple[int, int]:
    """Return how many staged rows a slice has, and how many different keys."""
    cursor.execute(part.render(COUNT_STAGED_SQL))
    rows, keys = cursor.fetchone() or (0, 0)
    return int(rows), int(keys)
