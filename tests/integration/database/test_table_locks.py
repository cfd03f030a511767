"""An autovacuum, which may take minutes, does not keep the product from changing or dropping its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress

import psycopg2
import pytest
from alembic import command
from psycopg2 import errors

from catalogue import search_indexes
from catalogue.search_indexes import TEXT_INDEX
from database.connect import Component, connected, transaction
from database.migrate import newest_revision, read_schema, upgrade_database
from importer.jobs import deleted_tables
from models import DELETED_TABLE_PREFIX
from support.database import create_server, execute
from support.migrations import create_alembic_config
from support.search_indexes import find_generations
from support.waiting import wait_for

# On a busy machine, an autovacuum may take a while to end once it is cancelled.
ATTEMPTS = 3
UNNAMED_TABLE = f"{DELETED_TABLE_PREFIX}1_2"
FILL_SQL = "INSERT INTO products (sku, name) SELECT 'SKU-' || n, repeat('name ', 20) FROM generate_series(1, 20000) n"
# An autovacuum that sleeps after almost every page.
VACUUM_SLOWLY_SQL = """
ALTER TABLE {table} SET (
    autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1,
    autovacuum_vacuum_scale_factor = 0
)
"""
FIND_AUTOVACUUM_SQL = "SELECT FROM pg_stat_activity WHERE query LIKE 'autovacuum: VACUUM%%.' || %s || '%%'"


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that looks every second for tables to vacuum."""
    settings = {"fsync": "off", "autovacuum_naptime": "1s"}
    with create_server(tmp_path_factory.mktemp("server") / "cluster", settings=settings) as server:
        yield server.start()


@pytest.fixture
def database_url(server_url: str) -> str:
    """The URL of the only database of that server, with many products."""
    upgrade_database(server_url)
    execute(server_url, "TRUNCATE products")
    execute(server_url, FILL_SQL)
    return server_url


def await_autovacuum(url: str, table: str) -> None:
    """Delete rows of a table, and wait until an autovacuum is at work on it."""
    execute(url, VACUUM_SLOWLY_SQL.format(table=table))
    execute(url, f"DELETE FROM {table} WHERE id % 2 = 0")
    wait_for("an autovacuum", lambda: execute(url, FIND_AUTOVACUUM_SQL, (table,)))


def test_a_migration_gets_past_an_autovacuum(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("database.migrate.LOCK_ATTEMPTS", ATTEMPTS)
    command.downgrade(create_alembic_config(database_url), "0003")
    await_autovacuum(database_url, "products")
    upgrade_database(database_url)
    assert read_schema(database_url).revision == newest_revision()


def test_an_expired_deletion_gets_past_an_autovacuum(database_url: str) -> None:
    execute(database_url, f"CREATE TABLE {UNNAMED_TABLE} AS TABLE products")
    await_autovacuum(database_url, UNNAMED_TABLE)
    with closing(psycopg2.connect(database_url)) as connection:
        for _ in range(ATTEMPTS):
            deleted_tables.drop_unnamed_tables(connection)
    assert execute(database_url, "SELECT to_regclass(%s)", (UNNAMED_TABLE,)) == [(None,)]


def test_an_undo_of_a_deletion_gets_past_an_autovacuum(database_url: str) -> None:
    search_indexes.build_indexes(database_url)
    await_autovacuum(database_url, "products")
    with connected(database_url, Component.IMPORTER) as connection:
        for _ in range(ATTEMPTS):
            with suppress(errors.LockNotAvailable), transaction(connection) as cursor:
                search_indexes.make_way(cursor, 15_000)
    assert TEXT_INDEX not in find_generations(database_url)
