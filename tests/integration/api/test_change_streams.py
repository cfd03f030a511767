"""Streams of changes of products, on real web and worker processes."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import requests
from flask import Flask

import config
from api.sse import CHANGE_INTERVAL_SECONDS, StreamHub
from database.advisory_locks import PRODUCT_NOTIFIER_CLASS
from database.migrate import upgrade_database
from support.database import create_server, execute
from support.job_streams import insert_running_job
from support.jobs import create_runner, run_import
from support.paths import SAMPLE
from support.processes import Processes
from support.waiting import wait_for
from support.web import (
    REQUEST_SECONDS,
    WebProcess,
    count_listening_connections,
    end_connections,
)

# The API promises an event within a second; a busy machine can take longer.
SOON_SECONDS = 10
# A stream that sends nothing for this long has reported everything that happened before.
SETTLE_SECONDS = CHANGE_INTERVAL_SECONDS + 0.2


class ChangeStream:
    """An open stream of changes of products. `ended` says how it ended: None while it is open."""

    def __init__(self, port: int, **headers: str) -> None:
        self.ended: BaseException | str | None = None
        self._arrivals: queue.Queue[float] = queue.Queue()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
        self._connection.request("GET", "/api/products/changes", headers=headers)
        self._socket = self._connection.sock
        self._response = response = self._connection.getresponse()
        assert response.status == 200, response.read()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "no-cache" in response.headers["Cache-Control"]
        assert response.headers["X-Accel-Buffering"] == "no"
        lines = (line.decode().rstrip("\n") for line in response)
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
                        assert (name, data) == ("changed", "{}")
                        self._arrivals.put(time.monotonic())
                    name, data = "", ""
                else:
                    assert field in {"id", ""}
            self.ended = "completely"
        except BaseException as error:
            self.ended = error

    def wait_for_event(self, seconds: float = SOON_SECONDS) -> float:
        """Wait for the next event and return when it arrived, by the monotonic clock."""
        return self._arrivals.get(timeout=seconds)

    def is_silent(self, seconds: float) -> bool:
        """Return whether no event arrives for this long."""
        try:
            self._arrivals.get(timeout=seconds)
        except queue.Empty:
            return True
        return False

    def settle(self) -> None:
        """Wait until everything that has happened so far was reported."""
        while not self.is_silent(SETTLE_SECONDS):
            pass

    def close(self) -> None:
        """Disconnect, and end the thread."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(REQUEST_SECONDS)
        self._response.close()
        self._connection.close()
        self._socket.close()


class Web(WebProcess):
    """A web process and its open streams, which end with the test."""

    def __init__(self, processes: Processes, port: int) -> None:
        super().__init__(processes, port)
        self.streams: list[ChangeStream] = []

    def follow(self, **headers: str) -> ChangeStream:
        """Open a stream."""
        self.streams.append(ChangeStream(self.port, **headers))
        return self.streams[-1]


@pytest.fixture
def web(processes: Processes, free_port: int) -> Iterator[Web]:
    """A web process that has not been started."""
    process = Web(processes, free_port)
    yield process
    for stream in process.streams:
        stream.close()


def test_every_stream_reports_changes_through_the_api(web: Web) -> None:
    web.start()
    streams = [web.follow(), web.follow()]
    assert all(stream.is_silent(1) for stream in streams)

    def call_and_expect_events(method: str, path: str, body: Any = None) -> Any:
        started = time.monotonic()
        response = web.call(method, f"/products{path}", body)
        assert all(stream.wait_for_event() - started < SOON_SECONDS for stream in streams)
        for stream in streams:
            stream.settle()
        return response

    product = call_and_expect_events("POST", "", {"sku": "A"})
    call_and_expect_events("PUT", f"/{product['id']}", {"name": "a"})
    call_and_expect_events("POST", "/bulk", {"action": "deactivate", "ids": [product["id"]]})
    call_and_expect_events("DELETE", f"/{product['id']}")
    call_and_expect_events("POST", "", {"sku": "B"})
    call_and_expect_events("DELETE", "/bulk-delete")


