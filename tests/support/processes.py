"""Processes of the product, and other programs that a test runs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import requests

from support import forked_processes
from support.paths import ROOT

STOP_SECONDS = 10
REQUEST_SECONDS = 10

# The fork server starts most processes, which saves them the imports.
Process = subprocess.Popen[bytes] | forked_processes.ForkedProcess


def create_environment(database_url: str, folder: Path) -> dict[str, str]:
    """Return the variables of processes that use a database and keep their files in `folder`."""
    return {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder / "data"),
        "UPLOAD_DIR": str(folder / "uploads"),
        "SECRET_KEY": "a key for tests",
        "LEASE_SECONDS": "4",
        "SWEEP_SECONDS": "1",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


@dataclass
class Processes:
    """The processes of one test. They get the variables in `environment`, and `log` collects their output.

    `root` is the folder with the code that they run.
    """

    environment: dict[str, str]
    log: Path
    root: Path = ROOT
    running: list[Process] = field(default_factory=list)

    def start(self, *arguments: str, **changes: str) -> Process:
        """Start `python arguments…` in the folder of the code and in a new session; `changes` are further variables."""
        own = {**self.environment, **changes}
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **own}
        with self.log.open("ab") as log:
            if self.root == ROOT and forked_processes.can_fork(arguments, own):
                process: Process = forked_processes.fork(arguments, environment, log)
            else:
                process = subprocess.Popen(
                    [sys.executable, *arguments],
                    cwd=self.root,
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        self.running.append(process)
        return process

    def start_worker(self, *options: str, **changes: str) -> Process:
        """Start a Celery worker with these command line options."""
        return self.start("-m", "celery", "-A", "celery_app", "worker", "--loglevel=INFO", *options, **changes)

    def start_web(self, port: int, **changes: str) -> Process:
        """Start the web process as the README says, on a port of this machine."""
        return self.start("-m", "gunicorn", "-b", f"127.0.0.1:{port}", "app:create_app()", **changes)

    def stop(self) -> None:
        """End every process and its descendants."""
        for process in self.running:
            _kill_group(process)


def _kill_group(process: Process) -> None:
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        # A killed process loses the coverage that it measured, so let it end by itself first.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def is_healthy(address: str) -> bool:
    """Return whether the product at this address says that all of its parts are up."""
    try:
        return requests.get(f"{address}/api/health", timeout=REQUEST_SECONDS).ok
    except requests.RequestException:
        return False


def run_program(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return its standard output; fail the test unless its exit status is 0."""
    result = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def find_free_ports(count: int) -> list[int]:
    """Return `count` different ports of this machine on which nothing listens."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]
