"""The statements of the snapshots in `tests/unit/importer/pipeline` are those that PostgreSQL gets."""

from __future__ import annotations

import pytest

from database.connect import Component, connected
from importer.pipeline.outcomes import prepare_outcomes
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL
from support.database import execute
from support.slice_statements import DELETED_TABLE, STAGING_TABLE, render_statements, to_text

STATEMENTS = {name: statement for name, (_, statement) in render_statements().items()}


@pytest.mark.parametrize("name", STATEMENTS)
def test_postgresql_accepts_the_statement_of_a_snapshot(database_url: str, name: str) -> None:
    columns = (
        "product_id bigint, found_version timestamptz"
        if name.startswith("bulk")
        else "number integer, sku text, name text, description text, active boolean, rejected_sku text"
    )
    execute(database_url, f'CREATE TABLE {STAGING_TABLE} ({columns}, key text COLLATE "C")')
    execute(database_url, f"CREATE TABLE {DELETED_TABLE} AS SELECT * FROM products")
    execute(database_url, f"CREATE TABLE {STAGING_TABLE}_lines (first_number int, first_line int, lines int[])")
    with connected(database_url, Component.IMPORTER) as connection, connection, connection.cursor() as cursor:
        prepare_outcomes(cursor, STAGING_TABLE)
    with connected(database_url, Component.IMPORTER) as connection, connection.cursor() as cursor:
        text = STATEMENTS[name].as_string(connection)
        assert text == to_text(STATEMENTS[name])
        cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
        cursor.execute(f"EXPLAIN {text}")
        plan = "\n".join(line for (line,) in cursor)
    if "UPDATE products" in text and name.startswith(("slice", "missing")):
        assert "Tid Scan on products p" in plan
        assert "products_updated_at_idx" not in plan
