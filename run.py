"""Everything on one machine with one command: `python run.py`, or `make run`, which also installs what it needs.

Starts PostgreSQL (unless DATABASE_URL names a server), the web process and a worker, starts again what ends by
itself, and stops all of it on Ctrl-C, SIGTERM or SIGHUP. Exit status: 0 after a stop, 1 for what this machine lacks,
2 for an unusable setting.
"""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from subprocess import Popen
from types import FrameType
from typing import IO
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg2

import config
import run_celery
from embedded.postgres import EmbeddedError, EmbeddedPostgres, spawn

TICK_SECONDS = 0.1
STOP_SECONDS = 10  # What a child gets to finish its requests or task before it is killed.
HURRY_SECONDS = 0.5  # A second Ctrl-C within this time is the first one, delivered twice.
PORT_SECONDS = 2  # The web process of a run that was killed needs a moment to let go of the port.
READY_SECONDS = 120
HEALTHY_SECONDS = 20
QUICK_SECONDS = 10  # A part that lives shorter than this dies "at once".
QUICK_DEATHS = 5
CONNECT_SECONDS = 10
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - only looked up.


class RunError(RuntimeError):
    """The product cannot run here; the message is one line for the user."""


class _Stopped(Exception):
    """A signal came while the parts were being started."""


class Part:
    """A process that is started again when it ends by itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.quick_deaths = 0
        self._started = 0.0
        self._due: float | None = None

    def start(self) -> None:
        """Starts the process."""
        raise NotImplementedError

    def ended(self) -> str | None:
        """Returns how the process ended, or `None` while it runs."""
        raise NotImplementedError

    def clear(self) -> None:
        """Ends what a dead process left behind."""

    def look_after(self) -> None:
        """Starts the process when it is not running and its delay is over; raises `RunError` to give up."""
        now = time.monotonic()
        if self._due is not None:
            if now >= self._due:
                self.begin()
        elif (end := self.ended()) is not None:
            self.clear()
            self.quick_deaths = self.quick_deaths + 1 if now - self._started < QUICK_SECONDS else 0
            if self.quick_deaths >= QUICK_DEATHS:
                raise RunError(f"the {self.name} process ends at once again and again ({end}); see its messages above")
            say(f"The {self.name} process ended ({end}) and is started again.")
            self._due = now + (2 ** (self.quick_deaths - 2) if self.quick_deaths else 0)  # 0.5, 1, 2, 4 seconds.

    def begin(self) -> None:
        """Starts the process and notes when."""
        self.start()
        self._started, self._due = time.monotonic(), None


class Program(Part):
    """A child in a process group of its own."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], *descriptors: int) -> None:
        super().__init__(name)
        self.command, self.environment, self.descriptors = command, environment, descriptors
        self.process: Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the command in the project's folder; its output goes where ours goes."""
        self.process = spawn(
            self.command, signal.SIGTERM, cwd=config.ROOT, env=self.environment, pass_fds=self.descriptors
        )

    def ended(self) -> str | None:
        """Returns how the command ended, or `None` while it runs."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"

    def clear(self) -> None:
        """Ends the other processes of the dead command's group."""
        self.kill()

    def running(self) -> bool:
        """Whether the command has been started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def terminate(self) -> None:
        """Asks the command to finish what it is doing and end."""
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        """Ends the command and every process of its group at once."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):  # macOS refuses where only a zombie is left.
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Database(Part):
    """The embedded PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        super().__init__("PostgreSQL")
        self.server = EmbeddedPostgres(folder)
        self.url = ""
        self.starting = False

    def start(self) -> None:
        """Starts the server; after a crash under the same URL as before."""
        self.starting = True
        self.url = self.server.start()
        self.starting = False

    def ended(self) -> str | None:
        """Returns a note when the server is not running."""
        return "see server.log in its folder" if self.server.pid is None else None

    def signal(self, number: signal.Signals) -> None:
        """Sends the server `number` if it runs: SIGINT for a fast shutdown, SIGQUIT for one without any delay."""
        if (pid := self.server.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


class Launcher:
    """Starts the parts, looks after them and stops them."""

    def __init__(self, settings: config.Settings) -> None:
        self.settings = settings
        self.database: Database | None = None
        self.programs: list[Program] = []
        self._stop_at: float | None = None
        self._hurry = False

    def run(self) -> int:
        """Runs until a signal comes; returns the exit status. Raises `RunError`, `ConfigError` or `EmbeddedError`."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)
        settings = self.settings
        folder = config.make_folder("DATA_DIR", settings.data_dir)
        config.make_folder("UPLOAD_DIR", settings.upload_dir)
        with lock(folder) as locked, open_listener(settings.host, settings.port) as listener:
            address = url_of(settings.host, listener.getsockname()[1])
            try:
                self._start(folder, listener)
                self._wait_for_web(address)
                locked.write(address)
                locked.flush()
                say(f"Acme Product Importer is running: {address}  (Ctrl-C stops it)")
                while self._stop_at is None:
                    self._look_after()
            except _Stopped:
                pass
            except EmbeddedError:
                if self._stop_at is None:  # Otherwise it is the signal that made the server's start fail.
                    raise
            finally:
                listener.close()  # New connections are refused from here on.
                self._stop()
        return 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._stop_at is None:
            self._stop_at = now
            if self.database is not None and self.database.starting:
                self.database.signal(signal.SIGINT)  # Recovery after a crash can take minutes.
        elif number == signal.SIGINT and now - self._stop_at > HURRY_SECONDS:
            self._hurry = True
            if self.database is not None:
                self.database.signal(signal.SIGQUIT)

    def _start(self, folder: Path, listener: socket.socket) -> None:
        url = self.settings.database_url
        if url:
            self._unless_stopped(lambda: check_database(url))
        else:
            self.database = Database(folder / "postgres")
            self.database.begin()
            url = self.database.url
        self._unless_stopped(lambda: migrate(url))
        environment = {**os.environ, "DATABASE_URL": url}
        web = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--log-level", "warning"]
        # The listening socket is handed over: no other program can take the port in between, and connections wait
        # instead of being refused while a web process that died is started again.
        web += ["-b", f"fd://{listener.fileno()}", "app:create_app()"]
        self.programs = [Program("web", web, environment, listener.fileno())]
        self.programs += [Program("worker", run_celery.command(), environment)]
        for program in self.programs:
            program.begin()

    def _unless_stopped(self, work: Callable[[], None]) -> None:
        """Does `work` in a thread: a driver that waits for the network or a lock would hold signals back."""
        errors: list[BaseException] = []

        def attempt() -> None:
            try:
                work()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        while thread.is_alive() and self._stop_at is None:
            thread.join(TICK_SECONDS)
        if self._stop_at is not None:
            raise _Stopped
        if errors:
            raise errors[0]

    def _look_after(self) -> None:
        for part in [self.database, *self.programs] if self.database else self.programs:
            part.look_after()
        time.sleep(TICK_SECONDS)

    def _wait_for_web(self, address: str) -> None:
        """Returns when everything is healthy, or when the web answers and the rest takes longer than usual."""
        parts = urlsplit(address)
        begun = time.monotonic()
        answered = 0.0
        while not answered or time.monotonic() - answered < HEALTHY_SECONDS:
            self._look_after()
            if self._stop_at is not None:
                raise _Stopped
            if not answered and time.monotonic() - begun > READY_SECONDS:
                raise RunError(f"the web process gives no answer for {READY_SECONDS} seconds")
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
            with closing(connection), suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/api/health")
                if connection.getresponse().status == http.client.OK:
                    return
                answered = answered or time.monotonic()

    def _stop(self) -> None:
        for program in self.programs:
            program.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while any(program.running() for program in self.programs) and time.monotonic() < deadline and not self._hurry:
            time.sleep(TICK_SECONDS / 2)
        for program in self.programs:
            program.kill()
        if self.database is not None:
            if self._hurry:
                self.database.signal(signal.SIGQUIT)
            self.database.server.stop()  # Last, so that the others could write down how far they got.


