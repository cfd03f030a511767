"""Restoring the products of a change log entry that an import or a bulk change deleted.

A product gets back its id, its timestamps and everything else. So it is the same version as before, and an earlier
import that wrote this version can still be undone. A product whose SKU another product has now is left alone.
"""

from __future__ import annotations

from psycopg2 import sql

from importer.files.reject_messages import SKU_TAKEN
from importer.jobs.repository import Job
from importer.pipeline.reversal import render_event

# Parts of statements. Their CTE `logged` has the columns of the deleted products.
TAKEN_SQL = """, taken AS MATERIALIZED (
    SELECT g.id, g.sku FROM logged g
    WHERE EXISTS (SELECT FROM products p WHERE lower(p.sku) COLLATE "C" = lower(g.sku) COLLATE "C")
        OR EXISTS (SELECT FROM products p WHERE p.id = g.id)
)"""
# If another client creates one of the products first, the transaction fails and is repeated.
INSERT_RESTORED_SQL = """, inserted AS (
    INSERT INTO products (id, sku, name, description, active, created_at, updated_at, restored)
    SELECT id, sku, name, description, active, created_at, updated_at, restored
    FROM logged WHERE id NOT IN (SELECT id FROM taken) ORDER BY lower(sku) COLLATE "C" RETURNING id
)"""
LIST_TAKEN_SQL = (
    """, listed AS (
    INSERT INTO import_rejects (job_id, line, code, message, row)
    SELECT {job_id}, line, 'sku_taken',
        '"""
    + SKU_TAKEN.format()
    + """', sku
    FROM (
        SELECT rejected_count + row_number() OVER (ORDER BY lower(t.sku) COLLATE "C") AS line, t.sku
        FROM taken t, import_jobs j WHERE j.id = {job_id}
    ) numbered WHERE line <= {max_rejects}
), updated AS (SELECT id FROM inserted WHERE false){record_event}"""
)
COUNT_RESTORED_SQL = """
SELECT (SELECT count(*) FROM logged), 0, (SELECT count(*) FROM inserted), (SELECT count(*) FROM taken)
"""
RESTORE_DELETED_SQL = (
    """
WITH rest AS MATERIALIZED (
    SELECT unnest(left_alone) AS id FROM import_changes WHERE id = {entry_id}
), logged AS MATERIALIZED (
    SELECT u.*, CASE WHEN version <> updated_at THEN ARRAY[version, updated_at] END AS restored
    FROM import_changes c CROSS JOIN LATERAL (
        SELECT * FROM unnest(
            c.deleted, c.skus, c.names, c.descriptions, c.actives, c.stamps, c.created_ats, c.updated_ats
        ) u (id, sku, name, description, active, version, created_at, updated_at)
    ) u WHERE c.id = {entry_id} AND (c.left_alone IS NULL OR u.id IN (SELECT id FROM rest))
)"""
    + TAKEN_SQL
    + INSERT_RESTORED_SQL
    + """, left_alone AS (
    UPDATE import_changes SET left_alone = ARRAY(SELECT id FROM taken) WHERE id = {entry_id}
)"""
    + LIST_TAKEN_SQL
    + COUNT_RESTORED_SQL
)


def render_restoration(job: Job, entry_id: int, *, max_rejects: int, has_subscriber: bool) -> sql.Composed:
    """Return the statement that restores the deleted products of an entry; see `undo.render_reversal`."""
    return sql.SQL(RESTORE_DELETED_SQL).format(
        entry_id=sql.Literal(entry_id),
        job_id=sql.Literal(job.id),
        max_rejects=sql.Literal(max_rejects),
        record_event=render_event(job, has_subscriber=has_subscriber),
    )
