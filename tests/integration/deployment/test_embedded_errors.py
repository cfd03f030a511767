"""The embedded PostgreSQL and the launcher where something fails: broken programs, full disks, stubborn processes."""

from __future__ import annotations

import logging
import os
import pwd
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import psutil
import pytest

from embedded.cluster import prepare_cluster
from embedded.errors import EmbeddedPostgresError, LaunchError
from embedded.launcher import Launcher, LaunchOptions
from embedded.postgres import RECOVERY_PROGRESS, START_SECONDS, EmbeddedPostgres
from embedded.server_account import ServerAccount
from support.database import execute
from support.paths import ROOT

SMALL_SETTINGS = {"shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
VERSION_SCRIPT = "echo 'postgres (PostgreSQL) 18.0'"
# Answers each request with a status.
WEB_PROGRAM = """
import socket, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=int(sys.argv[1]))
server.serve_forever()
"""
# Sends its parent the first signal when the product runs, and the next one whenever it gets SIGTERM itself.
WORKER_PROGRAM = """
import os, signal, sys, time
from pathlib import Path
folder, *numbers = sys.argv[1:]
parent = os.getppid()
def send_next(*_):
    if os.getppid() != parent: sys.exit()
    if numbers: os.kill(parent, int(numbers.pop(0)))
signal.signal(signal.SIGTERM, send_next)
Path(folder, "worker.pid").write_text(str(os.getpid()))
while not Path(folder, "lock").read_text(): time.sleep(0.05)
send_next()
while True: signal.pause()
"""

only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as another user")


def write_program(folder: Path, name: str, script: str) -> None:
    """Write a shell script in `folder`, which any account may then use and change."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can enter; the parents of `tmp_path` are private."""
    with tempfile.TemporaryDirectory(prefix="acme-tests-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def launch_options(tmp_path: Path) -> Iterator[LaunchOptions]:
    """What to launch: a web process that is healthy, and a worker that ignores SIGTERM and never ends the run."""
    previous_handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    yield LaunchOptions(
        root=ROOT,
        data_dir=data_dir,
        host="127.0.0.1",
        port=0,
        database_url="",
        migrate=lambda _url: None,
        web_command=lambda descriptor: web_command(descriptor, 200),
        worker_command=worker_command(data_dir),
    )
    for number, handler in previous_handlers.items():
        signal.signal(number, handler)


def web_command(descriptor: int, status: int) -> list[str]:
    """Return the command line of a web process that answers each request with `status`."""
    return [sys.executable, "-c", WEB_PROGRAM, str(descriptor), str(status)]


def worker_command(data_dir: Path, *numbers: signal.Signals) -> list[str]:
    """Return the command line of a worker that sends these signals to the launcher."""
    return [sys.executable, "-c", WORKER_PROGRAM, str(data_dir), *(str(int(number)) for number in numbers)]


def worker_is_running(data_dir: Path) -> bool:
    """Return whether the last worker that started still lives."""
    return psutil.pid_exists(int((data_dir / "worker.pid").read_text()))


def test_a_server_program_without_a_version_is_quoted(tmp_path: Path) -> None:
    write_program(tmp_path / "bin", "postgres", "echo 'libicu.so.1: cannot open shared object file' >&2")
    server = EmbeddedPostgres(tmp_path / "postgres", programs=tmp_path / "bin")
    with pytest.raises(EmbeddedPostgresError, match=r"the PostgreSQL server cannot run: libicu\.so\.1: cannot open"):
        server.start()
    assert not list(tmp_path.glob("postgres*"))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("initdb: error: invalid locale", "cannot use .*/postgres: invalid locale; set DATA_DIR to another folder"),
        ("could not write: No space left on device", "the disk that holds .*/postgres is full: free some space"),
    ],
)
def test_a_cluster_that_cannot_be_created_leaves_no_files(tmp_path: Path, output: str, message: str) -> None:
    write_program(tmp_path / "bin", "postgres", VERSION_SCRIPT)
    write_program(tmp_path / "bin", "initdb", f"touch \"$2/half\"; echo '{output}' >&2; exit 1")
    server = EmbeddedPostgres(tmp_path / "postgres", programs=tmp_path / "bin")
    with pytest.raises(EmbeddedPostgresError, match=message):
        server.start()
    assert not list(tmp_path.glob("postgres*"))


