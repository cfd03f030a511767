"""The versions of PostgreSQL: which ones the product accepts, and on which one the tests run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import config
from app import create_app
from database.migrate import MIN_SERVER_VERSION
from embedded.errors import EmbeddedPostgresError
from embedded.postgres import EmbeddedPostgres
from support.database import execute, url_of

EXIT_STATUS = 3


def test_the_tests_run_on_the_server_that_was_chosen(server_url: str) -> None:
    ((number, version),) = execute(
        server_url, "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    assert number >= MIN_SERVER_VERSION * 10_000
    if folder := os.environ.get("TEST_POSTGRES_BIN"):
        program = str(Path(folder) / "postgres")
        assert version in subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout


def test_a_folder_without_a_server_is_named(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "cluster", programs=tmp_path / "bin")
    with pytest.raises(EmbeddedPostgresError, match="bin has no postgres: give the folder"):
        server.start()


def test_the_web_process_refuses_an_old_server_before_it_changes_anything(
    server_url: str, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Every server that the tests have is too old for this.
    monkeypatch.setattr("database.migrate.MIN_SERVER_VERSION", 99)
    execute(server_url, "CREATE DATABASE old_of_tests TEMPLATE template0")
    url = url_of(server_url, "old_of_tests")
    try:
        with pytest.raises(SystemExit) as caught:
            create_app(config.load({**environment, "DATABASE_URL": url}))
        assert execute(url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]
        ((version,),) = execute(url, "SHOW server_version")
    finally:
        execute(server_url, "DROP DATABASE old_of_tests WITH (FORCE)")
    assert caught.value.code == EXIT_STATUS
    assert capsys.readouterr().err == (
        f"error: DATABASE_URL: the server runs PostgreSQL {version}, and version 99 or newer is needed."
        " Upgrade the server, or choose another one\n"
    )
