"""Whatever is killed, stopped or restarted in the middle of an import: it completes with the same result."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

import config
from database.migrate import upgrade_database
from support.database import TEMPLATE_DATABASE, create_server, execute, url_of
from support.interruptions import staging_blocked
from support.jobs import (
    announce,
    create_job,
    create_runner,
    delay_slices,
    read_job,
    read_products,
    run_import,
    stop_delaying_slices,
)
from support.processes import Process, Processes
from support.waiting import wait_for

ROWS = 30_000
SLICE_ROWS = 500
SIZES = {"CHUNK_ROWS": "1000", "SLICE_ROWS": str(SLICE_ROWS)}
COUNTS = ("created_count", "updated_count", "unchanged_count", "duplicate_count", "rejected_count", "total_records")
WORKER_OPTIONS = ("--concurrency=1", "-n")
MAX_KILL_DELAY_SECONDS = 1.2
TASK_RECEIVED_RE = re.compile(r"Task imports\.run\[([\w-]+)\] received")

# Counts and products.
Result = tuple[dict[str, int], list[tuple[Any, ...]]]


def make_file(rows: int, version: int) -> bytes:
    """Return a file with duplicates and with rows to reject; `version` changes the texts of every third product."""
    lines = ["sku,name,description"]
    for number in range(rows):
        key = number * 7919 % rows
        if number % 100 == 99:
            lines.append(f",no SKU in row {number},")
            continue
        if number % 50 == 49:
            key = 0
        lines.append(f"SKU-{key:06},name {key} {version if key % 3 == 0 else ''},row {number if key == 0 else key}")
    return "\n".join(lines).encode()


FIRST_FILE = make_file(ROWS // 2, version=1)
FILE = make_file(ROWS, version=2)


@dataclass
class WatchedImport:
    """An import whose progress is watched by a thread: no number that clients see may go back."""

    environment: dict[str, str]
    processes: Processes
    task_id: str
    expected: Result
    seen: list[tuple[int, int, int]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    def read(self) -> dict[str, Any]:
        return read_job(self.url, self.task_id)

    def start_worker(self, name: str) -> Process:
        return self.processes.start_worker(*WORKER_OPTIONS, f"{name}@%h")

    def watch(self) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(psycopg2.Error), contextlib.closing(psycopg2.connect(self.url)) as connection:
                connection.autocommit = True
                while not self.stopping.wait(0.02):
                    with connection.cursor() as cursor:
                        cursor.execute(
                            "SELECT progress, processed_records, rows_read FROM import_jobs WHERE task_id = %s",
                            [self.task_id],
                        )
                        self.seen.extend(cursor.fetchall())

    def wait_for_slices(self, slices: int = 5) -> None:
        """Wait until so many more slices are written."""
        before = self.read()["processed_records"]
        wait_for("slices are written", lambda: self.read()["processed_records"] >= before + slices * SLICE_ROWS)

    def wait_for_holder(self) -> int:
        """Wait until a worker has the lease; return the process id of its child that runs the import."""
        holder = wait_for("a worker acquires the lease", lambda: self.read()["lease_holder"])
        return int(holder.split()[1])

    def check_result(self) -> None:
        """Wait until the import ends, and check that everything is as after an undisturbed import."""
        wait_for("the import ends", lambda: self.read()["finished_at"], 60)
        counts, products = self.expected
        row = self.read()
        assert row["status"] == "completed", row["error_message"]
        assert {name: row[name] for name in COUNTS} == counts
        assert row["processed_records"] == row["total_records"] == sum(counts[name] for name in COUNTS[:-1])
        assert read_products(self.url) == products
        assert execute(self.url, "SELECT count(*) FROM import_rejects") == [(counts["rejected_count"],)]
        assert list_staging_tables(self.url) == []
        folder = Path(self.environment["UPLOAD_DIR"])
        wait_for("the file is deleted", lambda: not list(folder.iterdir()))
        wait_for("the end was seen", lambda: self.seen[-1][0] == 100)
        self.stopping.set()
        for earlier, later in zip(self.seen, self.seen[1:], strict=False):
            assert all(a <= b for a, b in zip(earlier, later, strict=True)), (earlier, later)


def list_staging_tables(url: str) -> list[tuple[Any, ...]]:
    return execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'import\\_staging\\_%' AND relkind = 'r'")


@pytest.fixture(scope="module")
def expected(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The counts and products after an undisturbed import in large chunks and slices."""
    name = f"undisturbed_{uuid.uuid4().hex[:8]}"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_DATABASE}")
    url = url_of(server_url, name)
    upload_dir = str(tmp_path_factory.mktemp("undisturbed"))
    runner = create_runner(config.load({"DATABASE_URL": url, "UPLOAD_DIR": upload_dir}))
    run_import(runner, FIRST_FILE)
    row = run_import(runner, FILE)
    assert all(row[count] for count in COUNTS)
    return {count: row[count] for count in COUNTS}, read_products(url)


