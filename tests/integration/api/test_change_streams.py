"""Word of every change of the products, on real web and worker processes."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import logging
import os
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

import api.sse
from database.migrate import upgrade_database
from embedded.postgres import EmbeddedPostgres
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import run_import
from support.paths import SAMPLE
from support.processes import Processes
from support.waiting import wait_for

SECONDS = 60
# A busy machine needs a little longer than the second that is promised.
SOON = 10


class Page:
    """An open stream; `events` holds what has come and when, `ended` how it ended."""

    def __init__(self, port: int, **headers: str) -> None:
        self.events: queue.Queue[tuple[float, str]] = queue.Queue()
        self.ended: BaseException | str | None = None
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._connection.request("GET", "/api/products/changes", headers=headers)
        self._socket = self._connection.sock
        self._answer = answer = self._connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert "no-cache" in answer.headers["Cache-Control"]
        assert answer.headers["X-Accel-Buffering"] == "no"
        lines = (line.decode().rstrip("\n") for line in answer)
        assert next(lines).startswith(":")
        assert next(lines).startswith("retry: ")
        self._thread = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._thread.start()

    def _read(self, lines: Iterator[str]) -> None:
        name, data = "", ""
        try:
            for line in lines:
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data += value
                elif line == "":
                    if data:
                        assert data == "{}"
                        self.events.put((time.monotonic(), name))
                    name, data = "", ""
                else:
                    assert field in {"id", ""}
            self.ended = "in good order"
        except BaseException as error:
            self.ended = error

    def told(self, seconds: float = SOON) -> float:
        """Waits for an event; returns when it came."""
        moment, name = self.events.get(timeout=seconds)
        assert name == "changed"
        return moment

    def quiet(self, seconds: float) -> bool:
        """Whether no event comes for so long."""
        try:
            self.events.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def settle(self) -> None:
        """Waits until what has happened so far is told."""
        while not self.quiet(1.2):
            pass

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self._answer.close()
        self._connection.close()
        self._socket.close()


class Web:
    """A web process and the pages that are open."""

    def __init__(self, processes: Processes, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}/api"
        self._processes = processes
        self.port = port
        self.pages: list[Page] = []

    def start(self, **changes: str) -> subprocess.Popen[bytes]:
        process = self._processes.start_web(self.port, **changes)

        def answers() -> bool:
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{self.root}/products", timeout=SECONDS).ok
            return False

        wait_for("the web process answers", answers)
        return process

    def open(self, **headers: str) -> Page:
        self.pages.append(Page(self.port, **headers))
        return self.pages[-1]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, f"{self.root}/products{path}", json=body, timeout=SECONDS)
        assert answer.ok, answer.text
        return answer.json()


@pytest.fixture
def web(processes: Processes, free_port: int) -> Iterator[Web]:
    opened = Web(processes, free_port)
    yield opened
    for page in opened.pages:
        page.close()


def test_every_page_is_told_of_changes_by_the_api(web: Web) -> None:
    web.start()
    pages = [web.open(), web.open()]
    assert all(page.quiet(1) for page in pages)

    def told_of(method: str, path: str, body: Any = None) -> Any:
        started = time.monotonic()
        answer = web.call(method, path, body)
        assert all(page.told() - started < SOON for page in pages)
        for page in pages:
            page.settle()
        return answer

    product = told_of("POST", "", {"sku": "A"})
    told_of("PUT", f"/{product['id']}", {"name": "a"})
    told_of("POST", "/bulk", {"action": "deactivate", "ids": [product["id"]]})
    told_of("DELETE", f"/{product['id']}")
    told_of("DELETE", "/bulk-delete")


def test_what_changes_nothing_is_not_told(web: Web) -> None:
    web.start()
    product = web.call("POST", "", {"sku": "A"})
    page = web.open()
    web.call("PUT", f"/{product['id']}", {"name": product["name"]})
    web.call("GET", "")
    web.call("GET", f"/{product['id']}")
    assert page.quiet(2)


def test_changes_by_an_import_and_past_the_api_are_told(web: Web, runner: ImportRunner, database_url: str) -> None:
    web.start()
    page = web.open()
    assert run_import(create_runner_like(runner, slice_rows=100), SAMPLE.read_bytes())["created_count"]
    assert page.told()
    page.settle()
    for statement in (
        "INSERT INTO products (sku) VALUES ('by psql')",
        "UPDATE products SET name = 'x' WHERE sku = 'by psql'",
        "DELETE FROM products WHERE sku = 'by psql'",
        "TRUNCATE products",
    ):
        execute(database_url, statement)
        assert page.told(), statement
        page.settle()


def create_runner_like(runner: ImportRunner, **changes: Any) -> ImportRunner:
    return ImportRunner(**{**vars(runner), **changes})


def test_many_changes_are_told_once_a_second_and_the_last_one_never_left_out(web: Web, database_url: str) -> None:
    web.start()
    page = web.open()
    started = time.monotonic()
    number = 0
    while time.monotonic() - started < 3.5:
        number += 1
        execute(database_url, "INSERT INTO products (sku) VALUES (%s)", [f"S-{number}"])
    last = time.monotonic()
    page_events = [page.told()]
    while page_events[-1] < last:
        page_events.append(page.told())
    assert page.quiet(2)
    assert number > 20
    assert all(after - before > 0.9 for before, after in itertools.pairwise(page_events))
    assert page_events[0] - started < SOON
    assert page_events[-1] - last < SOON


def test_whoever_connects_again_is_told_since_something_may_be_missed(web: Web) -> None:
    web.start()
    assert web.open(**{"Last-Event-ID": "1"}).told()
    assert web.open().quiet(1)


def test_streams_of_both_kinds_share_the_places_and_one_connection(web: Web, database_url: str) -> None:
    web.start(MAX_STREAMS="3")
    task_id = "00000000-0000-4000-8000-000000000001"
    execute(
        database_url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, status, announced_at)"
        " VALUES (%s, 'a.csv', 'none', 1, 'processing', now())",
        [task_id],
    )
    pages = [web.open(), web.open()]
    progress = f"{web.root}/upload/progress/{task_id}/stream"
    with requests.get(progress, stream=True, timeout=SECONDS) as following:
        assert following.status_code == 200
        refused = requests.get(f"{web.root}/products/changes", timeout=SECONDS)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
        listeners = execute(
            database_url,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%%'",
        )
        assert listeners == [(1,)]
        web.call("POST", "", {"sku": "A"})
        assert all(page.told() for page in pages)
    pages[0].close()

    def accepted() -> bool:
        with requests.get(f"{web.root}/products/changes", stream=True, timeout=SECONDS) as answer:
            return answer.status_code == 200

    wait_for("a place is free", accepted, seconds=30)


def test_changes_are_told_after_the_connection_was_lost(web: Web, database_url: str) -> None:
    web.start()
    pages = [web.open(), web.open()]
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    # The listener may be away just now: what it misses it tells when it is back.
    execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
    for page in pages:
        assert page.told()
        page.settle()
    execute(database_url, "INSERT INTO products (sku) VALUES ('B')")
    assert all(page.told() for page in pages)


def test_changes_are_told_after_the_database_was_restarted(
    web: Web, environment: dict[str, str], tmp_path: Path
) -> None:
    with EmbeddedPostgres(tmp_path / "cluster") as server:
        environment["DATABASE_URL"] = url = server.start()
        upgrade_database(url)
        web.start()
        page = web.open()
        web.call("POST", "", {"sku": "A"})
        assert page.told()
        page.settle()
        assert server.pid
        os.kill(server.pid, signal.SIGINT)
        wait_for("the server is down", lambda: server.pid is None)
        time.sleep(2)
        assert server.start() == url
        # That something may have changed is all there is to know.
        assert page.told(30)
        page.settle()
        web.call("POST", "", {"sku": "B"})
        assert page.told()
        assert page.ended is None
        page.close()


def test_behind_a_transaction_pooler_changes_are_told_without_listening(web: Web, database_url: str) -> None:
    web.start(DATABASE_URL=f"{database_url}&pgbouncer=true")
    page = web.open()
    assert page.quiet(2.5)
    for statement in (
        "INSERT INTO products (sku) VALUES ('A'), ('B')",
        "UPDATE products SET name = 'x', updated_at = clock_timestamp() WHERE sku = 'A'",
        "UPDATE products SET name = 'y' WHERE sku = 'A'",
        "DELETE FROM products WHERE sku = 'A'",
        "TRUNCATE products",
    ):
        execute(database_url, statement)
        assert page.told(), statement
        page.settle()
    assert page.quiet(2.5)
    listeners = execute(
        database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%%'",
    )
    assert listeners == [(0,)]


def test_a_stream_ends_with_the_server(web: Web, processes: Processes) -> None:
    process = web.start()
    page = web.open()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(15) == 0
    wait_for("the stream has ended", lambda: page.ended is not None, seconds=5)
    assert "Traceback" not in Path(processes.log).read_text()


# In this process, where times can be chosen.


def chunks(app: Flask) -> Iterator[str]:
    answer = app.test_client().get("/api/products/changes", buffered=False)
    with contextlib.closing(answer):
        for chunk in answer.response:
            yield chunk.decode() if isinstance(chunk, bytes) else chunk


def test_signs_of_life_come_while_nothing_happens(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.sse, "PING_SECONDS", 0.05)
    told = chunks(app)
    assert next(told).startswith(":")
    assert next(told) == ": still here\n\n"
    told.close()  # type: ignore[attr-defined]
    assert app.extensions["progress"].streams == 0


def test_every_stream_ends_once_the_server_says_that_it_stops(
    app: Flask, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = threading.Event()
    app.extensions["progress"].end_when(stopping.is_set)
    told = chunks(app)
    assert next(told).startswith(":")
    execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
    assert "event: changed" in next(told)
    started = time.monotonic()
    stopping.set()
    assert list(told) == []
    assert time.monotonic() - started < SOON
    wait_for("the listener has ended", lambda: not listeners(), seconds=SOON)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


def listeners() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "progress-listener"]
