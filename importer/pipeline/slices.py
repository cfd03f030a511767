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

COUNT_REMAINING_ROWS_SQL = "SELECT count(*) FROM {table} WHERE key > {checkpoint}"
# The last key of each slice: evenly spread keys of a sample, and the last key of all. Any keys would do, but these make
# slices of similar size.
FIND_SLICE_ENDS_SQL = """
SELECT key FROM (
    SELECT key, row_number() OVER (ORDER BY key) AS place, count(*) OVER () AS sampled
    FROM {table} TABLESAMPLE SYSTEM ({percent}) WHERE key > {checkpoint}
) keys WHERE place * {slices} / sampled <> (place - 1) * {slices} / sampled
UNION SELECT max(key) FROM {table} WHERE key > {checkpoint} HAVING count(*) > 0
ORDER BY key
"""


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
    checkpoint = job.checkpoint or ""
    with transaction(connection) as cursor:
        mark_work(cursor, job.id)
        parts = {"table": staging_table(job), "checkpoint": sql.Literal(checkpoint)}
        cursor.execute(sql.SQL(COUNT_REMAINING_ROWS_SQL).format(**parts))
        (remaining_rows,) = cursor.fetchone() or (0,)
        slices = max(1, -(-remaining_rows // slice_rows))
        percent = min(100.0, 100 * SAMPLED_KEYS_PER_SLICE / slice_rows)
        cursor.execute(
            sql.SQL(FIND_SLICE_ENDS_SQL).format(**parts, percent=sql.Literal(percent), slices=sql.Literal(slices))
        )
        ends = [row[0] for row in cursor.fetchall()]
    return [Slice(job, after, last) for after, last in itertools.pairwise([checkpoint, *ends])]


def compare_slice(cursor: Cursor, part: Slice) -> Comparison:
    """Compare a slice with the catalogue, in the caller's transaction."""
    cursor.execute(part.render_comparison())
    return Comparison(*(cursor.fetchone() or ()))


def count_staged_rows(cursor: Cursor, part: Slice) -> int:
    """Return the number of staged rows of a slice, duplicates included."""
    cursor.execute(part.render(COUNT_STAGED_ROWS_SQL))
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)
