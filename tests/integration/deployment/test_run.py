"""`python run.py`: one command starts everything, one signal stops everything."""

from __future__ import annotations

import contextlib
import itertools
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
from support.processes import is_healthy
from support.waiting import wait_for

READY_RE = re.compile(r"^Acme Product Importer is running: (http://\S+)  \(Ctrl-C stops it\)$", re.MULTILINE)
STOP_SECONDS = 40
REQUEST_SECONDS = 10
SUPERVISED_PROCESSES = 3  # PostgreSQL, the web process and the worker.

StartRun = Callable[..., "Run"]


class Run:
    """A process of `run.py` in its own session; its output is in a file in `folder`."""

    _numbers = itertools.count()

    def __init__(self, folder: Path, changes: dict[str, str]) -> None:
        self._log = folder / f"run-{next(self._numbers)}.log"
        settings = {
            "DATABASE_URL": "",
            "CLOUDAMQP_URL": "",
            "CELERY_BROKER_URL": "",
            "HOST": "127.0.0.1",
            "PORT": "0",
            "DATA_DIR": str(folder / "data"),
            "UPLOAD_DIR": str(folder / "uploads"),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "run.py"],
                cwd=ROOT,
                env={**os.environ, **settings, **changes},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.descendants: set[psutil.Process] = set()

    def output(self) -> str:
        """Return what the process has printed so far."""
        return self._log.read_text()

    def wait_for_address(self) -> str:
        """Wait until the product runs, remember its processes and return its address."""
        wait_for("the address", lambda: READY_RE.search(self.output()) or self.process.poll() is not None)
        ready = READY_RE.search(self.output())
        assert ready, self.output()
        self.remember_descendants()
        return ready[1]

    def remember_descendants(self) -> None:
        """Add the present descendants to those that must end with the run."""
        self.descendants |= set(psutil.Process(self.process.pid).children(recursive=True))

    def has_descendant(self, word: str) -> bool:
        """Return whether a remembered or present descendant has `word` in its command line."""
        self.remember_descendants()
        return any(word in command for command in self.running_commands())

    def running_commands(self) -> list[str]:
        """Return the command lines of the remembered descendants that still run."""
        commands = []
        for process in self.descendants:
            # The process may end between two of these calls.
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    commands.append(" ".join(process.cmdline()))
        return commands

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end of the process and return its exit status."""
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"run.py does not stop; these run: {self.running_commands()}; its output:\n{self.output()}")

    def clean_up(self) -> None:
        """End the process and all of its descendants."""
        if self.process.poll() is None:
            self.remember_descendants()
            self.stop()
        for process in self.descendants:
            if process.is_running():
                process.kill()


@pytest.fixture
def start_run(tmp_path: Path) -> Iterator[StartRun]:
    """A function that starts runs, which share one DATA_DIR and end with the test; its keywords are variables."""
    runs: list[Run] = []

    def start(**changes: str) -> Run:
        runs.append(Run(tmp_path, changes))
        return runs[-1]

    yield start
    for run in runs:
        run.clean_up()


def wait_for_refusal(run: Run) -> str:
    """Wait until a run that cannot start has ended and return its only line of output."""
    assert run.process.wait(STOP_SECONDS) != 0
    lines = run.output().splitlines()
    assert len(lines) == 1, run.output()
    assert lines[0].startswith("error: ")
    return lines[0]


def test_one_command_starts_everything_and_data_survives_a_stop(start_run: StartRun) -> None:
    run = start_run()
    address = run.wait_for_address()
    health = requests.get(f"{address}/api/health", timeout=REQUEST_SECONDS)
    assert (health.status_code, health.json()["status"]) == (200, "healthy")
    rows = "".join(f"sku-{number},Product {number},\n" for number in range(500))
    file = {"file": ("products.csv", f"sku,name,description\n{rows}")}
    task_id = requests.post(f"{address}/api/upload", files=file, timeout=REQUEST_SECONDS).json()["task_id"]

    def ended_job() -> dict[str, Any] | None:
        job: dict[str, Any] = requests.get(f"{address}/api/upload/progress/{task_id}", timeout=REQUEST_SECONDS).json()
        return job if job["finished_at"] else None

    job = wait_for("the end of the import", ended_job)
    assert (job["status"], job["created_count"]) == ("completed", 500), (job, run.output())
    for program in ("postgres", "gunicorn", "celery", "webhooks.dispatcher"):
        assert run.has_descendant(program)
    assert run.stop() == 0
    assert run.running_commands() == []
    assert "Traceback" not in run.output()

    second = start_run()
    page = requests.get(f"{second.wait_for_address()}/api/products", timeout=REQUEST_SECONDS).json()
    assert page["pagination"]["total"] == 500
    assert second.stop(signal.SIGINT) == 0
    assert second.running_commands() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_a_second_run_in_the_same_folder_is_refused_until_the_first_one_was_killed(start_run: StartRun) -> None:
    run = start_run()
    address = run.wait_for_address()
    line = wait_for_refusal(start_run())
    assert "already running in" in line
    assert address in line

    run.stop(signal.SIGKILL)
    wait_for("the end of every process", lambda: run.running_commands() == [], seconds=30)
    second = start_run()
    second.wait_for_address()
    assert second.stop() == 0


@pytest.mark.thorough("postgres -D", "celery")
@pytest.mark.parametrize("program", ["initdb", "postgres -D", "gunicorn", "celery"])
def test_a_signal_during_the_start_stops_everything(start_run: StartRun, program: str) -> None:
    run = start_run()
    wait_for(f"the start of {program}", lambda: run.has_descendant(program))
    assert run.stop() == 0
    assert run.running_commands() == []
    assert "Traceback" not in run.output()


def test_processes_that_die_are_started_again(start_run: StartRun) -> None:
    run = start_run()
    address = run.wait_for_address()
    for process in run.descendants:
        if process.is_running() and process.ppid() == run.process.pid:
            process.kill()
    wait_for("new processes", lambda: run.output().count("Starting it again") == SUPERVISED_PROCESSES, seconds=30)
    wait_for("a healthy product", lambda: is_healthy(address), seconds=30)
    run.remember_descendants()
    assert run.stop() == 0
    assert run.running_commands() == []


def test_a_port_in_use_is_named(start_run: StartRun) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other_listener:
        port = other_listener.getsockname()[1]
        line = wait_for_refusal(start_run(PORT=str(port)))
    assert f"port {port} is in use: set PORT to another one" in line


def test_an_unusable_setting_is_named(start_run: StartRun) -> None:
    run = start_run(PORT="many")
    assert wait_for_refusal(run).startswith("error: PORT must be")
    assert run.process.returncode == 2


def test_a_host_of_another_machine_is_named(start_run: StartRun) -> None:
    assert "HOST '192.0.2.1' cannot be used" in wait_for_refusal(start_run(HOST="192.0.2.1"))


def test_a_folder_that_cannot_be_written_is_named(start_run: StartRun, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "DATA_DIR" in wait_for_refusal(start_run(DATA_DIR=str(tmp_path / "file" / "data")))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:sesame%40x@127.0.0.1:1/acme",
        "postgresql://someone:sesame@x@127.0.0.1:1/acme",
        "postgresql://someone:sesame/x@127.0.0.1:1/acme",
        "postgresql://someone:sesame%x@127.0.0.1:1/acme",
        "postgresql://someone@127.0.0.1:1/acme?password=sesame",
    ],
)
def test_a_database_that_does_not_answer_is_named_without_its_password(start_run: StartRun, url: str) -> None:
    line = wait_for_refusal(start_run(DATABASE_URL=url))
    assert "DATABASE_URL" in line
    assert "sesame" not in line


def test_a_configured_database_replaces_the_embedded_one(
    start_run: StartRun, database_url: str, tmp_path: Path
) -> None:
    # If nohup runs the tests, they ignore SIGHUP. The child would inherit that, and run.py would respect it.
    previous_handler = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    run = start_run(DATABASE_URL=database_url)
    signal.signal(signal.SIGHUP, previous_handler)
    address = run.wait_for_address()
    assert requests.get(f"{address}/api/health", timeout=REQUEST_SECONDS).json()["database"] == "up"
    assert not (tmp_path / "data" / "postgres").exists()
    assert not run.has_descendant("bin/postgres")
    assert run.stop(signal.SIGHUP) == 0
    assert run.running_commands() == []


def test_a_process_that_keeps_ending_early_ends_the_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    broken = SupervisedCommand("broken", command, ROOT, dict(os.environ))
    broken.start()
    with pytest.raises(LaunchError, match=r"the broken process ended 5 times in a row, .* \(exit status 3\)"):
        while True:
            broken.supervise()
            time.sleep(0.01)
    assert caplog.text.count("Starting it again") == MAX_EARLY_EXITS - 1
