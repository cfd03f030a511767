"""Processes on several "machines": each has its own host name, process ids, folders and wall clock."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.paths import ROOT
from support.prerequisites import skip_or_fail
from support.shifted_clock import shift_clock

# A host name and process ids of its own. If `unshare` is killed, so is what it started.
NAMESPACES = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
SET_HOST_NAME = 'hostname "$0" && exec "$@"'
STOP_SECONDS = 20


@dataclass(frozen=True)
class Machine:
    """A machine with its folders. Its clock is wrong by `clock_seconds`, and `variables` are set on it."""

    name: str
    folder: Path
    clock_seconds: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)

    def start(self, environment: Mapping[str, str], *arguments: str) -> Node:
        """Start `python arguments…` on this machine."""
        return Node(self, environment, arguments)

    def environment(self) -> dict[str, str]:
        """Return the variables that make processes live on this machine."""
        folders = {"UPLOAD_DIR": str(self.folder / "uploads"), "DATA_DIR": str(self.folder / "data")}
        return {**folders, **shift_clock(self.clock_seconds), **self.variables}


class Node:
    """A process on a machine, which can be killed, paused and started again."""

    def __init__(self, machine: Machine, environment: Mapping[str, str], arguments: tuple[str, ...]) -> None:
        self.machine = machine
        self._environment = dict(environment)
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the process, if it does not run."""
        if self._process is not None:
            return
        self.machine.folder.mkdir(parents=True, exist_ok=True)
        with (self.machine.folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*NAMESPACES, "sh", "-c", SET_HOST_NAME, self.machine.name, sys.executable, *self._arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self._environment, **self.machine.environment()},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill the process and everything that it started."""
        if self._process is not None:
            for process in self._descendants():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self) -> None:
        """Let the process end in good order, and wait for that."""
        if self._process is not None:
            for process in self._descendants()[:1]:
                process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            finally:
                self.kill()

    def pause(self) -> None:
        """Stop the process and everything that it started, as a machine that hangs does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def _descendants(self) -> list[psutil.Process]:
        """Return the processes on the machine, the first one first."""
        if self._process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []


def require_machines() -> None:
    """Skip the test if this machine cannot pretend to be several."""
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACES, "true"], check=False).returncode:
        skip_or_fail("Processes cannot get host names and process ids of their own: run the test as root on Linux.")
