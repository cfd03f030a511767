"""The migrations build the tables of the models, can be reversed, and may run in several processes at once."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

import psycopg2
import psycopg2.errors
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from database.advisory_locks import MIGRATION_KEY
from database.connect import ENGINE_URL, Component, connect
from database.migrate import UnusableDatabase, newest_revision, upgrade_database
from models import Base
from support.database import execute, url_of
from support.migrations import create_alembic_config
from support.paths import ROOT
from support.waiting import wait_for

EMPTY_DATABASE = "empty_of_tests"
MIGRATE_PROGRAM = "import sys; from database.migrate import upgrade_database; upgrade_database(sys.argv[1])"
MIGRATE_SECONDS = 120
PROCESSES = 4
# Tables and functions that the migrations created.
RELATIONS_SQL = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def find_differences(url: str) -> list[object]:
    """Return what differs between the database and the models.

    The unique index on SKUs is left out, because reflection loses its collation; `check_sku_index` checks it.
    """
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_object": lambda _object, name, *_: name != "products_sku_key",
    }
    engine = create_engine(ENGINE_URL, creator=lambda: connect(url, Component.MIGRATIONS), poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))


def check_sku_index(url: str) -> None:
    """Assert that SKUs which differ only in case are duplicates."""
    (definition,) = execute(url, "SELECT indexdef FROM pg_indexes WHERE indexname = 'products_sku_key'")[0]
    assert "UNIQUE" in definition
    assert 'lower((sku)::text) COLLATE "C"' in definition
    execute(url, "INSERT INTO products (sku) VALUES ('aB')")
    with pytest.raises(psycopg2.errors.UniqueViolation):
        execute(url, "INSERT INTO products (sku) VALUES ('Ab')")


def test_migrations_build_what_the_models_describe(database_url: str) -> None:
    execute(database_url, "CREATE TABLE import_staging_1_x (a text)")
    # This is `alembic check`, which must ignore staging tables.
    command.check(create_alembic_config(database_url))
    execute(database_url, "DROP TABLE import_staging_1_x")
    assert find_differences(database_url) == []
    check_sku_index(database_url)


def test_migrations_can_be_reversed_and_applied_again(database_url: str) -> None:
    alembic_config = create_alembic_config(database_url)
    command.downgrade(alembic_config, "base")
    assert {name for (name,) in execute(database_url, RELATIONS_SQL)} <= {"alembic_version", "alembic_version_pkc"}
    command.upgrade(alembic_config, "head")
    assert find_differences(database_url) == []
    check_sku_index(database_url)


def test_a_database_at_revision_0004_without_the_quote_column_is_migrated(database_url: str) -> None:
    command.downgrade(create_alembic_config(database_url), "0005")
    execute(database_url, "ALTER TABLE import_jobs DROP COLUMN quote")
    command.stamp(create_alembic_config(database_url), "0004")
    command.upgrade(create_alembic_config(database_url), "head")
    assert find_differences(database_url) == []


def test_processes_that_start_together_migrate_in_turn(server_url: str) -> None:
    execute(server_url, f"CREATE DATABASE {EMPTY_DATABASE} TEMPLATE template0")
    url = url_of(server_url, EMPTY_DATABASE)
    try:
        processes = [
            subprocess.Popen([sys.executable, "-c", MIGRATE_PROGRAM, url], cwd=ROOT, stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        errors = [process.communicate(timeout=MIGRATE_SECONDS)[1] for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES, errors
        assert find_differences(url) == []
    finally:
        execute(server_url, f"DROP DATABASE {EMPTY_DATABASE} WITH (FORCE)")


def test_the_newest_file_has_the_newest_revision() -> None:
    assert ScriptDirectory(str(ROOT / "migrations")).get_current_head() == newest_revision()


def test_a_database_of_any_age_is_recognised(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command.downgrade(create_alembic_config(database_url), "0017")
    upgrade_database(database_url)
    assert find_differences(database_url) == []
    with monkeypatch.context() as patches:
        # A start with nothing to migrate takes no lock and needs no Alembic.
        patches.setattr(command, "upgrade", None)
        upgrade_database(database_url)
    execute(database_url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    upgrade_database(database_url)
    assert find_differences(database_url) == []


def test_a_server_that_is_too_old_is_refused_although_its_tables_are_current(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("database.migrate.MIN_SERVER_VERSION", 99)
    with pytest.raises(UnusableDatabase, match="version 99 or newer is needed"):
        upgrade_database(database_url)


def test_a_start_during_a_migration_waits_for_its_end(database_url: str) -> None:
    command.downgrade(create_alembic_config(database_url), "0017")
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        # Another process is about to commit the last migration.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATION_KEY])
        cursor.execute("UPDATE alembic_version SET version_num = %s", [newest_revision()])
        starting = threading.Thread(target=upgrade_database, args=[database_url])
        starting.start()
        wait_for(
            "the start waits for the lock",
            lambda: execute(database_url, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
        )
        connection.commit()
    starting.join(MIGRATE_SECONDS)
    assert not starting.is_alive()