def test_a_call_that_changes_nothing_is_not_reported(web: Web) -> None:
    web.start()
    product = web.call("POST", "/products", {"sku": "A"})
    stream = web.follow()
    web.call("PUT", f"/products/{product['id']}", {"name": product["name"]})
    web.call("GET", "/products")
    web.call("GET", f"/products/{product['id']}")
    assert stream.is_silent(2)


def test_changes_by_an_import_and_by_other_programs_are_reported(
    web: Web, settings: config.Settings, database_url: str
) -> None:
    web.start()
    stream = web.follow()
    assert run_import(create_runner(settings, slice_rows=100), SAMPLE.read_bytes())["created_count"]
    assert stream.wait_for_event()
    stream.settle()
    for statement in (
        "INSERT INTO products (sku) VALUES ('by psql')",
        "UPDATE products SET name = 'x' WHERE sku = 'by psql'",
        "DELETE FROM products WHERE sku = 'by psql'",
        "TRUNCATE products",
    ):
        execute(database_url, statement)
        assert stream.wait_for_event(), statement
        stream.settle()


def test_many_changes_are_reported_once_a_second_and_always_after_the_last_one(web: Web, database_url: str) -> None:
    web.start()
    stream = web.follow()
    started = time.monotonic()
    changes = 0
    while time.monotonic() - started < 3.5:
        changes += 1
        execute(database_url, "INSERT INTO products (sku) VALUES (%s)", [f"S-{changes}"])
    last_change = time.monotonic()
    arrivals = [stream.wait_for_event()]
    while arrivals[-1] < last_change:
        arrivals.append(stream.wait_for_event())
    assert stream.is_silent(2)
    # The events were sent at least a second apart. Their number shows it even if this test reads them late.
    assert 2 < len(arrivals) <= arrivals[-1] - started + 1.1
    assert changes > len(arrivals)


def test_a_change_that_leaves_the_notification_to_another_one_is_reported_once_it_is_committed(
    web: Web, database_url: str
) -> None:
    web.start()
    stream = web.follow()
    with psycopg2.connect(database_url) as notifying, psycopg2.connect(database_url) as silent:
        # As if this transaction notified in each tenth of a second from a minute ago to a minute from now.
        take_locks = (
            "SELECT pg_advisory_xact_lock(%s, (moment %% 2147483648)::integer) FROM generate_series(%s, %s) moment"
        )
        now = int(10 * time.time())
        notifying.cursor().execute(take_locks, (PRODUCT_NOTIFIER_CLASS, now - 600, now + 600))
        silent.cursor().execute("INSERT INTO products (sku) VALUES ('silent')")
        assert stream.is_silent(1)
        notifying.cursor().execute("NOTIFY products_changed")
        notifying.commit()
        assert stream.wait_for_event()
        committed_at = time.monotonic()
        silent.commit()
        # The stream may have reported before that there will be more.
        while stream.wait_for_event() < committed_at:
            pass
        stream.settle()
        assert stream.is_silent(2)
    notifying.close()
    silent.close()


def test_a_client_that_reconnects_gets_an_event_at_once(web: Web) -> None:
    web.start()
    assert web.follow(**{"Last-Event-ID": "1"}).wait_for_event()
    assert web.follow().is_silent(1)


def test_streams_of_all_topics_share_one_limit_and_one_connection(web: Web, database_url: str) -> None:
    web.start(MAX_STREAMS="3")
    streams = [web.follow(), web.follow()]
    with web.open_stream(f"/upload/progress/{insert_running_job(database_url)}/stream") as job_stream:
        assert job_stream.status_code == 200
        for path in ("/products/changes", "/webhooks/changes"):
            refused = requests.get(f"{web.api_url}{path}", timeout=REQUEST_SECONDS)
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
        assert count_listening_connections(database_url) == 1
        web.call("POST", "/products", {"sku": "A"})
        assert all(stream.wait_for_event() for stream in streams)
    streams[0].close()

    def is_accepted() -> bool:
        with web.open_stream("/products/changes") as response:
            return response.status_code == 200

    wait_for("a place is free", is_accepted, seconds=30)


