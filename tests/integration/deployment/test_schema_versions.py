"""Processes and the revision of the tables: who migrates, who waits, and which versions run side by side."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest
from alembic import command
from alembic.script import ScriptDirectory

import config
from app import create_app
from database.migrate import (
    MigrationsBlocked,
    NewerSchema,
    OlderSchema,
    newest_revision,
    read_schema,
    require_migrations,
    upgrade_database,
)
from support.database import execute, url_of
from support.migrations import create_alembic_config
from support.paths import ROOT
from support.processes import Processes, is_healthy
from support.waiting import wait_for

# The last revision before migrations had to say whether older processes can run beside them.
LAST_WITHOUT_PHASE = "0029"
# Its workers would count rows twice that workers of this revision have written ahead.
OLDEST_REVISION = "0028"


def run_flask(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `flask --app app …`."""
    command_line = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    variables = {**os.environ, **environment}
    return subprocess.run(
        command_line, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def empty_database(server_url: str, environment: dict[str, str]) -> Iterator[str]:
    """The URL of a database without tables; `environment` has it, too."""
    execute(server_url, "CREATE DATABASE without_tables TEMPLATE template0")
    environment["DATABASE_URL"] = url_of(server_url, "without_tables")
    yield environment["DATABASE_URL"]
    execute(server_url, "DROP DATABASE without_tables WITH (FORCE)")


def test_processes_that_do_not_migrate_wait_for_the_command_that_does(
    empty_database: str, environment: dict[str, str], processes: Processes, free_port: int
) -> None:
    environment["MIGRATE_ON_START"] = "false"
    processes.start_web(free_port)
    processes.start_worker("--concurrency=1")
    waiting = "Waiting for the migrations: the tables of the database do not exist yet"
    wait_for("both processes wait", lambda: processes.log.read_text().count(waiting) == 2)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port))
    assert execute(empty_database, "SELECT to_regclass('alembic_version')") == [(None,)]

    current = run_flask(environment, "db", "current")
    assert current.returncode == 1
    assert current.stdout == f"The tables have the revision none; this version needs {newest_revision()}.\n"
    for _ in range(2):
        upgrade = run_flask(environment, "db", "upgrade")
        assert (upgrade.returncode, upgrade.stderr) == (0, "")
        assert upgrade.stdout == f"The tables have the revision {newest_revision()}.\n"
    wait_for("everything runs", lambda: is_healthy(f"http://127.0.0.1:{free_port}"))
    # Each has said once that it waits.
    assert processes.log.read_text().count(waiting) == 2


def test_the_command_names_a_database_that_does_not_answer() -> None:
    result = run_flask({"DATABASE_URL": "postgresql://user:hidden@127.0.0.1:1/shop"}, "db", "upgrade")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: DATABASE_URL: the database does not answer: ")
    assert "hidden" not in line


def test_the_web_application_does_not_migrate_if_it_must_not(
    database_url: str, environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    command.downgrade(create_alembic_config(database_url), "0027")
    with pytest.raises(SystemExit):
        create_app(config.load({**environment, "MIGRATE_ON_START": "false"}))
    assert read_schema(database_url).revision == "0027"
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"error: the tables of the database have the revision 0027, and this version needs {newest_revision()}: run"
        " `flask --app app db upgrade`, or set MIGRATE_ON_START=true"
    )


def test_the_embedded_database_must_be_migrated_at_the_start() -> None:
    environment = {**os.environ, "DATABASE_URL": "", "MIGRATE_ON_START": "false"}
    result = subprocess.run(
        [sys.executable, "run.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert result.stderr == "error: MIGRATE_ON_START must be true: nothing else migrates the embedded PostgreSQL\n"


def test_the_migrations_record_which_processes_can_use_the_tables(database_url: str) -> None:
    assert read_schema(database_url).oldest_revision == OLDEST_REVISION
    # What follows a downgrade is recorded, too: processes of 0028 know a column that is missing there.
    command.downgrade(create_alembic_config(database_url), "0027")
    assert read_schema(database_url).oldest_revision == "0027"
    with pytest.raises(OlderSchema):
        require_migrations(database_url)
    upgrade_database(database_url)
    assert read_schema(database_url).oldest_revision == OLDEST_REVISION


@pytest.mark.parametrize(
    ("comment", "is_usable"),
    [
        (f"Processes need at least the revision {OLDEST_REVISION}", True),
        (f"Processes need at least the revision {newest_revision()}", True),
        ("Processes need at least the revision 9998", False),
        (None, False),
    ],
)
def test_tables_of_a_newer_version_are_used_if_they_allow_it(
    database_url: str, environment: dict[str, str], processes: Processes, comment: str | None, is_usable: bool
) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    execute(database_url, "COMMENT ON TABLE alembic_version IS %s", [comment])
    for prepare in (upgrade_database, require_migrations):
        with contextlib.nullcontext() if is_usable else pytest.raises(NewerSchema, match="the revision 9999, and this"):
            prepare(database_url)
    assert read_schema(database_url).revision == "9999"


def test_a_worker_ends_if_it_cannot_use_the_tables(
    database_url: str, environment: dict[str, str], processes: Processes
) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'; COMMENT ON TABLE alembic_version IS NULL")
    assert processes.start_worker("--concurrency=1").wait(60) == 2
    assert (
        f"error: the tables of the database have the revision 9999, and this version, which knows {newest_revision()},"
        " cannot use them: start the version that the tables belong to\n"
    ) in processes.log.read_text()


def test_every_migration_says_whether_older_processes_can_run_beside_it() -> None:
    scripts = ScriptDirectory(str(ROOT / "migrations")).walk_revisions(LAST_WITHOUT_PHASE, "head")
    phases = {script.revision: getattr(script.module, "phase", None) for script in scripts}
    wrong = {revision for revision, phase in phases.items() if phase not in {"expand", "contract"}}
    assert not wrong, f'Set phase = "expand" or "contract" in the migrations {wrong}; CONTRIBUTING.md explains it'


def test_a_migration_does_not_wait_for_long_for_a_lock(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # While a migration waits for its lock, everyone else who uses the table waits behind it.
    monkeypatch.setattr("database.migrate.LOCK_ATTEMPTS", 2)
    command.downgrade(create_alembic_config(database_url), "0003")
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM products")
        with pytest.raises(MigrationsBlocked, match=r"lock timeout.*pg_stat_activity"):
            upgrade_database(database_url)
    # What was done before stays, and the next attempt continues there.
    assert read_schema(database_url).revision == "0003"
    upgrade_database(database_url)
    assert read_schema(database_url).revision == newest_revision()
