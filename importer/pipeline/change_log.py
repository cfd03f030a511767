"""The change log of an import: the table `import_changes`, from which the import can be undone.

Each slice adds one entry or a few: arrays of product ids and previous values, which are much cheaper than one row
per product. All products that a slice writes share one `updated_at`, which the entry also holds. A product with another
`updated_at` was edited after the import.

An undo gives products a new `updated_at`, because clients must see that they changed. It also stores, in `restored`,
which version it brought back and when. Such a product still counts as unedited for the import that wrote this version,
so imports can be undone one after the other. A later edit changes only `updated_at`, so the product then counts as
edited.
"""

from __future__ import annotations

from psycopg2 import sql

# The version of the product `{p}`: the `updated_at` of the write that gave it its present values.
VERSION_SQL = "CASE WHEN {p}.restored[2] = {p}.updated_at THEN {p}.restored[1] ELSE {p}.updated_at END"

# PostgreSQL limits a value to 1 GB, so previous values beyond this size go to another entry.
MAX_ENTRY_BYTES = 1 << 26
# The array column of the change log for each column of a product.
PREVIOUS_VALUE_ARRAYS = {"name": "names", "description": "descriptions", "active": "actives"}

# CTEs of the statement that writes a slice. They follow its CTEs `write_time`, `compared`, `inserted` and `updated`.
LOG_CREATED_SQL = """, logged_created AS (
    INSERT INTO import_changes (job_id, at, created, skipped)
    SELECT {job_id}, at, created, skipped
    FROM write_time, (SELECT array_agg(id) AS created FROM inserted) i,
        (SELECT {skipped_skus} AS skipped) s
    WHERE created IS NOT NULL OR skipped IS NOT NULL
)"""
LOG_UPDATED_SQL = """, logged_updated AS (
    INSERT INTO import_changes (job_id, at, updated, stamps, {arrays})
    SELECT {job_id}, (SELECT at FROM write_time), array_agg(id), array_agg(version),
        {previous_values}
    FROM (
        SELECT *, sum(
            {bytes}
        ) OVER (ROWS UNBOUNDED PRECEDING) / {max_bytes} AS entry
        FROM updated
    ) entries
    GROUP BY entry
)"""
# For a statement that deletes products: it has all their columns, and their versions, in its CTE `deleted`.
LOG_DELETED_SQL = """, logged AS (
    INSERT INTO import_changes (job_id, at, deleted, skus, names, descriptions, actives, stamps, created_ats,
        updated_ats)
    SELECT {job_id}, (SELECT at FROM write_time), array_agg(id), array_agg(sku), array_agg(name),
        array_agg(description), array_agg(active), array_agg(version), array_agg(created_at), array_agg(updated_at)
    FROM (
        SELECT *, sum(
            octet_length(sku) + octet_length(name) + octet_length(description)
        ) OVER (ROWS UNBOUNDED PRECEDING) / {max_bytes} AS entry
        FROM deleted
    ) entries
    GROUP BY entry
)"""


def render_previous_values(columns: list[str]) -> sql.Composable:
    """Return the columns of the CTE `compared` that hold the previous values: NULL for a value that stays the same.

    `columns` are the columns that the file has, without the SKU.
    """
    return _join_columns(",\n        CASE WHEN p.{name} <> s.{name} THEN p.{name} END AS {previous}", columns, "")


def render_returned_values(columns: list[str]) -> sql.Composable:
    """Return what the CTE `updated` returns for the change log, besides the id."""
    return sql.SQL(", compared.version") + _join_columns(",\n        compared.{previous}", columns, "")


def render_log_entries(job_id: int, updated_columns: list[str], *, with_skipped: bool) -> sql.Composable:
    """Return the CTEs that append a slice to the change log.

    `updated_columns` are the columns that the slice may update, and are empty if it only inserts. `with_skipped` tells
    whether the mode of the import can skip products; the log then names them.
    """
    skipped_skus = "(SELECT array_agg(sku) FROM compared WHERE skip)" if with_skipped else "NULL::text[]"
    ctes: list[sql.Composable] = [
        sql.SQL(LOG_CREATED_SQL).format(job_id=sql.Literal(job_id), skipped_skus=sql.SQL(skipped_skus))
    ]
    if updated_columns:
        ctes.append(render_updated_entry(job_id, updated_columns))
    return sql.Composed(ctes)


def render_updated_entry(job_id: int, columns: list[str]) -> sql.Composable:
    """Return the CTE that appends updated products to the change log; `columns` are those that may have changed.

    For each of them the CTE `updated` has a column `previous_…`, beside `id` and `version`.
    """
    texts = [name for name in columns if name != "active"]
    return sql.SQL(LOG_UPDATED_SQL).format(
        job_id=sql.Literal(job_id),
        arrays=sql.SQL(", ").join(sql.Identifier(PREVIOUS_VALUE_ARRAYS[name]) for name in columns),
        previous_values=_join_columns(
            "CASE WHEN count({previous}) > 0 THEN array_agg({previous}) END", columns, ",\n        "
        ),
        bytes=_join_columns("coalesce(octet_length({previous}), 0)", texts, " + ") if texts else sql.SQL("1"),
        max_bytes=sql.Literal(MAX_ENTRY_BYTES),
    )


def render_deleted_entry(job_id: int) -> sql.Composable:
    """Return the CTE that appends deleted products to the change log; see `LOG_DELETED_SQL`."""
    return sql.SQL(LOG_DELETED_SQL).format(job_id=sql.Literal(job_id), max_bytes=sql.Literal(MAX_ENTRY_BYTES))


def _join_columns(template: str, columns: list[str], separator: str) -> sql.Composed:
    return sql.SQL(separator).join(
        sql.SQL(template).format(name=sql.Identifier(name), previous=sql.Identifier(f"previous_{name}"))
        for name in columns
    )
