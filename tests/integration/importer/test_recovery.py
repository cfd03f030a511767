"""Whatever is killed, stopped or restarted in the middle of an import: it ends by itself, as if nothing had been."""

from __future__ import annotations

import contextlib
import os
import queue
import random
import signal
import subprocess
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
from celery_app import create_celery
from database import lease
from database.connect import Component, connected
from database.migrate import upgrade_database
from embedded.postgres import EmbeddedPostgres
from importer.jobs import reaper
from support.database import TEMPLATE_DATABASE, execute, url_of
from support.jobs import announce, create_job, create_runner, delay_slices, read_job, read_products, run_import
from support.processes import Processes
from support.waiting import wait_for

ROWS = 30_000
SIZES = {"CHUNK_ROWS": "1000", "SLICE_ROWS": "500"}
COUNTS = ("created_count", "updated_count", "unchanged_count", "duplicate_count", "rejected_count", "total_records")
WORKER = ("--concurrency=1", "-n")


def products_file(rows: int, version: int) -> bytes:
    """A file in which `version` decides on the texts of every third row; with duplicates and rows to set aside."""
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


BEFORE = products_file(ROWS // 2, version=1)
FILE = products_file(ROWS, version=2)


@dataclass
class Story:
    """An import under way, watched: what its row showed over time must never go back."""

    environment: dict[str, str]
    processes: Processes
    task_id: str
    expected: tuple[dict[str, int], list[tuple[Any, ...]]]
    seen: list[tuple[int, int, int]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return self.environment["DATABASE_URL"]

    def row(self) -> dict[str, Any]:
        return read_job(self.url, self.task_id)

    def worker(self, name: str) -> subprocess.Popen[bytes]:
        return self.processes.start_worker(*WORKER, f"{name}@%h")

    def watch(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(psycopg2.Error), contextlib.closing(psycopg2.connect(self.url)) as connection:
                connection.autocommit = True
                while not self.over.wait(0.02):
                    with connection.cursor() as cursor:
                        cursor.execute(
                            "SELECT progress, processed_records, rows_read FROM import_jobs WHERE task_id = %s",
                            [self.task_id],
                        )
                        self.seen.extend(cursor.fetchall())

    def wait_until_writing(self, slices: int = 5) -> None:
        before = self.row()["processed_records"]
        wait_for("some slices", lambda: self.row()["processed_records"] >= before + slices * 500)

    def holder(self) -> int:
        """The pool child that works on the import."""
        holder = wait_for("a worker takes the job", lambda: self.row()["lease_holder"])
        return int(holder.split()[1])

    def check_end(self) -> None:
        """The import completes within a minute and everything is as after an undisturbed one."""
        wait_for("the import ends", lambda: self.row()["finished_at"], 60)
        counts, products = self.expected
        row = self.row()
        assert row["status"] == "completed", row["error_message"]
        assert {name: row[name] for name in COUNTS} == counts
        assert row["processed_records"] == row["total_records"] == sum(counts[name] for name in COUNTS[:-1])
        assert read_products(self.url) == products
        assert execute(self.url, "SELECT count(*) FROM import_rejects") == [(counts["rejected_count"],)]
        assert staging_tables(self.url) == []
        folder = Path(self.environment["UPLOAD_DIR"])
        wait_for("the file is removed", lambda: not list(folder.iterdir()))
        time.sleep(0.1)
        self.over.set()
        for earlier, later in zip(self.seen, self.seen[1:], strict=False):
            assert all(a <= b for a, b in zip(earlier, later, strict=True)), (earlier, later)
        assert self.seen[-1][0] == 100


def staging_tables(url: str) -> list[tuple[Any, ...]]:
    return execute(url, "SELECT relname FROM pg_class WHERE relname LIKE 'import\\_staging\\_%' AND relkind = 'r'")


@pytest.fixture(scope="module")
def expected(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], list[tuple[Any, ...]]]:
    """The counts and the products that an undisturbed import leaves, in large chunks and slices."""
    name = f"undisturbed_{uuid.uuid4().hex[:8]}"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_DATABASE}")
    url = url_of(server_url, name)
    runner = create_runner(
        config.load({"DATABASE_URL": url, "UPLOAD_DIR": str(tmp_path_factory.mktemp("undisturbed"))})
    )
    run_import(runner, BEFORE)
    row = run_import(runner, FILE)
    assert all(row[count] for count in COUNTS)
    return {count: row[count] for count in COUNTS}, read_products(url)


@pytest.fixture
def begin(
    environment: dict[str, str], processes: Processes, expected: tuple[dict[str, int], list[tuple[Any, ...]]]
) -> Iterator[Callable[..., Story]]:
    """Puts a file and its job in place, as an upload does, with slices that take `slice_seconds`; starts no worker."""
    stories: list[tuple[Story, threading.Thread]] = []

    def begin(slice_seconds: float = 0.05, **changes: str) -> Story:
        environment.update(SIZES, **changes)
        runner = create_runner(config.load(environment))
        run_import(runner, BEFORE)
        execute(runner.database_url, "DELETE FROM import_rejects")
        delay_slices(runner.database_url, slice_seconds)
        story = Story(environment, processes, create_job(runner, FILE), expected)
        thread = threading.Thread(target=story.watch, daemon=True)
        thread.start()
        stories.append((story, thread))
        return story

    yield begin
    for story, thread in stories:
        story.over.set()
        thread.join(10)


@pytest.fixture(params=["embedded broker", "RabbitMQ"])
def broker(request: pytest.FixtureRequest) -> str:
    """Runs a test once on each broker."""
    if request.param == "RabbitMQ":
        request.getfixturevalue("rabbitmq")
    name: str = request.param
    return name


@contextlib.contextmanager
def reading_held_up(url: str) -> Iterator[Callable[[], Any]]:
    """Keeps readings from coming to their end; what it gives tells whether one has got that far."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE import_rejects IN SHARE MODE")
        yield lambda: execute(
            url,
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            " AND query LIKE 'DELETE FROM import_rejects%'",
        )


def kill_group(worker: subprocess.Popen[bytes], number: signal.Signals = signal.SIGKILL) -> None:
    os.killpg(worker.pid, number)
    if number == signal.SIGKILL:
        worker.wait(10)


@pytest.mark.usefixtures("broker")
def test_a_child_killed_while_it_reads_and_another_while_it_writes(begin: Callable[..., Story]) -> None:
    story = begin()
    announce(story.environment, story.task_id)
    with reading_held_up(story.url) as at_its_end:
        story.worker("one")
        wait_for("reading is nearly done", at_its_end)
        os.kill(story.holder(), signal.SIGKILL)
    story.wait_until_writing()
    os.kill(story.holder(), signal.SIGKILL)
    story.check_end()


@pytest.mark.usefixtures("broker")
def test_a_worker_killed_with_its_children_and_a_new_one_started(begin: Callable[..., Story]) -> None:
    story = begin()
    announce(story.environment, story.task_id)
    with reading_held_up(story.url) as at_its_end:
        first = story.worker("one")
        wait_for("reading is nearly done", at_its_end)
        kill_group(first)
    second = story.worker("one")
    story.wait_until_writing()
    kill_group(second)
    story.worker("one")
    story.check_end()


@pytest.mark.parametrize("seed", [1, 2])
def test_children_and_workers_killed_at_random_moments(begin: Callable[..., Story], seed: int) -> None:
    moments = random.Random(seed)
    story = begin(MAX_ATTEMPTS="100")
    announce(story.environment, story.task_id)
    workers = [story.worker("one"), story.worker("two")]
    for _ in range(7):
        time.sleep(moments.uniform(0, 1.2))
        if moments.random() < 0.3:
            number = moments.randrange(2)
            kill_group(workers[number])
            workers[number] = story.worker(f"new-{moments.random()}")
        elif (holder := story.row()["lease_holder"]) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(holder.split()[1]), signal.SIGKILL)
    story.check_end()


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT], ids=["crash", "restart"])
def test_the_database_goes_down_in_the_middle_of_writing(
    environment: dict[str, str], tmp_path: Path, begin: Callable[..., Story], number: signal.Signals
) -> None:
    with EmbeddedPostgres(tmp_path / "cluster") as server:
        environment["DATABASE_URL"] = url = server.start()
        upgrade_database(url)
        story = begin()
        story.worker("one")
        story.wait_until_writing()
        assert server.pid
        os.kill(server.pid, number)
        wait_for("the server is down", lambda: server.pid is None)
        time.sleep(0.5)
        assert server.start() == url
        story.check_end()
        story.processes.stop()


def test_a_worker_stopped_past_its_lease_writes_nothing_once_it_goes_on(begin: Callable[..., Story]) -> None:
    story = begin()
    stopped = story.worker("one")
    story.wait_until_writing()
    kill_group(stopped, signal.SIGSTOP)
    story.worker("two")
    wait_for("the other worker ends the import", lambda: story.row()["finished_at"], 60)
    kill_group(stopped, signal.SIGCONT)
    time.sleep(2)
    story.check_end()


def test_sigterm_ends_a_worker_soon_and_the_next_one_goes_on(begin: Callable[..., Story]) -> None:
    story = begin(slice_seconds=0.4)
    first = story.worker("one")
    story.wait_until_writing()
    first.terminate()
    assert first.wait(30) == 0
    assert story.row()["status"] == "processing"
    delay_slices(story.url, 0)
    story.worker("two")
    story.check_end()


@pytest.mark.usefixtures("broker")
def test_an_import_that_kills_its_worker_each_time_fails_with_a_sentence(begin: Callable[..., Story]) -> None:
    story = begin(MAX_ATTEMPTS="3")
    announce(story.environment, story.task_id)
    killed: set[str] = set()
    with reading_held_up(story.url):
        story.worker("one")
        while (row := story.row())["finished_at"] is None and len(killed) < 5:
            # The fourth one only takes the job to give it up.
            if row["attempts"] <= 3 and row["lease_holder"] not in {None, *killed}:
                killed.add(row["lease_holder"])
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(row["lease_holder"].split()[1]), signal.SIGKILL)
            time.sleep(0.05)
    assert row["status"] == "failed"
    assert row["error_message"].startswith("The import was started 3 times and each time stopped before")
    assert len(killed) == 3
    assert staging_tables(story.url) == []
    # It may be tried again once the reason is gone.
    assert len(list(Path(story.environment["UPLOAD_DIR"]).iterdir())) == 1


def test_jobs_whose_message_was_lost_are_found(begin: Callable[..., Story]) -> None:
    story = begin(slice_seconds=0)
    others = [create_job(create_runner(config.load(story.environment)), b"sku\nSKU-000001\n") for _ in range(10)]
    story.worker("one")
    wait_for("every job is done", lambda: all(read_job(story.url, task_id)["finished_at"] for task_id in others))
    story.check_end()


def test_waiting_jobs_are_announced_few_at_a_time_and_not_again_at_once(
    settings: config.Settings, database_url: str
) -> None:
    tasks = [create_job(create_runner(settings), b"sku\na\n") for _ in range(10)]
    told: list[str] = []

    def wake(task_id: str, answer: bool = True) -> bool:
        told.append(task_id)
        return answer

    with connected(database_url, Component.IMPORTER) as connection:
        reaper.sweep(connection, wake=lambda task_id: wake(task_id, False))
        assert told == tasks[:1], "a broker that is away is asked once"
        told.clear()
        reaper.sweep(connection, wake=wake)
        reaper.sweep(connection, wake=wake)
        assert told == tasks[: reaper.WOKEN_AT_ONCE]
        told.clear()
        execute(database_url, "UPDATE import_jobs SET announced_at = announced_at - interval '31 seconds'")
        reaper.sweep(connection, wake=wake)
        assert told == tasks[: reaper.WOKEN_AT_ONCE]


def test_only_a_process_that_is_known_to_have_ended_is_gone() -> None:
    here = lease.current_holder()
    place, pid, started = here.rsplit(" ", 2)
    assert not lease.holder_has_ended(here)
    assert lease.holder_has_ended(f"{place} {pid} {int(started) + 1}"), "another process has its number"
    assert not lease.holder_has_ended(f"elsewhere/{place} {pid} {int(started) + 1}"), "another machine or container"
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        ended = f"{place} {child.pid} {lease._start_time(child.pid)}"
        assert not lease.holder_has_ended(ended)
        child.kill()
        wait_for("a dead child that nobody has waited for counts as gone", lambda: lease.holder_has_ended(ended))
    assert lease.holder_has_ended(ended)


def test_a_file_message_is_never_seen_before_it_is_whole(environment: dict[str, str]) -> None:
    app = create_celery(config.load(environment))
    with app.connection_for_read() as reader, app.connection_for_write() as writer:
        over = threading.Event()

        def send() -> None:
            producer = writer.Producer()
            for number in range(1000):
                producer.publish({"number": number}, routing_key="imports", declare=[app.conf.task_queues[0]])
            over.set()

        thread = threading.Thread(target=send, daemon=True)
        channel = reader.channel()
        thread.start()
        found = 0
        while found < 1000:
            # Asked before: messages may come between a look that finds none and the question.
            all_sent = over.is_set()
            try:
                channel._get("imports")
                found += 1
            except queue.Empty:
                assert not all_sent, f"{1000 - found} messages are lost"
                assert thread.is_alive() or over.is_set()
        thread.join()


def test_a_worker_without_a_database_url_says_so_and_ends(processes: Processes, environment: dict[str, str]) -> None:
    environment["DATABASE_URL"] = ""
    for worker in (processes.start_worker(), processes.start("run_celery.py", "-q")):
        assert worker.wait(30) == 2
    lines = processes.log.read_text().splitlines()
    assert len([line for line in lines if line.startswith("error: DATABASE_URL is not set")]) == 2
    assert not [line for line in lines if "Traceback" in line]
