"""Which products a job has created or updated, as an SQL condition.

The change log of the job has their ids. All products of a slice have the `updated_at` that their entry of the log has,
unless they were written again since. So most products are recognised by their `updated_at`, and the ids are read only
for those that were written later.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

FIND_JOB_SQL = """
SELECT kind, (SELECT count(*) FROM import_changes c WHERE c.job_id = j.id),
    created_count + updated_count + missing_count + removed_count
FROM import_jobs j WHERE task_id = %s
"""
ENTRIES_SQL = """FROM import_changes c JOIN import_jobs j ON j.id = c.job_id
        WHERE j.task_id = {task_id} AND num_nonnulls(c.created, c.updated) > 0"""
IDS_SQL = f"SELECT unnest(c.created || c.updated) {ENTRIES_SQL}"
IS_CHANGED_SQL = f"id IN ({IDS_SQL})"
# Two slices of different jobs may have been written in the same microsecond. Then only the ids tell.
TIMES_SQL = f"""SELECT c.at {ENTRIES_SQL}
        AND NOT EXISTS (SELECT FROM import_changes other WHERE other.at = c.at AND other.job_id <> c.job_id)"""
LOWER_BOUND_SQL = f"updated_at >= (SELECT min(c.at) {ENTRIES_SQL})"
IS_CHANGED_IN_SCAN_SQL = f"""(updated_at = ANY (ARRAY({TIMES_SQL})) OR (
        {LOWER_BOUND_SQL} AND id IN ({IDS_SQL})
    ))"""
# Entries of earlier versions have no range, so they may have any ids.
IDS_IN_RANGE_SQL = f"""{IDS_SQL}
        AND coalesce(c.lowest_id <= {{highest}} AND c.highest_id >= {{lowest}}, true)"""
# The id at which the entries with the lowest ids, or with the highest ones, have enough products in any case: the
# products of one entry may be before the range.
FIND_END_SQL = f"""
SELECT edge FROM (
    SELECT {{edge}} AS edge, sum(products) OVER (ORDER BY {{edge}} {{direction}}) AS products,
        max(products) OVER () AS most
    FROM (
        SELECT c.lowest_id, c.highest_id, c.created_count + c.updated_count AS products {ENTRIES_SQL}
            AND c.lowest_id <= {{highest}} AND c.highest_id >= {{lowest}}
    ) entries
) summed WHERE products >= {{products}} + most ORDER BY products LIMIT 1
"""
# Only entries of earlier versions do not have these values beside the arrays, which take long to read.
SUMMARIZE_SQL = f"""
SELECT coalesce(sum(coalesce(c.created_count, cardinality(c.created), 0)
        + coalesce(c.updated_count, cardinality(c.updated), 0)), 0)::bigint,
    min(c.at), max(c.at),
    CASE WHEN count(c.lowest_id) = count(*) THEN min(c.lowest_id) END,
    CASE WHEN count(c.lowest_id) = count(*) THEN max(c.highest_id) END
{ENTRIES_SQL}
"""


class UnknownChanges(ValueError):
    """The products that a job has changed cannot be told. The message says why, for clients."""


class ChangesSummary(NamedTuple):
    """How many products a job has written, when it wrote the first and the last one, and the range of their ids.

    Some of the products may have been deleted since. The range is None if the change log is of an earlier version.
    """

    products: int
    first_at: datetime | None
    last_at: datetime | None
    lowest_id: int | None
    highest_id: int | None


@dataclass(frozen=True)
class JobChanges:
    """The products that the job with this task id has created or updated. Deleted ones are not among them."""

    task_id: str

    def condition(self) -> sql.Composable:
        """Return the condition for a query that looks the products up by their ids."""
        return self._render(IS_CHANGED_SQL)

    def scan_condition(self) -> sql.Composable:
        """Return the condition for a query that reads products in some order and stops early."""
        return self._render(IS_CHANGED_IN_SCAN_SQL)

    def lower_bound(self) -> sql.Composable:
        """Return a condition that all of the products meet: none was last changed before the job."""
        return self._render(LOWER_BOUND_SQL)

    def ids(self, lowest: int, highest: int) -> sql.Composable:
        """Return the query of the ids, each once or several times: all of those in a range, and perhaps others."""
        return self._render(IDS_IN_RANGE_SQL, lowest=sql.Literal(lowest), highest=sql.Literal(highest))

    def narrow(self, cursor: Cursor, lowest: int, highest: int, products: int, *, descending: bool) -> tuple[int, int]:
        """Return the part of a range of ids in which the job has written the first so many products, or more.

        That is the whole range if the change log does not know. Some of the products may have been deleted since.
        """
        parts = {
            "edge": sql.Identifier("lowest_id" if descending else "highest_id"),
            "direction": sql.SQL("DESC" if descending else "ASC"),
            "lowest": sql.Literal(lowest),
            "highest": sql.Literal(highest),
            "products": sql.Literal(products),
        }
        cursor.execute(self._render(FIND_END_SQL, **parts))
        row = cursor.fetchone()
        if row is None:
            return lowest, highest
        return (row[0], highest) if descending else (lowest, row[0])

    def summarize(self, cursor: Cursor) -> ChangesSummary:
        """Return what the change log says about the products as a whole."""
        cursor.execute(self._render(SUMMARIZE_SQL))
        return ChangesSummary(*(cursor.fetchone() or (0, None, None, None, None)))

    def require_log(self, cursor: Cursor) -> None:
        """Raise `UnknownChanges` if there is no such job, if it is an undo, or if its change log has expired."""
        cursor.execute(FIND_JOB_SQL, (self.task_id,))
        row = cursor.fetchone()
        if row is None:
            raise UnknownChanges(
                "There is no job with the id in changed_by. Send the task_id of an import or bulk change."
            )
        kind, entries, written = row
        if kind == "undo":
            raise UnknownChanges("The job in changed_by is an undo. Send the task_id of the job that it undoes.")
        if written and not entries:
            raise UnknownChanges(
                "What the job in changed_by changed is no longer known, because its change log has expired. Use"
                " changed_since with the time of the job instead."
            )

    def _render(self, template: str, **parts: sql.Composable) -> sql.Composed:
        # The text is a checked UUID; PostgreSQL cannot compare a parameter's text with a uuid without a cast.
        return sql.SQL(template).format(task_id=sql.Literal(str(uuid.UUID(self.task_id))), **parts)
