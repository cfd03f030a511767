"""The migration that cleans SKUs changes only SKUs that need it, and never makes two products equal."""

from __future__ import annotations

import logging

import pytest
from alembic import command

from support.database import execute
from support.migrations import create_alembic_config

INSERT_SQL = "INSERT INTO products (sku, name) VALUES (%s, %s)"
SKUS = {
    "plain": "AB-1",
    "twin of plain": "A\u200bB-1",
    "soft hyphen": "CD\u00ad-2",
    "twin of the soft hyphen": "cd-2\u200e",
    "decomposed": "e\u03013",
    "composed": "\u00e94",
    "spaces": "\u00a0EF\u3000",
    "nothing": "\u200b\ufeff",
}


def test_skus_are_cleaned_unless_another_product_has_the_clean_one(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = create_alembic_config(database_url)
    command.downgrade(configuration, "0010")
    for name, sku in SKUS.items():
        execute(database_url, INSERT_SQL, (sku, name))
    before = dict(execute(database_url, "SELECT name, updated_at FROM products"))
    with caplog.at_level(logging.WARNING):
        command.upgrade(configuration, "head")
    rows = execute(database_url, "SELECT name, sku, updated_at FROM products")
    changed = {name for name, _, updated_at in rows if updated_at != before[name]}
    assert changed == {"soft hyphen", "decomposed", "spaces"}
    assert {name: sku for name, sku, _ in rows} == {
        **SKUS,
        "soft hyphen": "CD-2",
        "decomposed": "\u00e93",
        "spaces": "EF",
    }
    logged = "\n".join(caplog.messages)
    assert "'A\\u200bB-1'" in logged
    assert "'cd-2\\u200e'" in logged
    assert "3 products keep such SKUs" in logged
    # Applying it again finds the same.
    command.downgrade(configuration, "0010")
    command.upgrade(configuration, "head")
    assert execute(database_url, "SELECT name, sku, updated_at FROM products ORDER BY 1") == sorted(rows)


def test_staged_rows_of_a_preview_are_cleaned(database_url: str) -> None:
    configuration = create_alembic_config(database_url)
    command.downgrade(configuration, "0010")
    execute(database_url, "CREATE TABLE import_staging_7_x (sku text)")
    execute(database_url, "INSERT INTO import_staging_7_x VALUES ('A'), (%s)", ("B\u200b",))
    execute(
        database_url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, status, staging_table)"
        " VALUES (gen_random_uuid(), 'f.csv', 'f', 1, 'awaiting_confirmation', 'import_staging_7_x')",
    )
    command.upgrade(configuration, "head")
    assert execute(database_url, "SELECT sku FROM import_staging_7_x ORDER BY 1") == [("A",), ("B",)]
