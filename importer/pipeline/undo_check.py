"""The check before an undo: whether it would leave most products alone, because they were changed since the import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from importer.jobs.actions import NotAllowed
from importer.jobs.log_messages import NOUNS
from importer.jobs.messages import kind_of_undone, noun_of_undone
from importer.pipeline.change_log import VERSION_SQL

# A sample of this size takes less than a second, however many products the import wrote. Smaller imports are
# counted exactly.
MAX_SAMPLED_ENTRIES = 50
MAX_SAMPLED_PRODUCTS = 20_000

# The sample takes products at regular intervals, from entries at regular intervals, of those that an undo would still
# have to reverse. `versions` counts the sampled products that still exist, by their version. `changed` keeps the
# versions that this import did not write. A product that the import wrote twice counts as unchanged, because the undo
# reverses the last write first. `restorable` has the sampled products that the import deleted; `taken` is 1 if another
# product has the SKU now, which counts as a change.
SAMPLE_SQL = f"""
WITH entries AS MATERIALIZED (
    SELECT *, row_number() OVER (ORDER BY id) AS number, count(*) OVER () AS entries, sum(size) OVER () AS products
    FROM (
        SELECT c.*, coalesce(
            cardinality(left_alone), cardinality(deleted),
            coalesce(cardinality(created), 0) + coalesce(cardinality(updated), 0)
        ) AS size
        FROM import_changes c WHERE job_id = %(job_id)s AND deleted_table IS NULL
    ) c WHERE size > 0
), chosen AS MATERIALIZED (
    SELECT *, sum(size) OVER () / %(max_products)s + 1 AS stride FROM entries
    WHERE (number - 1) %% ((entries - 1) / %(max_entries)s + 1) = 0
), sampled AS MATERIALIZED (
    SELECT u.id FROM chosen, unnest(coalesce(left_alone, created || updated)) WITH ORDINALITY u (id, place)
    WHERE deleted IS NULL AND place %% stride = 0
), restorable AS MATERIALIZED (
    SELECT (SELECT count(*) FROM products p WHERE lower(p.sku) COLLATE "C" = lower(u.sku) COLLATE "C") AS taken
    FROM chosen CROSS JOIN LATERAL (
        SELECT sku, row_number() OVER () AS place
        FROM unnest(deleted, skus) d (id, sku) LEFT JOIN unnest(left_alone) l (id) USING (id)
        WHERE left_alone IS NULL OR l.id IS NOT NULL
    ) u WHERE place %% stride = 0
), versions AS MATERIALIZED (
    SELECT {VERSION_SQL.format(p="p")} AS version, count(*) AS products
    FROM sampled JOIN products p USING (id) GROUP BY 1
), changed AS MATERIALIZED (
    SELECT * FROM versions WHERE version NOT IN (SELECT at FROM entries)
)
SELECT (SELECT coalesce(max(products), 0) FROM entries),
    (SELECT count(*) FROM sampled) + (SELECT count(*) FROM restorable),
    (SELECT coalesce(sum(products), 0)::bigint FROM versions) + (SELECT count(*) FROM restorable),
    (SELECT coalesce(sum(products), 0)::bigint FROM changed)
        + (SELECT coalesce(sum(taken), 0)::bigint FROM restorable),
    later.task_id::text, later.kind, later.filename, later.products
FROM (SELECT) one LEFT JOIN LATERAL (
    SELECT j.task_id, j.kind, j.filename, sum(changed.products)::bigint AS products
    FROM changed JOIN (
        SELECT DISTINCT at, job_id FROM import_changes WHERE at IN (SELECT version FROM changed)
    ) c ON c.at = changed.version
    JOIN import_jobs j ON j.id = c.job_id
    GROUP BY j.id ORDER BY 3 DESC, j.id DESC LIMIT 1
) later ON true
"""
FIND_DELETED_TABLES_SQL = """
SELECT deleted_table, deleted_rows FROM import_changes WHERE job_id = %s AND deleted_rows > 0
"""
SAMPLE_DELETED_TABLE_SQL = """
SELECT count(*), count(*) FILTER (WHERE EXISTS (
    SELECT FROM products p WHERE lower(p.sku) COLLATE "C" = lower(d.sku) COLLATE "C"
)) FROM {deleted_table} d TABLESAMPLE SYSTEM ({percent})
"""
# The ids of a sample are spread over the whole table. Index look-ups are faster than reading all of it.
PLANNER_SETTINGS_SQL = "SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off"


def check_undo(cursor: Cursor, task_id: str) -> None:
    """Raise `NotAllowed` if the undo of an import would leave more than half of its products alone.

    The message says how many products that would be, as an estimate for a large import. It names the later import that
    changed the largest number of them, if there is one. `details` has the same facts for programs.
    """
    cursor.execute("SELECT id, bulk FROM import_jobs WHERE task_id = %s", (task_id,))
    job_id, bulk = cursor.fetchone() or (0, None)
    noun = noun_of_undone(bulk)
    cursor.execute(PLANNER_SETTINGS_SQL)
    limits = {"max_entries": MAX_SAMPLED_ENTRIES, "max_products": MAX_SAMPLED_PRODUCTS}
    cursor.execute(SAMPLE_SQL, {"job_id": job_id, **limits})
    products, sampled, existing, changed, *later = cursor.fetchone() or ()
    later_task_id, later_kind, later_filename, changed_by_later = later
    for deleted, sampled_rows, taken in _sample_deleted_tables(cursor, job_id):
        products, sampled, existing, changed = (
            products + deleted,
            sampled + sampled_rows,
            existing + sampled_rows,
            changed + taken,
        )
    if 2 * changed <= existing:
        return
    is_estimate = sampled < products
    left_alone = round(products * changed / sampled) if is_estimate else changed
    if products == 1:
        counted, them = f"The only product of this {noun} was", "it"
    else:
        about = "About " if is_estimate else ""
        counted, them = f"{about}{left_alone:,} of the {products:,} products of this {noun} were", "these"
    details: dict[str, Any] = {
        "job": kind_of_undone(bulk),
        "products": int(products),
        "left_alone": int(left_alone),
        "is_estimate": is_estimate,
        "later": "none",
        "later_name": "",
    }
    if later_task_id is None:
        cause, advice = "", "Force the undo to take back only the rest."
    else:
        details["later_import"] = {"task_id": later_task_id, "filename": later_filename}
        details |= {"later": later_kind, "later_name": later_filename}
        share = "mostly" if 2 * changed_by_later > changed else "partly"
        later_name = f"{NOUNS[later_kind]} {'of ' if later_kind == 'import' else ''}“{later_filename}”"
        cause = f", {share} by the later {later_name}"
        advice = f"Undo that {NOUNS[later_kind]} first, or force this undo to take back only the rest."
    message = f"{counted} changed since{cause}. An undo leaves {them} alone. {advice}"
    raise NotAllowed("undo_blocked", message, details)


def _sample_deleted_tables(cursor: Cursor, job_id: int) -> Iterator[tuple[int, int, int]]:
    """Yield for each deletion of all products of a job: how many are left to restore, a sample of these, and how many
    of the sample have a SKU that another product has now.
    """
    cursor.execute(FIND_DELETED_TABLES_SQL, (job_id,))
    for name, deleted in cursor.fetchall():
        percent = min(100.0, 100 * MAX_SAMPLED_PRODUCTS / deleted)
        statement = sql.SQL(SAMPLE_DELETED_TABLE_SQL)
        cursor.execute(statement.format(deleted_table=sql.Identifier(name), percent=sql.Literal(percent)))
        sampled, taken = cursor.fetchone() or (0, 0)
        yield deleted, sampled, taken
