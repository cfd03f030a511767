"""Processes that are started again whenever they end unexpectedly."""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from embedded.child_process import spawn
from embedded.errors import LaunchError
from embedded.postgres import EmbeddedPostgres

log = logging.getLogger(__name__)

EARLY_EXIT_SECONDS = 10  # A process that ends within this time of its start counts as broken.
MAX_EARLY_EXITS = 5  # In a row; then the whole run gives up.


class SupervisedProcess:
    """A process that `supervise()` starts again when it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._early_exits = 0
        self._started_at = 0.0
        self._restart_at: float | None = None

    def launch(self) -> None:
        """Start the process."""
        raise NotImplementedError

    def exit_reason(self) -> str | None:
        """Return how the process ended, or `None` while it runs."""
        raise NotImplementedError

    def clean_up(self) -> None:
        """End the processes that the ended process left running."""

    def start(self) -> None:
        """Start the process now."""
        self.launch()
        self._started_at, self._restart_at = time.monotonic(), None

    def supervise(self) -> None:
        """Start the process again if it has ended; call this often.

        It starts again at once, or after an early exit with a delay: 0.5 s, which doubles with each further early exit
        in a row. Raises `LaunchError` after MAX_EARLY_EXITS of them.
        """
        now = time.monotonic()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self.start()
        elif (reason := self.exit_reason()) is not None:
            self.clean_up()
            self._early_exits = self._early_exits + 1 if now - self._started_at < EARLY_EXIT_SECONDS else 0
            if self._early_exits >= MAX_EARLY_EXITS:
                raise LaunchError(
                    f"the {self.name} process ended {MAX_EARLY_EXITS} times in a row, each time within"
                    f" {EARLY_EXIT_SECONDS} seconds ({reason}); see its messages above"
                )
            print_line(f"The {self.name} process ended ({reason}). Starting it again.")
            self._restart_at = now + (2 ** (self._early_exits - 2) if self._early_exits else 0)


class SupervisedCommand(SupervisedProcess):
    """A command that runs in `folder` and in its own process group.

    `descriptors` are file descriptors that it inherits. Its output goes to the stdout and stderr of
    this process.
    """

    def __init__(
        self, name: str, command: list[str], folder: Path, environment: dict[str, str], *descriptors: int
    ) -> None:
        super().__init__(name)
        self._command, self._folder, self._environment = command, folder, environment
        self._descriptors = descriptors
        self._process: Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the command."""
        self._process = spawn(
            self._command, signal.SIGTERM, cwd=self._folder, env=self._environment, pass_fds=self._descriptors
        )

    def exit_reason(self) -> str | None:
        """Return the exit status or the signal that ended the command, or `None` while it runs."""
        if self._process is None or (status := self._process.poll()) is None:
            return None
        return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"

    def clean_up(self) -> None:
        """End the processes that the command left in its group."""
        self.kill()

    def is_running(self) -> bool:
        """Return whether the command has started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        """Send SIGTERM to the command, which lets it finish what it is doing."""
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End the command and every other process of its group at once."""
        if self._process is not None:
            # macOS raises PermissionError if only a zombie is left in the group.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class SupervisedPostgres(SupervisedProcess):
    """The embedded PostgreSQL with its cluster in `folder`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("PostgreSQL")
        self._server = EmbeddedPostgres(folder)
        self.url = ""
        self.is_starting = False

    def launch(self) -> None:
        """Start the server and set `url`, which stays the same if the server starts again."""
        self.is_starting = True
        self.url = self._server.start()
        self.is_starting = False

    def exit_reason(self) -> str | None:
        """Return where to find the reason if the server does not run, otherwise `None`."""
        return "see server.log in its folder" if self._server.pid is None else None

    def send_signal(self, number: signal.Signals) -> None:
        """Send the server a signal if it runs: SIGINT for a fast shutdown, SIGQUIT for an immediate one."""
        if (pid := self._server.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """Shut the server down and wait for its end."""
        self._server.stop()


def print_line(text: str) -> None:
    """Print a line at once. `run.py` decides in which form, and ignores a closed terminal."""
    log.info("%s", text)
