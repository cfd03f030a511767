"""The embedded PostgreSQL: a real server in every kind of folder, through crashes and leftovers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from embedded.errors import EmbeddedPostgresError
from embedded.postgres import EmbeddedPostgres
from support.database import execute
from support.paths import ROOT
from support.waiting import wait_for

SMALL_SETTINGS = {"shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
MAX_SOCKET_PATH_BYTES = 107
START_SERVER_PROGRAM = """
import sys, time
from pathlib import Path
from embedded.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
url = server.start()
print(server.pid, url, flush=True)
time.sleep(60)
"""

CreateServer = Callable[[Path], EmbeddedPostgres]
only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the server as another user")


@pytest.fixture
def create_server() -> Iterator[CreateServer]:
    """A function that creates servers, which stop with the test."""
    servers: list[EmbeddedPostgres] = []

    def create(folder: Path) -> EmbeddedPostgres:
        servers.append(EmbeddedPostgres(folder, settings=SMALL_SETTINGS))
        return servers[-1]

    yield create
    for server in servers:
        server.stop()


def socket_folder(url: str) -> Path:
    """Return the folder of the server's socket, which its URL names."""
    return Path(url.partition("?host=")[2].partition("&")[0])


def is_running(pid: int) -> bool:
    """Return whether a process lives; a zombie, which its parent has not waited for, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_data_survives_a_stop(create_server: CreateServer, tmp_path: Path) -> None:
    server = create_server(tmp_path / "postgres")
    url = server.start()
    pid = server.pid
    assert pid is not None
    execute(url, "CREATE TABLE kept AS SELECT 'Ä' AS letter")
    server.stop()
    server.stop()  # The second call does nothing.
    assert server.pid is None
    assert not is_running(pid)
    assert not socket_folder(url).exists()
    assert execute(server.start(), "SELECT lower(letter) FROM kept") == [("ä",)]


def test_committed_data_survives_a_crash_and_the_url_stays_the_same(
    create_server: CreateServer, tmp_path: Path
) -> None:
    server = create_server(tmp_path / "postgres")
    url = server.start()
    execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    server.kill()
    assert server.pid is None
    assert server.start() == url
    assert execute(url, "SELECT count(*) FROM kept") == [(1000,)]


def test_settings_make_commits_durable_and_keep_the_server_off_the_network(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL_SETTINGS) as server:
        values = dict(execute(server.start(), "SELECT name, setting FROM pg_settings"))
    assert values["fsync"] == values["full_page_writes"] == values["synchronous_commit"] == "on"
    assert values["listen_addresses"] == ""
    assert values["server_encoding"] == "UTF8"
    assert values["shared_buffers"] == str(16 * 1024 // 8)


def test_the_folder_may_have_spaces_and_a_path_longer_than_a_socket_path(
    create_server: CreateServer, tmp_path: Path
) -> None:
    folder = tmp_path / ("a deep folder " * 6) / ("with 'quotes' and $signs " * 4) / "postgres"
    assert len(str(folder)) > MAX_SOCKET_PATH_BYTES
    assert execute(create_server(folder).start(), "SELECT 1") == [(1,)]


def test_variables_for_other_servers_have_no_effect(
    create_server: CreateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "7777", "PGHOST": "nowhere", "PGDATA": "/nowhere", "LC_ALL": "xx_YY"}.items():
        monkeypatch.setenv(name, value)
    assert execute(create_server(tmp_path / "postgres").start(), "SELECT 1") == [(1,)]


@only_as_root
def test_root_does_not_open_its_private_folders(create_server: CreateServer, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = create_server(private / "postgres")
    execute(server.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    assert server.pid is not None
    assert psutil.Process(server.pid).uids().real != 0
    assert private.stat().st_mode & 0o777 == 0o700
    server.kill()
    assert execute(server.start(), "SELECT one FROM kept") == [(1,)]


@only_as_root
def test_root_can_use_a_copied_cluster(create_server: CreateServer, tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "first", settings=SMALL_SETTINGS) as server:
        execute(server.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    (tmp_path / "second").chmod(0o755)
    assert execute(create_server(tmp_path / "second").start(), "SELECT one FROM kept") == [(1,)]


def test_a_leftover_server_is_stopped_and_its_data_is_kept(create_server: CreateServer, tmp_path: Path) -> None:
    first = create_server(tmp_path / "postgres")
    url = first.start()
    pid = first.pid
    assert pid is not None
    execute(url, "CREATE TABLE kept AS SELECT 1 AS one")
    assert execute(create_server(tmp_path / "postgres").start(), "SELECT one FROM kept") == [(1,)]
    assert not is_running(pid)
    assert not socket_folder(url).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_the_server_ends_when_its_parent_is_killed(create_server: CreateServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", START_SERVER_PROGRAM, str(tmp_path / "postgres")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        parent.send_signal(signal.SIGKILL)
    wait_for("the end of the server", lambda: not is_running(int(pid)), seconds=15)
    create_server(tmp_path / "postgres").start()
    assert not socket_folder(url).exists()


def test_another_program_may_have_the_pid_in_postmaster_pid(create_server: CreateServer, tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = create_server(folder)
    server.start()
    other_lines = (folder / "postmaster.pid").read_text().partition("\n")[2]
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        # After the restart of a container, pids start from 1 again.
        (folder / "postmaster.pid").write_text(f"{other.pid}\n{other_lines}")
        assert execute(server.start(), "SELECT 1") == [(1,)]
        assert other.poll() is None
        other.kill()


def test_an_interrupted_initdb_is_repeated(create_server: CreateServer, tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    assert execute(create_server(tmp_path / "postgres").start(), "SELECT 1") == [(1,)]
    assert not unfinished.exists()


def test_a_folder_that_cannot_be_created_is_named(create_server: CreateServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"file/postgres: (File exists|Not a directory); set DATA_DIR to another"
    with pytest.raises(EmbeddedPostgresError, match=message):
        create_server(tmp_path / "file" / "postgres").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(create_server: CreateServer, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedPostgresError, match="Permission denied; set DATA_DIR to another"):
        create_server(tmp_path / "postgres").start()


def test_a_folder_with_other_files_is_refused_and_not_changed(create_server: CreateServer, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="contains files that are not a PostgreSQL cluster"):
        create_server(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_cluster_of_another_major_version_is_refused(create_server: CreateServer, tmp_path: Path) -> None:
    server = create_server(tmp_path / "postgres")
    server.start()
    server.stop()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresError, match="belongs to PostgreSQL 12 and this is PostgreSQL 18"):
        server.start()


def test_a_failed_start_quotes_the_server(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", settings={"work_mem": "a lot"})
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "work_mem": "a lot"') as error:
        server.start()
    assert "\n" not in str(error.value)
    assert server.pid is None
