"""What the web process prints if it cannot start."""

from __future__ import annotations

import pytest

import config
from app import create_app

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