def test_changes_are_reported_after_the_database_connection_was_lost(web: Web, database_url: str) -> None:
    web.start()
    streams = [web.follow(), web.follow()]
    end_connections(database_url)
    # The listener may be disconnected now. It reports what it missed when it is connected again.
    execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
    for stream in streams:
        assert stream.wait_for_event()
        stream.settle()
    execute(database_url, "INSERT INTO products (sku) VALUES ('B')")
    assert all(stream.wait_for_event() for stream in streams)


def test_changes_are_reported_after_the_database_was_restarted(
    web: Web, processes: Processes, environment: dict[str, str], tmp_path: Path
) -> None:
    with create_server(tmp_path / "cluster") as server:
        environment["DATABASE_URL"] = url = server.start()
        upgrade_database(url)
        web.start()
        stream = web.follow()
        web.call("POST", "/products", {"sku": "A"})
        assert stream.wait_for_event()
        stream.settle()
        assert server.pid
        os.kill(server.pid, signal.SIGINT)
        wait_for("the server has stopped", lambda: server.pid is None)
        wait_for("the listener could not connect", lambda: "live updates will retry" in processes.log.read_text())
        assert server.start() == url
        # Changes may have been missed.
        assert stream.wait_for_event(30)
        stream.settle()
        web.call("POST", "/products", {"sku": "B"})
        assert stream.wait_for_event()
        assert stream.ended is None
        stream.close()


def test_behind_a_transaction_pooler_changes_are_reported_without_listen(web: Web, database_url: str) -> None:
    web.start(DATABASE_URL=f"{database_url}&pgbouncer=true")
    stream = web.follow()
    assert stream.is_silent(2.5)
    for statement in (
        "INSERT INTO products (sku) VALUES ('A'), ('B')",
        "UPDATE products SET name = 'x', updated_at = clock_timestamp() WHERE sku = 'A'",
        "UPDATE products SET name = 'y' WHERE sku = 'A'",
        "DELETE FROM products WHERE sku = 'A'",
        "TRUNCATE products",
    ):
        execute(database_url, statement)
        assert stream.wait_for_event(), statement
        stream.settle()
    assert stream.is_silent(2.5)
    assert count_listening_connections(database_url) == 0


def test_a_stream_ends_with_the_web_process(web: Web, processes: Processes) -> None:
    process = web.start()
    stream = web.follow()
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(15) == 0
    wait_for("the stream has ended", lambda: stream.ended is not None, seconds=5)
    assert "Traceback" not in processes.log.read_text()


# In the process of the test, which can choose the times.


@pytest.fixture
def hub(app: Flask) -> StreamHub:
    """The hub of the application."""
    streams: StreamHub = app.extensions["streams"]
    return streams


@contextlib.contextmanager
def open_stream(app: Flask, path: str = "/api/products/changes") -> Iterator[Iterator[str]]:
    """Open a stream and yield an iterator of its chunks."""
    response = app.test_client().get(path, buffered=False)
    with contextlib.closing(response):
        yield (chunk.decode() if isinstance(chunk, bytes) else chunk for chunk in response.response)


def find_listener_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stream-listener"]


def test_a_stream_without_changes_sends_keep_alives(app: Flask, hub: StreamHub) -> None:
    hub.keep_alive_seconds = 0.05
    with open_stream(app) as chunks:
        assert next(chunks).startswith(":")
        assert next(chunks) == ": keep-alive\n\n"
    assert hub.streams == 0


def test_changes_of_webhooks_have_a_stream_of_their_own(app: Flask) -> None:
    with open_stream(app, "/api/webhooks/changes") as chunks:
        assert next(chunks).startswith(":")
        app.test_client().post("/api/webhooks", json={"url": "https://example.com/", "event_type": "*"})
        assert "event: changed" in next(chunks)


def test_the_listener_ends_after_the_last_stream(
    app: Flask, hub: StreamHub, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with open_stream(app) as first, open_stream(app) as second:
        for chunks in (first, second):
            assert next(chunks).startswith(":")
        execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
        for chunks in (first, second):
            assert "event: changed" in next(chunks)
        assert find_listener_threads()
    assert hub.streams == 0
    wait_for("the listener has ended", lambda: not find_listener_threads(), seconds=SOON_SECONDS)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
