"""The SQL of a slice: a range of keys of the staging table, and the products with the same keys.

One statement compares a slice with the catalogue, writes it, appends it to the change log and records its event for the
webhooks. It is assembled here from the parts of three modules. The snapshots in tests/unit/importer/pipeline show each
statement as it runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2 import sql

from importer.jobs.repository import Job
from importer.pipeline import change_log
from webhook_service import insert_imported_sql

# The planner knows neither how full a slice is nor that both sides of the join come sorted by key. These settings leave
# it two good plans: a merge join of both indexes, or an index lookup per row if the catalogue is much larger than the
# file.
SLICE_PLANNER_SETTINGS_SQL = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off
"""

# The last row of each key counts. `compared` has only the rows that are written or skipped, so that the others are not
# stored. All products of a slice get the same `updated_at`, read after the snapshot was taken, so no product's
# `updated_at` goes back.
COMPARED_SQL = """
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at), compared AS MATERIALIZED (
    SELECT p.id IS NULL AND write AS is_new, write, skip, p.address, p.updated_at, p.version,
        {staged_values}{previous_values}
    FROM (
        SELECT DISTINCT ON (key) * FROM {table}
        WHERE {staged_range} ORDER BY key, number DESC
    ) s
    LEFT JOIN (
        SELECT id, ctid AS address, updated_at, {columns},
            {version} AS version
        FROM products q WHERE {products_range}
    ) p ON lower(p.sku) COLLATE "C" = s.key
    CROSS JOIN LATERAL (
        SELECT {write} AS write,
            {skip} AS skip
    ) w
    WHERE write OR skip ORDER BY s.key
)"""
# A slice takes all its ids at once, so they follow one another. If each row took its own, the ids of several writers
# would alternate, and the writers would wait for each other at the last page of the primary key.
NEW_IDS_SQL = """, new_ids AS MATERIALIZED (
    SELECT array_agg(nextval((SELECT pg_get_serial_sequence('products', 'id')::regclass))) AS ids
    FROM generate_series(1, {new_count})
)"""
# A plain INSERT is much faster than ON CONFLICT. If another client created one of the products first, the slice fails
# and is repeated.
INSERT_SQL = """INSERT INTO products (id, {columns}, created_at, updated_at)
    SELECT (SELECT ids FROM new_ids)[row_number() OVER ()], {new_values},
        (SELECT at FROM write_time), (SELECT at FROM write_time)"""
INSERTED_SQL = f"""{NEW_IDS_SQL.replace("{new_count}", "(SELECT count(*) FROM compared WHERE is_new)")}, inserted AS (
    {INSERT_SQL}
    FROM compared WHERE is_new RETURNING id
)"""
# The physical address saves a second index lookup. A product that another client has changed since has a new address
# and a new `updated_at`, so fewer products are updated than `compared` counts. The address alone does not suffice:
# servers before 15.15, 16.11, 17.7 and 18.1 wait for the other client and then update the new version of the product.
# `updated_at` is compared with IS NOT DISTINCT FROM, because for `=` the planner would also use an index, and all
# products of a slice may share one `updated_at`.
UPDATED_SQL = """, updated AS (
    UPDATE products p SET
        {assignments},
        updated_at = (SELECT at FROM write_time)
    FROM compared WHERE write AND NOT is_new AND p.ctid = compared.address
        AND p.updated_at IS NOT DISTINCT FROM compared.updated_at
    RETURNING p.id{returned_values}
)"""
NOTHING_UPDATED_SQL = """, updated AS (
    SELECT id FROM products WHERE false
)"""
COUNT_MERGED_SQL = """
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new), count(*) FILTER (WHERE skip),
    (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated)
FROM compared"""

MERGE_SLICE_SQL = COMPARED_SQL + INSERTED_SQL + UPDATED_SQL + "{record_event}{log_entries}" + COUNT_MERGED_SQL
# A file that has only SKUs changes nothing about existing products.
MERGE_SKUS_SQL = COMPARED_SQL + INSERTED_SQL + NOTHING_UPDATED_SQL + "{record_event}{log_entries}" + COUNT_MERGED_SQL
# If the catalogue has no product in the range of keys, there is nothing to compare, which saves a fifth of the time.
INSERT_SLICE_SQL = f"""
WITH write_time AS MATERIALIZED (SELECT clock_timestamp() AS at){NEW_IDS_SQL}, inserted AS (
    SELECT unnest(ids) AS id FROM new_ids
){NOTHING_UPDATED_SQL}{{record_event}}{{log_entries}}
{INSERT_SQL}
    FROM (
        SELECT DISTINCT ON (key) * FROM {{table}}
        WHERE {{staged_range}} ORDER BY key, number DESC
    ) s"""
HAS_NO_PRODUCTS_SQL = "SELECT NOT EXISTS (SELECT FROM products WHERE {products_range})"
COUNT_STAGED_SQL = "SELECT count(*), count(DISTINCT key) FROM {table} WHERE {staged_range}"

