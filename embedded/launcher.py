"""Starts the database, the web process and a worker, supervises them, and stops them on a signal."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from embedded.database_check import check_database, explain_database_error
from embedded.errors import EmbeddedPostgresError, LaunchError
from embedded.folder_lock import lock_folder
from embedded.listener import browser_url, open_listener
from embedded.supervision import SupervisedCommand, SupervisedPostgres, print_line

POLL_SECONDS = 0.1
STOP_POLL_SECONDS = 0.05
STOP_SECONDS = 10  # A process that has not finished its requests or task by then is killed.
# A second Ctrl-C within this time is the first one delivered twice, by the terminal and by make.
REPEATED_SIGNAL_SECONDS = 0.5
WEB_START_SECONDS = 120
HEALTHY_SECONDS = 20  # Counted from the first answer of the web process.
HEALTH_TIMEOUT_SECONDS = 5


class _StopRequestedError(Exception):
    """A signal arrived during the start."""


@dataclass(frozen=True)
class LaunchOptions:
    """What to launch.

    Commands run in `root`. Without a `database_url` the embedded PostgreSQL starts in `data_dir`. `migrate` takes the
    database's URL and updates its tables. `web_command` takes the file descriptor of the listening socket.
    """

    root: Path
    data_dir: Path
    host: str
    port: int
    database_url: str
    migrate: Callable[[str], None]
    web_command: Callable[[int], list[str]]
    worker_command: list[str]


class Launcher:
    """Runs the product until a signal stops it."""

    def __init__(self, options: LaunchOptions) -> None:
        self._options = options
        self._database: SupervisedPostgres | None = None
        self._commands: list[SupervisedCommand] = []
        self._stop_requested_at: float | None = None
        self._stop_at_once = False

    def run(self) -> int:
        """Run until SIGINT, SIGTERM or SIGHUP arrives and return the exit status 0.

        A second SIGINT stops everything at once. Raises `LaunchError` if the product cannot run here.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # If nohup started this process, it must keep ignoring SIGHUP.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        options = self._options
        with lock_folder(options.data_dir) as lock_file, open_listener(options.host, options.port) as listener:
            address = browser_url(options.host, listener.getsockname()[1])
            try:
                self._start(listener)
                self._wait_until_healthy(address)
                lock_file.write(address)
                lock_file.flush()
                print_line(f"Acme Product Importer is running: {address}  (Ctrl-C stops it)")
                while self._stop_requested_at is None:
                    self._supervise()
            except _StopRequestedError:
                pass
            except EmbeddedPostgresError:
                if self._stop_requested_at is None:  # Otherwise the signal ended the server's start.
                    raise
            finally:
                listener.close()  # From now on new connections are refused.
                self._stop()
        return 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._stop_requested_at is None:
            self._stop_requested_at = now
            if self._database is not None and self._database.is_starting:
                # This ends the wait for the server, whose recovery after a crash can take minutes.
                self._database.send_signal(signal.SIGINT)
        elif number == signal.SIGINT and now - self._stop_requested_at > REPEATED_SIGNAL_SECONDS:
            self._stop_at_once = True
            if self._database is not None:
                self._database.send_signal(signal.SIGQUIT)

    def _start(self, listener: socket.socket) -> None:
        options = self._options
        url = options.database_url
        if url:
            self._run_interruptibly(lambda: check_database(url))
        else:
            self._database = SupervisedPostgres(options.data_dir / "postgres")
            self._database.start()
            url = self._database.url
        self._run_interruptibly(lambda: self._migrate(url))
        environment = {**os.environ, "DATABASE_URL": url}
        # The web process inherits the listening socket: no other program can take the port, and connections wait
        # instead of being refused while an ended web process is started again.
        descriptor = listener.fileno()
        self._commands = [
            SupervisedCommand("web", options.web_command(descriptor), options.root, environment, descriptor),
            SupervisedCommand("worker", options.worker_command, options.root, environment),
        ]
        for command in self._commands:
            command.start()

    def _migrate(self, url: str) -> None:
        try:
            self._options.migrate(url)
        except Exception as error:
            raise LaunchError(
                f"the tables of the database cannot be updated: {explain_database_error(error, url)}"
            ) from error

    def _run_interruptibly(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread, because a driver that waits for the network or a lock delays signal handlers."""
        errors: list[BaseException] = []

        def attempt() -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        while thread.is_alive() and self._stop_requested_at is None:
            thread.join(POLL_SECONDS)
        if self._stop_requested_at is not None:
            raise _StopRequestedError
        if errors:
            raise errors[0]

    def _supervise(self) -> None:
        for process in [self._database, *self._commands] if self._database else self._commands:
            process.supervise()
        time.sleep(POLL_SECONDS)

    def _wait_until_healthy(self, address: str) -> None:
        """Return once all parts are healthy, or HEALTHY_SECONDS after the first answer of the web process."""
        parts = urlsplit(address)
        started_at = time.monotonic()
        answered_at: float | None = None
        while answered_at is None or time.monotonic() - answered_at < HEALTHY_SECONDS:
            self._supervise()
            if self._stop_requested_at is not None:
                raise _StopRequestedError
            if answered_at is None and time.monotonic() - started_at > WEB_START_SECONDS:
                raise LaunchError(f"the web process has not answered for {WEB_START_SECONDS} seconds")
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=HEALTH_TIMEOUT_SECONDS)
            with closing(connection), suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/api/health")
                if connection.getresponse().status == http.client.OK:
                    return
                answered_at = answered_at or time.monotonic()

    def _stop(self) -> None:
        for command in self._commands:
            command.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(command.is_running() for command in self._commands) and not self._stop_at_once:
            if time.monotonic() > deadline:
                break
            time.sleep(STOP_POLL_SECONDS)
        for command in self._commands:
            command.kill()
        if self._database is not None:
            if self._stop_at_once:
                self._database.send_signal(signal.SIGQUIT)
            # The database stops last, so that the other processes can still record how far they got.
            self._database.stop()