@pytest.fixture
def create_import(
    environment: dict[str, str], processes: Processes, expected: Result
) -> Iterator[Callable[..., WatchedImport]]:
    """A function that creates an import as an upload does, with slices that take `slice_seconds`; no worker runs yet.

    Its keywords are environment variables of the workers.
    """
    started: list[tuple[WatchedImport, threading.Thread]] = []

    def create(slice_seconds: float = 0.05, **variables: str) -> WatchedImport:
        environment.update(SIZES, **variables)
        runner = create_runner(config.load(environment))
        run_import(runner, FIRST_FILE)
        execute(runner.database_url, "DELETE FROM import_rejects")
        delay_slices(runner.database_url, slice_seconds)
        watched = WatchedImport(environment, processes, create_job(runner, FILE), expected)
        thread = threading.Thread(target=watched.watch, daemon=True)
        thread.start()
        started.append((watched, thread))
        return watched

    yield create
    for watched, thread in started:
        watched.stopping.set()
        thread.join(10)


@pytest.fixture(params=["embedded broker", "RabbitMQ"])
def broker(request: pytest.FixtureRequest) -> str:
    """Runs a test with each broker."""
    if request.param == "RabbitMQ":
        request.getfixturevalue("rabbitmq")
    name: str = request.param
    return name