# For each mode: which staged rows are written, and which are skipped because of the mode.
MODE_CONDITIONS_SQL = {
    "upsert": ("p.id IS NULL\n            OR {differs}", "false"),
    "create": ("p.id IS NULL", "p.id IS NOT NULL"),
    "update": ("p.id IS NOT NULL AND ({differs})", "p.id IS NULL"),
}

EMPTY_SQL = sql.SQL("")
COMMA_AND_NEW_LINE = ",\n        "


@dataclass(frozen=True)
class Slice:
    """The staged rows of a job whose key is greater than `after` and at most `last`."""

    job: Job
    after: str
    last: str

    @property
    def value_columns(self) -> list[str]:
        """The columns that the file has, without the SKU."""
        return [name for name in self.job.staged_columns or [] if name != "sku"]

    def render(self, template: str, **parts: sql.Composable) -> sql.Composed:
        """Fill in a statement for this slice; `parts` are the values of placeholders that only this statement has."""
        columns = self.job.staged_columns or []
        write, skip = MODE_CONDITIONS_SQL[self.job.mode]
        # A short row lacks its last cells: they keep the values of the product, as an empty cell of `active` does.
        texts = self.value_columns if self.job.short_rows == "accept" else []
        common = {
            "table": staging_table(self.job),
            "staged_range": self._render_range("key"),
            "products_range": self._render_range('lower(sku) COLLATE "C"'),
            "columns": _join(columns, "{name}"),
            "staged_values": _join(columns, "s.{name}"),
            "new_values": _join(
                columns, "{name}", active="coalesce({name}, true)", nullable=(texts, "coalesce({name}, '')")
            ),
            # An empty cell of `active` keeps the value of the product.
            "assignments": _join(
                self.value_columns,
                "{name} = compared.{name}",
                active="{name} = coalesce(compared.{name}, p.{name})",
                nullable=(texts, "{name} = coalesce(compared.{name}, p.{name})"),
                separator=COMMA_AND_NEW_LINE,
            ),
            "write": sql.SQL(write).format(differs=render_difference(self.value_columns)),
            "skip": sql.SQL(skip),
        }
        return sql.SQL(template).format(**common, **parts)

    def render_merge(self, *, keep_change_log: bool, has_subscriber: bool) -> sql.Composed:
        """Return the statement that merges the slice into the catalogue.

        `keep_change_log` makes the import undoable. `has_subscriber` tells whether a webhook wants the products. The
        statement returns one row: how many keys are new, changed and skipped, and how many products it inserted and
        updated.
        """
        values = self.value_columns
        return self.render(
            MERGE_SLICE_SQL if values else MERGE_SKUS_SQL,
            version=sql.SQL(change_log.VERSION_SQL.format(p="q")),
            previous_values=change_log.render_previous_values(values) if keep_change_log else EMPTY_SQL,
            returned_values=change_log.render_returned_values(values) if keep_change_log else EMPTY_SQL,
            record_event=insert_imported_sql(self.job.task_id) if has_subscriber else EMPTY_SQL,
            log_entries=(
                change_log.render_log_entries(self.job.id, values, with_skipped=self.job.mode != "upsert")
                if keep_change_log
                else EMPTY_SQL
            ),
        )

    def render_insert(self, keys: int, *, keep_change_log: bool, has_subscriber: bool) -> sql.Composed:
        """Return the statement that inserts the slice, which has so many keys, none of them with a product."""
        return self.render(
            INSERT_SLICE_SQL,
            new_count=sql.Literal(keys),
            record_event=insert_imported_sql(self.job.task_id) if has_subscriber else EMPTY_SQL,
            log_entries=(
                change_log.render_log_entries(self.job.id, [], with_skipped=False) if keep_change_log else EMPTY_SQL
            ),
        )

    def _render_range(self, key: str) -> sql.Composed:
        return sql.SQL("{key} > {after} AND {key} <= {last}").format(
            key=sql.SQL(key), after=sql.Literal(self.after), last=sql.Literal(self.last)
        )


def staging_table(job: Job) -> sql.Identifier:
    """Return the name of the staging table of a job as an identifier."""
    return sql.Identifier(job.staging_table or "")


def render_difference(columns: list[str]) -> sql.Composable:
    """Return the condition that the staged row `s` has another value than the product `p` in one of the columns.

    An empty cell of `active`, and a cell that a short row lacks, is NULL in `s` and never differs.
    """
    return _join(columns, "p.{name} <> s.{name}", separator="\n            OR ") if columns else sql.SQL("false")


def _join(
    columns: list[str],
    template: str,
    *,
    active: str | None = None,
    nullable: tuple[list[str], str] = ([], ""),
    separator: str = ", ",
) -> sql.Composed:
    """Fill in the template for each column.

    The column `active` may have a template of its own, and so may the columns of texts that may be NULL.
    """
    nullable_columns, nullable_template = nullable
    parts = []
    for name in columns:
        chosen = nullable_template if name in nullable_columns else template
        parts.append(sql.SQL(active if active and name == "active" else chosen).format(name=sql.Identifier(name)))
    return sql.SQL(separator).join(parts)