def test_a_leftover_server_is_found_without_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.cluster.sys", SimpleNamespace(platform="darwin"))
    with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS) as first:
        execute(first.start(), "CREATE TABLE kept AS SELECT 1 AS one")
        with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS) as second:
            assert first.pid is None
            assert execute(second.start(), "SELECT one FROM kept") == [(1,)]


def test_without_proc_and_ps_no_process_counts_as_a_leftover_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise FileNotFoundError("ps")

    write_program(tmp_path / "bin", "postgres", VERSION_SCRIPT)
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("18\n")
    pid_file = folder / "postmaster.pid"
    pid_file.write_text(f"{os.getppid()}\nother lines\n")
    monkeypatch.setattr("embedded.cluster.sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr("embedded.cluster.subprocess", SimpleNamespace(run=fail))
    prepare_cluster(folder, ServerAccount(folder, tmp_path / "bin"))
    # PostgreSQL ignores the pid of its parent, so it starts.
    assert pid_file.read_text() == f"{os.getpid()}\nother lines\n"


def test_a_start_is_repeated_while_a_killed_server_uses_its_shared_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.postgres.RETRY_SECONDS", 0)
    account = ServerAccount(tmp_path / "postgres")
    is_first_start = f"[ \"$1\" = -D ] && mkdir '{tmp_path}/bin/started' 2>/dev/null"
    refusal = "echo 'FATAL:  pre-existing shared memory block is still in use' >&2; exit 1"
    server = f"exec '{account.find_program('postgres')}' \"$@\""
    write_program(tmp_path / "bin", "postgres", f"if {is_first_start}; then {refusal}; fi\n{server}")
    write_program(tmp_path / "bin", "initdb", f"exec '{account.find_program('initdb')}' \"$@\"")
    with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS, programs=tmp_path / "bin") as embedded:
        assert execute(embedded.start(), "SELECT 1") == [(1,)]
    assert "still in use" in (tmp_path / "postgres" / "server.log").read_text()


def test_a_long_log_is_kept_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.postgres.MAX_LOG_BYTES", 0)
    server = EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS)
    with server:
        pass
    log = tmp_path / "postgres" / "server.log"
    first_log = log.read_text()
    with server:
        assert (tmp_path / "postgres" / "server.log.1").read_text() == first_log
        assert first_log not in log.read_text()


def test_a_crash_recovery_that_reports_progress_may_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "postgres" / "server.log"
    now = 0.0

    def sleep_and_report(seconds: float) -> None:
        # For the launcher, more than half of the time that a server may take passes between two reports.
        nonlocal now
        now += 0.6 * START_SECONDS
        with log.open("a") as file:
            file.write(f"LOG:  redo {RECOVERY_PROGRESS}: 10.00 s\n")
        time.sleep(seconds)

    with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS):
        pass
    monkeypatch.setattr("embedded.postgres.POLL_SECONDS", 0.001)
    clock = SimpleNamespace(monotonic=lambda: now, sleep=sleep_and_report)
    monkeypatch.setattr("embedded.postgres.time", clock)
    with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS) as server:
        assert execute(server.start(), "SELECT 1") == [(1,)]
    assert now > START_SECONDS


def test_a_server_that_refuses_the_launcher_is_quoted(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS)
    with server:
        pass
    (tmp_path / "postgres" / "pg_hba.conf").write_text("local all all reject\n")
    with pytest.raises(EmbeddedPostgresError, match=r"pg_hba\.conf rejects connection"):
        server.start()
    assert server.pid is None


def test_a_server_that_cannot_create_the_database_is_quoted(tmp_path: Path) -> None:
    settings = {**SMALL_SETTINGS, "default_transaction_read_only": "on"}
    server = EmbeddedPostgres(tmp_path / "postgres", settings=settings)
    with pytest.raises(EmbeddedPostgresError, match="cannot execute CREATE DATABASE in a read-only transaction"):
        server.start()
    assert server.pid is None


