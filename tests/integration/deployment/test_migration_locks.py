"""No migration keeps others from reading and writing products for as long as it takes to go through all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from support.database import TEMPLATE_DATABASE, execute, url_of
from support.migrations import create_alembic_config, find_faults, migrate_one, read_traces

DATABASE = "migrated_step_by_step"
# Enough to be told from the few rows that a migration may read or change.
PRODUCTS = 20_000
INSERT_PRODUCTS_SQL = f"""
INSERT INTO products (sku, name, description)
SELECT 'SKU-' || n, 'name ' || n, 'description ' || n FROM generate_series(1, {PRODUCTS}) n
"""
# Migrations that block, with the reason why they may. New ones belong here only if there is no other way.
ALLOWED = {"0002": "it builds the index on updated_at, and is older than upgrades of running versions"}
BLOCKING = {
    "an index that is not built concurrently": "CREATE INDEX ON products (name)",
    "a column with another type": "ALTER TABLE products ALTER active TYPE text",
    "a column with a random default": "ALTER TABLE products ADD x uuid NOT NULL DEFAULT gen_random_uuid()",
    "a check of all rows": "ALTER TABLE products ADD CHECK (name <> sku)",
    "a column that must not be null": "ALTER TABLE products ALTER name DROP NOT NULL, ALTER name SET NOT NULL",
    "an update of all rows": "UPDATE products SET name = name || '!'",
    "a deletion of all rows": "DELETE FROM products",
    "a lock while all rows are read": "LOCK TABLE products; SELECT sum(length(name)) FROM products",
}
HARMLESS = {
    "a new column": "ALTER TABLE products ADD x int",
    "a column with a fixed default": "ALTER TABLE products ADD x int NOT NULL DEFAULT 5",
    "a check of new rows": "ALTER TABLE products ADD CHECK (name <> sku) NOT VALID",
    "a longer text": "ALTER TABLE products ALTER name TYPE varchar(600)",
    "a trigger": "CREATE TRIGGER x AFTER INSERT ON products EXECUTE FUNCTION tell_products_changed()",
    "reading all rows without a lock": "SELECT sum(length(name)) FROM products",
    "an update of a few rows": "UPDATE products SET name = '' WHERE id % 1000 = 0",
}


def connect(url: str) -> Connection:
    """Return a connection of SQLAlchemy, which ends the transaction when it is closed."""
    return create_engine(url.replace("postgresql:", "postgresql+psycopg2:", 1), poolclass=NullPool).connect()


def test_no_migration_blocks_those_who_use_the_products(server_url: str) -> None:
    execute(server_url, f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    url = url_of(server_url, DATABASE)
    config = create_alembic_config(url)
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
    faults = {}
    try:
        with connect(url) as connection:
            migrate_one(connection, config, revisions[0])
            execute(url, INSERT_PRODUCTS_SQL)
            for revision in revisions[1:]:
                with connection.begin():
                    before = read_traces(connection)
                if found := find_faults(before, migrate_one(connection, config, revision)):
                    faults[revision] = found
        assert execute(url, "SELECT version_num FROM alembic_version") == [(revisions[-1],)]
    finally:
        execute(server_url, f"DROP DATABASE {DATABASE} WITH (FORCE)")
    assert faults.keys() == ALLOWED.keys(), faults


@pytest.fixture(scope="module")
def many_products(server_url: str) -> Iterator[Connection]:
    """A connection to a database with the present tables and many products."""
    execute(server_url, f"CREATE DATABASE {DATABASE}_2 TEMPLATE {TEMPLATE_DATABASE}")
    url = url_of(server_url, f"{DATABASE}_2")
    execute(url, INSERT_PRODUCTS_SQL)
    with connect(url) as connection:
        yield connection
    execute(server_url, f"DROP DATABASE {DATABASE}_2 WITH (FORCE)")


def find_faults_of(connection: Connection, statement: str) -> list[str]:
    """Return what is wrong with a statement in a migration; undo it."""
    with connection.begin() as transaction:
        before = read_traces(connection)
        connection.connection.cursor().execute(statement)
        faults = find_faults(before, read_traces(connection))
        transaction.rollback()
    return faults


@pytest.mark.parametrize("statement", BLOCKING.values(), ids=BLOCKING.keys())
def test_what_blocks_others_is_found(many_products: Connection, statement: str) -> None:
    assert find_faults_of(many_products, statement)


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_takes_a_moment_is_no_fault(many_products: Connection, statement: str) -> None:
    assert find_faults_of(many_products, statement) == []
