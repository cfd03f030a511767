"""What a Celery worker starts and stops along with itself."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

import config
import tasks
from importer.jobs.reaper import Reaper
from support.processes import Processes
from webhooks.process import DispatcherProcess


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """The threads that a worker in this process has started; they do not run."""
    started: list[threading.Thread] = []
    monkeypatch.setattr(tasks, "companions", [])
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread))
    monkeypatch.setattr(DispatcherProcess, "start", lambda thread: started.append(thread))
    return started


def test_a_worker_without_a_database_url_exits_with_a_message(
    processes: Processes, environment: dict[str, str]
) -> None:
    environment["DATABASE_URL"] = ""
    for worker in (processes.start_worker(), processes.start("run_celery.py", "-q")):
        assert worker.wait(30) == 2
    lines = processes.log.read_text().splitlines()
    assert len([line for line in lines if line.startswith("error: DATABASE_URL is not set")]) == 2
    assert not [line for line in lines if "Traceback" in line]


def test_a_worker_refuses_an_old_server(
    database_url: str,
    settings: config.Settings,
    started: list[threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Every server that the tests have is too old for this.
    monkeypatch.setattr("database.migrate.MIN_SERVER_VERSION", 99)
    monkeypatch.setattr(tasks, "settings", settings)
    with pytest.raises(SystemExit) as caught:
        tasks.prepare_worker()
    assert caught.value.code == 2
    assert "and version 99 or newer is needed" in capsys.readouterr().err
    assert started == []


def test_a_worker_whose_upload_folder_cannot_be_used_exits_with_a_sentence(
    settings: config.Settings,
    started: list[threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()
    unusable = config.Settings(**{**vars(settings), "upload_dir": tmp_path / "file" / "uploads"})
    monkeypatch.setattr(tasks, "settings", unusable)
    with pytest.raises(SystemExit) as caught:
        tasks.prepare_worker()
    assert caught.value.code == 2
    assert f"UPLOAD_DIR: the folder {unusable.upload_dir} cannot be written" in capsys.readouterr().err
    assert started == []


def test_a_worker_that_starts_before_the_web_process_creates_the_upload_folder(
    settings: config.Settings, started: list[threading.Thread], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = config.Settings(**{**vars(settings), "upload_dir": tmp_path / "missing"})
    monkeypatch.setattr(tasks, "settings", missing)
    tasks.prepare_worker()
    assert missing.upload_dir.is_dir()
    assert [type(companion) for companion in started] == [DispatcherProcess]


def test_a_worker_waits_for_the_database(started: list[threading.Thread], monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [OperationalError("SELECT 1", None, Exception("connection refused")) for _ in range(2)]

    def upgrade(url: str) -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(tasks, "upgrade_database", upgrade)
    monkeypatch.setattr(tasks, "DATABASE_RETRY_SECONDS", 0)
    tasks.prepare_worker()
    assert errors == []
    assert [type(companion) for companion in started] == [DispatcherProcess]


def test_a_worker_starts_its_threads_once_although_it_loses_the_broker(started: list[threading.Thread]) -> None:
    worker = SimpleNamespace(hostname="worker@here")
    tasks.start_threads(sender=worker)
    threads = list(started)
    tasks.start_threads(sender=worker)
    assert started == threads
    assert [type(companion) for companion in threads].count(Reaper) == 1


def test_a_worker_whose_metrics_port_is_taken_exits_with_a_sentence(
    settings: config.Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(tasks, "settings", config.Settings(**{**vars(settings), "metrics_port": port}))
        with pytest.raises(SystemExit) as caught:
            tasks.prepare_worker()
    assert caught.value.code == 2
    assert f"METRICS_PORT: the worker cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