@only_as_root
def test_root_gives_the_server_no_privileges_where_it_needs_none(open_folder: Path) -> None:
    write_program(open_folder / "bin", "postgres", VERSION_SCRIPT)
    secret = open_folder / "secret"
    secret.touch(mode=0o600)
    account = ServerAccount(open_folder / "postgres", open_folder / "bin")
    status, uid = account.run("/bin/sh", "-c", "id -u")
    assert (status, int(uid)) == (0, pwd.getpwnam("nobody").pw_uid)
    status, output = account.run("/bin/cat", str(secret))
    assert status != 0
    assert "Permission denied" in output


@only_as_root
def test_root_is_told_if_no_account_can_run_the_server(open_folder: Path) -> None:
    write_program(open_folder / "bin", "postgres", "exit 1")
    with pytest.raises(EmbeddedPostgresError, match=r"user id \d+ cannot reach it or .*: run this as an ordinary"):
        ServerAccount(open_folder / "postgres", open_folder / "bin")


@only_as_root
def test_root_without_setpriv_cannot_use_its_private_folders(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.server_account.SETPRIV_COMMAND", "setpriv-is-missing")
    write_program(open_folder / "bin", "postgres", VERSION_SCRIPT)
    private = open_folder / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"cannot reach it or .*/private: run this as an ordinary user"):
        ServerAccount(private / "postgres", open_folder / "bin")


def test_a_run_ends_if_its_server_cannot_start(launch_options: LaunchOptions) -> None:
    (launch_options.data_dir / "postgres").mkdir()
    (launch_options.data_dir / "postgres" / "letter.txt").touch()
    with pytest.raises(EmbeddedPostgresError, match="contains files that are not a PostgreSQL cluster"):
        Launcher(launch_options).run()


def test_a_run_of_nohup_ignores_sighup_and_names_tables_that_cannot_be_updated(
    launch_options: LaunchOptions, database_url: str
) -> None:
    def migrate(_url: str) -> None:
        os.kill(os.getpid(), signal.SIGHUP)  # A run that stops returns 0.
        raise RuntimeError("the disk is broken")

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    options = replace(launch_options, database_url=database_url, migrate=migrate)
    with pytest.raises(LaunchError, match="the tables of the database cannot be updated: the disk is broken"):
        Launcher(options).run()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_a_web_process_that_never_answers_ends_the_run(
    launch_options: LaunchOptions, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.launcher.WEB_START_SECONDS", 0)
    silent = [sys.executable, "-c", "import signal; signal.pause()"]
    options = replace(
        launch_options, database_url=database_url, web_command=lambda _descriptor: silent, worker_command=silent
    )
    with pytest.raises(LaunchError, match="the web process has not answered for 0 seconds"):
        Launcher(options).run()


def test_an_unhealthy_product_runs_anyway_and_a_stubborn_worker_is_killed(
    launch_options: LaunchOptions,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("embedded.launcher.HEALTHY_SECONDS", 0)
    monkeypatch.setattr("embedded.launcher.STOP_SECONDS", 0)
    options = replace(
        launch_options,
        database_url=database_url,
        web_command=lambda descriptor: web_command(descriptor, 503),
        worker_command=worker_command(launch_options.data_dir, signal.SIGTERM),
    )
    with caplog.at_level(logging.INFO, logger="embedded"):
        assert Launcher(options).run() == 0
    assert "Acme Product Importer is running: http://127.0.0.1:" in caplog.text
    assert not worker_is_running(options.data_dir)


def test_a_second_ctrl_c_stops_everything_at_once(
    launch_options: LaunchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.launcher.REPEATED_SIGNAL_SECONDS", 0)
    monkeypatch.setattr("embedded.launcher.STOP_SECONDS", 10_000)  # The worker would not end before.
    worker = worker_command(launch_options.data_dir, signal.SIGINT, signal.SIGINT)
    assert Launcher(replace(launch_options, worker_command=worker)).run() == 0
    assert not worker_is_running(launch_options.data_dir)
    assert "immediate shutdown request" in (launch_options.data_dir / "postgres" / "server.log").read_text()