def say(text: str) -> None:
    """Prints a line; a terminal that was closed is no reason to leave processes behind."""
    with suppress(OSError):
        print(text, flush=True)


def url_of(host: str, port: int) -> str:
    """Returns the address to open in a browser on this machine."""
    host = WILDCARDS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def lock(folder: Path) -> IO[str]:
    """Returns the open lock file of `folder`, empty; raises `RunError` when another run holds it."""
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        address = file.read()
        file.close()
        raise RunError(f"already running in {folder}" + (f": {address}" if address else "")) from None
    except OSError as error:
        file.close()
        raise RunError(f"{folder}/lock cannot be locked ({error.strerror}); set DATA_DIR to a local folder") from None
    file.truncate(0)
    return file


def open_listener(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on `host` and `port` (0: any free one); raises `RunError` when it cannot."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise RunError(f"HOST {host!r} is not an address of this machine") from None
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
            return socket.create_server(address[:2], family=family, dualstack_ipv6=both)
        except PermissionError as error:
            raise RunError(
                f"port {port} cannot be used ({os.strerror(error.errno or 0)}): set PORT to one above 1023"
            ) from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise RunError(f"HOST {host!r} cannot be used: {os.strerror(error.errno or 0)}") from None
            if time.monotonic() > deadline:
                raise RunError(f"port {port} is in use: set PORT to another one, such as PORT={port + 1}") from None
        time.sleep(TICK_SECONDS)


def check_database(url: str) -> None:
    """Raises `RunError` unless the database at `url` answers within CONNECT_SECONDS."""
    try:
        psycopg2.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg2.Error as error:
        raise RunError(f"DATABASE_URL: {reason(error, url)}") from None


def migrate(url: str) -> None:
    """Brings the tables at `url` up to date; raises `RunError` when the database does not let it."""
    from database.migrate import upgrade_database

    try:
        upgrade_database(url)
    except Exception as error:
        raise RunError(f"the database cannot be brought up to date: {reason(error, url)}") from error


def reason(error: Exception, url: str) -> str:
    """Returns the first line of what `error` says, without the password of `url`."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    parts = urlsplit(url)
    if url.count("@") > ("@" in parts.netloc) or text.startswith(("invalid dsn", "invalid integer")):
        # The driver reads a piece of the password as host, port or database then, and quotes it.
        return "it cannot be read; write special characters of its password as %40 for @, %2F for / and so on"
    for password in (parts.password, unquote(parts.password or ""), dict(parse_qsl(parts.query)).get("password")):
        text = text.replace(password, "***") if password else text
    return text


def main() -> int:
    """Runs the product; returns the exit status."""
    try:
        return Launcher(config.load()).run()
    except config.ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RunError, EmbeddedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