def kill_group(worker: Process, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a worker and its children."""
    os.killpg(worker.pid, number)
    if number == signal.SIGKILL:
        worker.wait(10)


@pytest.mark.thorough("RabbitMQ")
@pytest.mark.usefixtures("broker")
def test_one_child_is_killed_while_it_reads_and_another_while_it_writes(
    create_import: Callable[..., WatchedImport],
) -> None:
    watched = create_import()
    announce(watched.environment, watched.task_id)
    with staging_blocked(watched.url) as is_waiting:
        watched.start_worker("one")
        wait_for("the worker stages the file", is_waiting)
        os.kill(watched.wait_for_holder(), signal.SIGKILL)
    watched.wait_for_slices()
    os.kill(watched.wait_for_holder(), signal.SIGKILL)
    watched.check_result()


@pytest.mark.thorough("embedded broker")
@pytest.mark.usefixtures("broker")
def test_a_worker_is_killed_with_its_children_and_replaced(create_import: Callable[..., WatchedImport]) -> None:
    watched = create_import()
    announce(watched.environment, watched.task_id)
    with staging_blocked(watched.url) as is_waiting:
        first = watched.start_worker("one")
        wait_for("the worker stages the file", is_waiting)
        kill_group(first)
    second = watched.start_worker("one")
    watched.wait_for_slices()
    kill_group(second)
    watched.start_worker("one")
    watched.check_result()


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1])
def test_children_and_workers_are_killed_at_random_times(
    create_import: Callable[..., WatchedImport], seed: int
) -> None:
    choices = random.Random(seed)
    watched = create_import(MAX_ATTEMPTS="100")
    announce(watched.environment, watched.task_id)
    workers = [watched.start_worker("one"), watched.start_worker("two")]
    for _ in range(7):
        # The random delay is the point of this test: it waits for no condition.
        time.sleep(choices.uniform(0, MAX_KILL_DELAY_SECONDS))
        if choices.random() < 0.3:
            number = choices.randrange(2)
            kill_group(workers[number])
            workers[number] = watched.start_worker(f"new-{choices.random()}")
        elif (holder := watched.read()["lease_holder"]) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(holder.split()[1]), signal.SIGKILL)
    watched.check_result()


@pytest.mark.thorough("restart")
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT], ids=["crash", "restart"])
def test_the_database_goes_down_while_an_import_writes(
    environment: dict[str, str], tmp_path: Path, create_import: Callable[..., WatchedImport], number: signal.Signals
) -> None:
    with create_server(tmp_path / "cluster") as server:
        environment["DATABASE_URL"] = url = server.start()
        upgrade_database(url)
        watched = create_import()
        watched.start_worker("one")
        watched.wait_for_slices()
        assert server.pid
        os.kill(server.pid, number)
        wait_for("the server is down", lambda: server.pid is None)
        assert server.start() == url
        watched.check_result()
        watched.processes.stop()


@pytest.mark.thorough
def test_the_database_crashes_while_an_import_stages_its_file_and_again_while_it_writes(
    environment: dict[str, str], tmp_path: Path, create_import: Callable[..., WatchedImport]
) -> None:
    with create_server(tmp_path / "cluster") as server:
        environment["DATABASE_URL"] = url = server.start()
        upgrade_database(url)
        watched = create_import()
        with staging_blocked(url) as is_waiting:
            watched.start_worker("one")
            wait_for("the worker stages the file", is_waiting)
            server.kill()
        assert server.start() == url
        watched.wait_for_slices()
        server.kill()
        assert server.start() == url
        watched.check_result()
        watched.processes.stop()


def test_a_worker_that_was_suspended_past_its_lease_writes_nothing_afterwards(
    create_import: Callable[..., WatchedImport],
) -> None:
    watched = create_import()
    suspended = watched.start_worker("one")
    watched.wait_for_slices()
    kill_group(suspended, signal.SIGSTOP)
    watched.start_worker("two")
    wait_for("the other worker ends the import", lambda: watched.read()["finished_at"], 60)
    kill_group(suspended, signal.SIGCONT)
    # It finds its lease lost, or its connections closed: the server ends transactions that are idle for long.
    first_task = TASK_RECEIVED_RE.findall(watched.processes.log.read_text())[0]
    task_end_re = re.compile(rf"Task imports\.run\[{first_task}\] (succeeded|raised)")
    wait_for("its task to end", lambda: task_end_re.search(watched.processes.log.read_text()))
    watched.check_result()


@pytest.mark.parametrize("phase", ["reading", "writing"])
def test_after_sigterm_another_worker_continues_before_the_lease_expires(
    create_import: Callable[..., WatchedImport], phase: str
) -> None:
    # A lease that a worker kept would hold up the import for longer than the test.
    watched = create_import(slice_seconds=0.2, LEASE_SECONDS="3600")
    first = watched.start_worker("one")
    with staging_blocked(watched.url) if phase == "reading" else contextlib.nullcontext() as is_waiting:
        if is_waiting:
            wait_for("the worker stages the file", is_waiting)
        else:
            watched.wait_for_slices()
        first.terminate()
        wait_for("the import is handed over", lambda: "handed over" in watched.processes.log.read_text())
    row = watched.read()
    assert (row["status"], row["phase"]) == ("processing", phase)
    assert (row["lease_holder"], row["lease_expires_at"], row["attempts"]) == (None, None, 0)
    stop_delaying_slices(watched.url)
    watched.start_worker("two")
    watched.check_result()
    # The next worker took nothing over from one that had died.
    assert execute(watched.url, "SELECT FROM import_log WHERE event = 'resumed'") == []
    assert first.wait(30) == 0


@pytest.mark.thorough("RabbitMQ")
@pytest.mark.usefixtures("broker")
def test_an_import_that_kills_its_worker_each_time_fails(create_import: Callable[..., WatchedImport]) -> None:
    watched = create_import(MAX_ATTEMPTS="3")
    announce(watched.environment, watched.task_id)
    killed: set[str] = set()

    def kill_next_attempt() -> bool:
        """Kill the child that has started another attempt; return whether the import has ended."""
        row = watched.read()
        # The fourth attempt only ends the import as failed.
        if row["attempts"] <= 3 and row["lease_holder"] not in {None, *killed}:
            killed.add(row["lease_holder"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(row["lease_holder"].split()[1]), signal.SIGKILL)
        return row["finished_at"] is not None

    with staging_blocked(watched.url):
        watched.start_worker("one")
        wait_for("the import ends", kill_next_attempt)
    row = watched.read()
    assert row["status"] == "failed"
    assert row["error_message"].startswith("The import was started 3 times and stopped each time before")
    assert len(killed) == 3
    assert list_staging_tables(watched.url) == []
    # The file stays, so the import can be retried.
    assert len(list(Path(watched.environment["UPLOAD_DIR"]).iterdir())) == 1


def test_jobs_without_a_message_are_found(create_import: Callable[..., WatchedImport]) -> None:
    watched = create_import(slice_seconds=0)
    runner = create_runner(config.load(watched.environment))
    task_ids = [create_job(runner, b"sku\nSKU-000001\n") for _ in range(10)]
    watched.start_worker("one")
    wait_for("every job ends", lambda: all(read_job(watched.url, task_id)["finished_at"] for task_id in task_ids))
    watched.check_result()
