"""The embedded PostgreSQL: a real server on every kind of folder, through crashes and leftovers."""

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

from embedded.postgres import EmbeddedError, EmbeddedPostgres
from support.database import execute
from support.paths import ROOT
from support.waiting import wait_for

SMALL = {"shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
Make = Callable[[Path], EmbeddedPostgres]


@pytest.fixture
def make() -> Iterator[Make]:
    """Makes servers that end with the test."""
    servers: list[EmbeddedPostgres] = []

    def make_one(folder: Path) -> EmbeddedPostgres:
        servers.append(EmbeddedPostgres(folder, settings=SMALL))
        return servers[-1]

    yield make_one
    for server in servers:
        server.stop()


def socket_folder(url: str) -> Path:
    return Path(url.partition("?host=")[2].partition("&")[0])


def runs(pid: int) -> bool:
    """Whether a process lives; a zombie that nobody has collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_data_is_there_after_a_stop_and_a_start(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "postgres")
    url = server.start()
    pid = server.pid
    assert pid is not None
    execute(url, "CREATE TABLE kept AS SELECT 'Ä' AS letter")
    server.stop()
    server.stop()
    assert server.pid is None
    assert not runs(pid)
    assert not socket_folder(url).exists()
    assert execute(server.start(), "SELECT lower(letter) FROM kept") == [("ä",)]


def test_what_was_committed_survives_a_crash_and_the_url_stays(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "postgres")
    url = server.start()
    execute(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    server.kill()
    assert server.pid is None
    assert server.start() == url
    assert execute(url, "SELECT count(*) FROM kept") == [(1000,)]


def test_settings_keep_commits_safe_and_stay_off_the_network(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", settings=SMALL) as server:
        values = dict(execute(server.start(), "SELECT name, setting FROM pg_settings"))
    assert values["fsync"] == values["full_page_writes"] == values["synchronous_commit"] == "on"
    assert values["listen_addresses"] == ""
    assert values["server_encoding"] == "UTF8"
    assert values["shared_buffers"] == str(16 * 1024 // 8)


def test_a_path_longer_than_a_socket_address_and_with_spaces(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / ("a deep folder " * 6) / ("with 'quotes' and $signs " * 4) / "postgres"
    assert len(str(folder)) > 200
    assert execute(make(folder).start(), "SELECT 1") == [(1,)]


def test_the_environment_of_other_servers_does_not_matter(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "7777", "PGHOST": "nowhere", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LC_ALL", "xx_YY")
    assert execute(make(tmp_path / "postgres").start(), "SELECT 1") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a server to another account")
def test_root_keeps_its_folders_closed(make: Make, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = make(closed / "postgres")
    execute(server.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    assert server.pid is not None
    assert psutil.Process(server.pid).uids().real != 0
    assert closed.stat().st_mode & 0o777 == 0o700
    server.kill()
    assert execute(server.start(), "SELECT one FROM kept") == [(1,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a server to another account")
def test_root_takes_over_a_copied_cluster(make: Make, tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "first", settings=SMALL) as server:
        execute(server.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    (tmp_path / "second").chmod(0o755)
    assert execute(make(tmp_path / "second").start(), "SELECT one FROM kept") == [(1,)]


def test_a_leftover_server_is_stopped_and_its_data_taken_over(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path / "postgres")
    url = first.start()
    pid = first.pid
    assert pid is not None
    execute(url, "CREATE TABLE kept AS SELECT 1 AS one")
    assert execute(make(tmp_path / "postgres").start(), "SELECT one FROM kept") == [(1,)]
    assert not runs(pid)
    assert not socket_folder(url).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_the_server_ends_with_a_parent_that_was_killed(make: Make, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres(Path(sys.argv[1])); url = server.start()\n"
        "print(server.pid, url, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "postgres")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, url = parent.stdout.readline().split()
        parent.send_signal(signal.SIGKILL)
    wait_for("the end of the server", lambda: not runs(int(pid)), 15)
    make(tmp_path / "postgres").start()
    assert not socket_folder(url).exists()


def test_a_postmaster_pid_that_belongs_to_another_program(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    server = make(folder)
    server.start()
    content = (folder / "postmaster.pid").read_text().partition("\n")[2]
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        # As after a restart of a container, where numbers begin anew.
        (folder / "postmaster.pid").write_text(f"{other.pid}\n{content}")
        assert execute(server.start(), "SELECT 1") == [(1,)]
        assert other.poll() is None
        other.kill()


def test_an_interrupted_initdb_is_not_taken_for_a_cluster(make: Make, tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    assert execute(make(tmp_path / "postgres").start(), "SELECT 1") == [(1,)]
    assert not unfinished.exists()


def test_a_folder_that_cannot_be_made(make: Make, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"file/postgres: (File exists|Not a directory); set DATA_DIR to another"):
        make(tmp_path / "file" / "postgres").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(make: Make, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedError, match="Permission denied; set DATA_DIR to another"):
        make(tmp_path / "postgres").start()


def test_a_folder_with_other_files_is_left_alone(make: Make, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(EmbeddedError, match="holds something else than a cluster"):
        make(tmp_path).start()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_cluster_of_another_major_version_is_named(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "postgres")
    server.start()
    server.stop()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match="belongs to PostgreSQL 12 and this is PostgreSQL 18"):
        server.start()


def test_a_failing_start_quotes_the_server(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", settings={"work_mem": "a lot"})
    with pytest.raises(EmbeddedError, match='invalid value for parameter "work_mem": "a lot"') as error:
        server.start()
    assert "\n" not in str(error.value)
    assert server.pid is None
