"""What the processes print if they cannot start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import config
from app import create_app
from support.paths import ROOT

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


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "gunicorn", "app:create_app()"),
        ("-m", "celery", "-A", "celery_app", "worker"),
        ("run_celery.py",),
        ("-m", "webhooks.dispatcher"),
    ],
    ids=" ".join,
)
def test_an_unusable_setting_stops_every_process_with_one_line(command: tuple[str, ...]) -> None:
    result = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "LEASE_SECONDS": "soon"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    (line,) = (result.stdout + result.stderr).splitlines()
    assert line == "error: LEASE_SECONDS must be a whole number from 2 to 3600, not 'soon'"
