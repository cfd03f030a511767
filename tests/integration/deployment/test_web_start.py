"""What the web process prints if it cannot start."""

from __future__ import annotations

import pytest

import config
from app import create_app
from support.database import execute, url_of

EXIT_STATUS = 3


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"PORT": "x"}, "PORT"),
        ({"DATABASE_URL": ""}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/d"}, "DATABASE_URL"),
        ({"UPLOAD_DIR": "/dev/null/uploads"}, "UPLOAD_DIR"),
        ({"SECRET_KEY": "", "DATA_DIR": "/dev/null/data"}, "DATA_DIR"),
    ],
    ids=str,
)
def test_the_web_process_names_the_setting_that_prevents_its_start(
    environment: dict[str, str], changes: dict[str, str], setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        settings = config.load({**environment, **changes})
    except config.ConfigError as error:
        assert str(error).startswith(setting)
        return
    with pytest.raises(SystemExit) as caught:
        create_app(settings)
    assert caught.value.code == EXIT_STATUS
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {setting}")
    assert "hidden" not in line


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
