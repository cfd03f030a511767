"""Processes of the product that the fork server starts, see `fork_server.py`."""

from __future__ import annotations

import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from support.paths import ROOT

PROGRAM = Path(__file__).with_name("fork_server.py")
# Python, the C library and the dynamic linker read these when a process starts.
STARTING_VARIABLES = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC_")
MAX_REPORT_BYTES = 100
STOP_SECONDS = 10


class ForkedProcess:
    """A process that the fork server has started. It has the methods of `subprocess.Popen` that tests use."""

    def __init__(self, arguments: list[str], reports: socket.socket) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._reports = reports
        self._received = b""
        self.pid = self._read_number()

    def poll(self) -> int | None:
        """Return the exit status if the process has ended, otherwise None."""
        if self.returncode is None and self._has_report(0):
            self._finish()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process ends and return its exit status; raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not self._has_report(timeout):
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self._finish()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _has_report(self, seconds: float | None) -> bool:
        waiting = select.poll()
        waiting.register(self._reports, select.POLLIN)
        return b"\n" in self._received or bool(waiting.poll(None if seconds is None else seconds * 1000))

    def _finish(self) -> None:
        self.returncode = self._read_number()
        self._reports.close()

    def _read_number(self) -> int:
        while b"\n" not in self._received:
            received = self._reports.recv(MAX_REPORT_BYTES)
            assert received, "The fork server has ended."
            self._received += received
        number, _, self._received = self._received.partition(b"\n")
        return int(number)

    def __del__(self) -> None:
        self._reports.close()


def can_fork(arguments: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Return whether the fork server can start `python arguments…` with these variables of its own.

    A process whose coverage is measured must be measured from its start. One that shares its metrics with others must
    import prometheus_client by itself.
    """
    return (
        hasattr(os, "pidfd_open")
        and "COVERAGE_PROCESS_CONFIG" not in os.environ
        and (arguments[0] == "-m" or not arguments[0].startswith("-"))
        and not any(name.startswith(STARTING_VARIABLES) for name in environment)
        and "METRICS_PORT" not in environment
        and "--workers" not in arguments
    )


def fork(arguments: tuple[str, ...], environment: Mapping[str, str], output: BinaryIO) -> ForkedProcess:
    """Start `python arguments…` in the project's folder, in a new session, with `environment` as all its variables."""
    ours, theirs = socket.socketpair()
    with theirs:
        request = json.dumps({"arguments": arguments, "environment": dict(environment)}).encode()
        socket.send_fds(_fork_server(), [request], [output.fileno(), theirs.fileno()])
    return ForkedProcess([sys.executable, *arguments], ours)


@functools.cache
def _fork_server() -> socket.socket:
    """Start the fork server and return the socket for requests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(theirs.fileno())],
            cwd=ROOT,
            # A child writes its output at once, like the processes that `subprocess` starts.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def stop() -> None:
        ours.close()
        process.wait(STOP_SECONDS)

    atexit.register(stop)
    return ours
