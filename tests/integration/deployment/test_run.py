"""`python run.py`: one command starts everything, one signal stops everything."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from embedded.errors import LaunchError
from embedded.supervision import MAX_EARLY_EXITS, SupervisedCommand
from support.paths import ROOT
from support.waiting import wait_for

Start = Callable[..., "Run"]
READY = re.compile(r"^Acme Product Importer is running: (http://\S+)  \(Ctrl-C stops it\)$", re.MULTILINE)


class Run:
    """A `run.py` in a session of its own; its output is in `log`."""

    def __init__(self, folder: Path, changes: dict[str, str]) -> None:
        self.log = folder / f"run-{time.monotonic_ns()}.log"
        settings = {
            "DATABASE_URL": "",
            "CLOUDAMQP_URL": "",
            "CELERY_BROKER_URL": "",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "DATA_DIR": str(folder / "data"),
            "UPLOAD_DIR": str(folder / "uploads"),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "run.py"],
                cwd=ROOT,
                env={**os.environ, **settings, **changes},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.family: list[psutil.Process] = []

    def output(self) -> str:
        return self.log.read_text()

    def address(self) -> str:
        """Waits until it says where it runs; notes every process it has by then."""
        wait_for("the address", lambda: READY.search(self.output()) or self.process.poll() is not None)
        found = READY.search(self.output())
        assert found, self.output()
        self.remember()
        return found[1]

    def remember(self) -> None:
        self.family += psutil.Process(self.process.pid).children(recursive=True)

    def left(self) -> list[str]:
        """The command lines of the processes that still live."""
        lines = []
        for process in self.family:
            # It may end between one question and the next.
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    lines.append(" ".join(process.cmdline()))
        return lines

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit status."""
        self.process.send_signal(number)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it does not stop; left are {self.left()}, and it said:\n{self.output()}")

    def end(self) -> None:
        """Leaves nothing behind, whatever the test was about."""
        if self.process.poll() is None:
            self.remember()
            self.stop()
        for process in self.family:
            if process.is_running():
                process.kill()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts runs that end with the test; all share one DATA_DIR."""
    runs: list[Run] = []

    def start_one(**changes: str) -> Run:
        runs.append(Run(tmp_path, changes))
        return runs[-1]

    yield start_one
    for run in runs:
        run.end()


def refusal(run: Run) -> str:
    """Waits for a run that cannot start; returns the one line that it said."""
    assert run.process.wait(40) != 0
    lines = run.output().splitlines()
    assert len(lines) == 1, run.output()
    assert lines[0].startswith("error: ")
    return lines[0]


def test_everything_starts_and_a_sigterm_stops_it_and_the_data_stays(start: Start) -> None:
    run = start()
    address = run.address()
    health = requests.get(f"{address}/api/health", timeout=10)
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    product = {"sku": "kept", "name": "Kept"}
    assert requests.post(f"{address}/api/products", json=product, timeout=10).status_code == 201
    commands = " ".join(run.left())
    assert all(part in commands for part in ("postgres", "gunicorn", "run_celery.py", "webhooks.dispatcher"))
    assert run.stop() == 0
    assert run.left() == []
    assert "Traceback" not in run.output()

    again = start()
    found = requests.get(f"{again.address()}/api/products", timeout=10).json()["products"]
    assert [row["sku"] for row in found] == ["kept"]
    assert again.stop(signal.SIGINT) == 0
    assert again.left() == []


def test_an_import_goes_through(start: Start) -> None:
    run = start()
    address = run.address()
    rows = "".join(f"sku-{number},Product {number},\n" for number in range(500))
    file = {"file": ("products.csv", f"sku,name,description\n{rows}")}
    task = requests.post(f"{address}/api/upload", files=file, timeout=10).json()["task_id"]
    deadline = time.monotonic() + 60
    job: dict[str, Any] = {"status": "pending"}
    while job["status"] != "completed" and time.monotonic() < deadline:
        time.sleep(0.1)
        job = requests.get(f"{address}/api/upload/progress/{task}", timeout=10).json()
    assert (job["status"], job.get("created_count")) == ("completed", 500), (job, run.output())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_kill_leaves_nothing_behind_and_the_next_start_works(start: Start) -> None:
    run = start()
    run.address()
    run.stop(signal.SIGKILL)
    wait_for("the end of every process", lambda: run.left() == [], 30)
    again = start()
    again.address()
    assert again.stop() == 0


@pytest.mark.parametrize("delay_seconds", [0.3, 0.8, 1.3, 2.0])
def test_a_signal_during_the_start_cleans_up(start: Start, delay_seconds: float) -> None:
    run = start()
    time.sleep(delay_seconds)
    run.remember()
    installed = run.family or "running" in run.output()
    status = run.stop()
    assert status == 0 or (not installed and status == -signal.SIGTERM)  # The handlers come after the imports.
    assert run.left() == []
    assert "Traceback" not in run.output()


def test_parts_that_die_are_started_again(start: Start) -> None:
    run = start()
    address = run.address()
    for victim in run.family:
        if victim.ppid() == run.process.pid and victim.is_running():
            victim.kill()

    def healthy() -> bool:
        try:
            return requests.get(f"{address}/api/health", timeout=10).status_code == 200
        except requests.RequestException:
            return False

    wait_for("new processes", lambda: run.output().count("Starting it again") == 3, 30)
    wait_for("good health", healthy, 30)
    run.remember()
    assert run.stop() == 0
    assert run.left() == []


def test_a_second_run_in_the_same_folder_is_refused(start: Start) -> None:
    address = start().address()
    line = refusal(start())
    assert "already running in" in line
    assert address in line


def test_a_port_in_use_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use: set PORT to another one" in refusal(start(PORT=str(port)))


def test_an_unusable_setting_is_named(start: Start) -> None:
    run = start(PORT="many")
    assert refusal(run).startswith("error: PORT must be")
    assert run.process.returncode == 2


def test_a_host_that_is_not_ours_is_named(start: Start) -> None:
    assert "HOST '192.0.2.1' cannot be used" in refusal(start(HOST="192.0.2.1"))


def test_a_folder_that_cannot_be_written_is_named(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "DATA_DIR" in refusal(start(DATA_DIR=str(tmp_path / "file" / "data")))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:geheim%40x@127.0.0.1:1/acme",
        "postgresql://someone:geheim@x@127.0.0.1:1/acme",
        "postgresql://someone:geheim/x@127.0.0.1:1/acme",
        "postgresql://someone:geheim%x@127.0.0.1:1/acme",
        "postgresql://someone@127.0.0.1:1/acme?password=geheim",
    ],
)
def test_a_database_that_does_not_answer_is_one_line_without_the_password(start: Start, url: str) -> None:
    line = refusal(start(DATABASE_URL=url))
    assert "DATABASE_URL" in line
    assert "geheim" not in line


def test_a_given_database_is_used(start: Start, database_url: str, tmp_path: Path) -> None:
    # Tests that run below nohup would hand its deaf ear on, and run.py respects that.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    run = start(DATABASE_URL=database_url)
    signal.signal(signal.SIGHUP, before)
    assert requests.get(f"{run.address()}/api/health", timeout=10).json()["database"] == "up"
    assert not (tmp_path / "data" / "postgres").exists()
    assert not any("bin/postgres" in command for command in run.left())
    assert run.stop(signal.SIGHUP) == 0
    assert run.left() == []


def test_a_process_that_keeps_ending_early_ends_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    broken = SupervisedCommand("broken", command, ROOT, dict(os.environ))
    broken.start()
    with pytest.raises(LaunchError, match=r"the broken process ended 5 times in a row, .* \(exit status 3\)"):
        while True:
            broken.supervise()
            time.sleep(0.01)
    assert capsys.readouterr().out.count("Starting it again") == MAX_EARLY_EXITS - 1
