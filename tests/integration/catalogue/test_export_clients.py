"""Export: slow and broken clients and failures of the database; none passes for the whole file, or holds it up."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator

import psycopg2
import pytest
import requests
from flask import Flask

from api.products.export import MAX_RUNNING_EXPORTS
from catalogue.export import CLIENT_CHECK_SECONDS, Client, ExportLimitExceeded, ExportLimits, ExportPool
from catalogue.filters import Filter
from database.connect import Component, connect
from support.database import execute
from support.processes import Processes
from support.sign_in import create_key, create_user
from support.waiting import wait_for

SECONDS = 60
HEADER = b"sku,name,description,active\n"

# With a real web process.

ROWS = 60_000


@pytest.fixture
def web(processes: Processes, free_port: int, database_url: str) -> Iterator[int]:
    """The port of a web process with a catalogue of about 60 MB."""
    execute(
        database_url,
        "INSERT INTO products (sku, name, description) SELECT 'P-' || i, 'name ' || i, repeat(md5(i::text), 30)"
        f" FROM generate_series(1, {ROWS}) i",
    )
    processes.start_web(free_port)

    def is_ready() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{free_port}/api/products", timeout=SECONDS).ok
        return False

    wait_for("the web process", is_ready)
    yield free_port


def request_export(port: int, query: str = "", version: str = "1.1", *, key: str = "") -> socket.socket:
    """Send a request for an export and read nothing of the response yet. HTTP/1.0 needs an API key."""
    connection = socket.socket()
    # The system may otherwise buffer a large part of the file, so that a client that reads nothing is not slow.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    connection.connect(("127.0.0.1", port))
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    start = f"GET /api/products/export?{query} HTTP/{version}\r\nHost: localhost\r\n"
    connection.sendall(f"{start}{authorization}\r\n".encode())
    return connection


def find_exports(url: str, min_age_seconds: float = 0) -> list[int]:
    """Return the process ids of the backends that have been running an export for at least so long."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        " AND leader_pid IS NULL AND query_start <= clock_timestamp() - make_interval(secs => %s)",
        (Component.EXPORT.value, min_age_seconds),
    )
    return [row[0] for row in rows]


def read_response(connection: socket.socket) -> tuple[int, bytes]:
    """Return the status and the whole body. Raises an exception if the body ends early."""
    with connection:
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


def test_a_large_file_is_complete(web: int, database_url: str) -> None:
    for query, decompress in (("", bytes), ("format=csv.gz", gzip.decompress)):
        status, body = read_response(request_export(web, query))
        assert status == 200
        assert decompress(body).count(b"\n") == ROWS + 1
    wait_for("the end of the export", lambda: not find_exports(database_url), seconds=5)


def test_a_client_that_disconnects_ends_its_export_at_once(web: int, database_url: str) -> None:
    for _ in range(10):
        connection = request_export(web)
        connection.recv(1000)
        wait_for("the export", lambda: find_exports(database_url))
        connection.close()
        wait_for("the end of the export", lambda: not find_exports(database_url), seconds=3)
    assert read_response(request_export(web))[0] == 200


def test_a_client_that_disconnects_before_the_first_row_ends_its_export(web: int, database_url: str) -> None:
    # No product matches, and it takes long to find that out.
    execute(
        database_url,
        "CREATE FUNCTION is_active_slowly(boolean) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.01); RETURN false; END $$;"
        "ALTER TABLE products RENAME TO slow_products;"
        "CREATE VIEW products AS SELECT * FROM slow_products WHERE is_active_slowly(active)",
    )
    connection = request_export(web)
    wait_for("two checks of the client", lambda: find_exports(database_url, 2 * CLIENT_CHECK_SECONDS))
    connection.close()
    wait_for("the end of the export", lambda: not find_exports(database_url), seconds=3)


def test_a_client_can_tell_a_file_that_the_database_cut_off_from_a_whole_one(web: int, database_url: str) -> None:
    key = create_key(database_url, create_user(database_url))
    for version, failure in (("1.1", http.client.IncompleteRead), ("1.0", ConnectionResetError)):
        for query in ("", "format=csv.gz"):
            connection = request_export(web, query, version, key=key)
            assert connection.recv(1, socket.MSG_PEEK)
            for pid in find_exports(database_url):
                execute(database_url, "SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(failure):
                read_response(connection)
    assert read_response(request_export(web, key=key))[0] == 200
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"http://127.0.0.1:{web}/api/products", headers=headers, timeout=SECONDS).ok


@pytest.fixture
def _short_exports(environment: dict[str, str]) -> None:
    """Let the web process cancel exports after one second."""
    environment["EXPORT_SECONDS"] = "1"


@pytest.mark.thorough("True")
@pytest.mark.usefixtures("_short_exports")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("reads_something", [False, True])
def test_a_client_can_tell_a_file_that_took_too_long_from_a_whole_one(
    web: int, database_url: str, processes: Processes, version: str, reads_something: bool
) -> None:
    key = create_key(database_url, create_user(database_url))
    log_before = ""

    def start_export() -> tuple[socket.socket, http.client.HTTPResponse] | None:
        nonlocal log_before
        log_before = processes.log.read_text()
        return _start_export(web, version, key)

    connection, response = wait_for("an export with a first block in time", start_export)
    with connection:

        def has_ended() -> bool:
            if reads_something:
                response.read(1000)
            return not find_exports(database_url)

        wait_for("the end of the export", has_ended)
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()
    log = processes.log.read_text().removeprefix(log_before)
    assert log.count("Cancelled an export because it took longer than 1 s") == 1


def _start_export(port: int, version: str, key: str) -> tuple[socket.socket, http.client.HTTPResponse] | None:
    """Return a running export, or None if a busy machine used up its time before the first block."""
    connection = request_export(port, version=version, key=key)
    response = http.client.HTTPResponse(connection)
    response.begin()
    if response.status == 200:
        return connection, response
    connection.close()
    return None


def test_a_client_can_tell_a_file_that_the_end_of_the_server_cut_off(web: int, processes: Processes) -> None:
    connection = request_export(web)
    connection.recv(1000)
    os.kill(processes.running[0].pid, signal.SIGTERM)
    # The web process gives its clients a few seconds to read the rest.
    assert processes.running[0].wait(15) is not None
    received = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 20):
            received += data
    assert not received.endswith(b"\r\n0\r\n\r\n")


def test_stalled_exports_hold_up_no_other_requests(web: int, database_url: str) -> None:
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(request_export(web)) for _ in range(MAX_RUNNING_EXPORTS)]
        wait_for("the exports", lambda: len(find_exports(database_url)) == len(stalled))
        status, body = read_response(request_export(web))
        assert (status, b"too_many_exports" in body) == (503, True)
        refused = requests.get(f"http://127.0.0.1:{web}/api/products/export", timeout=SECONDS)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["error"].endswith(".")
        for _ in range(40):
            assert requests.get(f"http://127.0.0.1:{web}/api/products", timeout=SECONDS).ok
        # All products can be deleted, and these exports still get what they began to read.
        deleted = requests.delete(f"http://127.0.0.1:{web}/api/products/bulk-delete", timeout=SECONDS)
        assert (deleted.status_code, deleted.json()["count"]) == (200, ROWS)
        status, body = read_response(stalled[0])
        assert (status, body.count(b"\n")) == (200, ROWS + 1)
    wait_for("the end of the exports", lambda: not find_exports(database_url), seconds=5)
    assert read_response(request_export(web)) == (200, HEADER)


# With an application in this process.


def test_a_client_that_accepts_no_data_is_disconnected(
    app: Flask, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, description) SELECT 'P-' || i, repeat('x', 1000) FROM generate_series(1, 5000) i",
    )
    pool = ExportPool(
        lambda: connect(database_url, Component.EXPORT), max_running=1, limits=ExportLimits(window_seconds=0.5)
    )
    app.extensions["exports"] = pool
    ours, theirs = socket.socketpair()
    with ours, theirs:
        environ = {"gunicorn.socket": theirs}
        answer = app.test_client().get("/api/products/export", environ_overrides=environ, buffered=False)
        with contextlib.closing(answer):
            assert len(find_exports(database_url)) == 1
            wait_for("the end of the export", lambda: not find_exports(database_url), seconds=5)
            # The socket is closed, which frees a thread that is blocked in sending.
            assert ours.recv(1) == b""
            with pytest.raises(TimeoutError):
                list(answer.response)
    assert [record.levelno for record in caplog.records if record.name == "catalogue.export"] == [logging.WARNING]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ExportLimits(total_seconds=1.5), "it took longer than 1.5 s"),
        (
            ExportLimits(window_seconds=0.5, min_bytes_per_second=9e7),
            "its client accepted less than 90000 kB per second",
        ),
    ],
)
def test_a_slow_client_does_not_hold_a_snapshot_for_long(
    database_url: str, caplog: pytest.LogCaptureFixture, limits: ExportLimits, reason: str
) -> None:
    """The client always reads something, so it does not stall."""
    execute(
        database_url,
        "INSERT INTO products (sku, description) SELECT 'P-' || i, repeat('x', 10000) FROM generate_series(1, 5000) i",
    )
    pool = ExportPool(lambda: connect(database_url, Component.EXPORT), max_running=1, limits=limits)
    is_disconnected = threading.Event()
    export = pool.start(Filter(), Client(disconnect=is_disconnected.set))
    assert export is not None
    with pytest.raises(ExportLimitExceeded, match=reason):
        for _ in export.read_blocks():
            is_disconnected.wait(0.2)
    # The reader ended in time, so nobody had to free it.
    assert not is_disconnected.is_set()
    assert find_exports(database_url) == []
    lines = [record.getMessage() for record in caplog.records if record.name == "catalogue.export"]
    assert lines == [f"Cancelled an export because {reason}"]


def test_an_export_that_finds_nothing_to_send_ends_in_time(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku) VALUES ('A'); CREATE FUNCTION slow(text) RETURNS text LANGUAGE sql VOLATILE"
        " AS 'SELECT $1 FROM pg_sleep(30)'; ALTER TABLE products RENAME TO stored;"
        " CREATE VIEW products AS SELECT id, sku, name, slow(description) AS description, active FROM stored",
    )
    limits = ExportLimits(total_seconds=0.5)
    export = ExportPool(lambda: connect(database_url, Component.EXPORT), max_running=1, limits=limits).start(
        Filter(), Client()
    )
    assert export is not None
    with pytest.raises(ExportLimitExceeded):
        list(export.read_blocks())
    assert "Cancelled an export because it took longer than 0.5 s" in caplog.text


def test_an_error_before_the_first_row_gets_an_error_response(app: Flask, database_url: str) -> None:
    execute(database_url, "ALTER TABLE products RENAME description TO other")
    client = app.test_client()
    for _ in range(2 * MAX_RUNNING_EXPORTS):
        answer = client.get("/api/products/export")
        assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    execute(database_url, "ALTER TABLE products RENAME other TO description")
    assert client.get("/api/products/export").data == HEADER


def test_exports_free_their_threads_and_slots(app: Flask, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
    client = app.test_client()
    for number in range(5 * MAX_RUNNING_EXPORTS):
        # Every second export is read to its end, the others not at all.
        answer = client.get("/api/products/export?format=csv.gz", buffered=False)
        assert answer.status_code == 200
        if number % 2:
            assert answer.data
        answer.close()
    assert [thread for thread in threading.enumerate() if thread.name == "export"] == []
    wait_for("the end of the exports", lambda: not find_exports(database_url))


def test_a_slot_is_free_again_if_the_database_cannot_be_reached(database_url: str) -> None:
    # More than an export keeps ready, so it runs until it is read.
    execute(
        database_url,
        "INSERT INTO products (sku, description) SELECT i, repeat('x', 10000) FROM generate_series(1, 1000) i",
    )
    urls = ["host=/nowhere", "host=/nowhere", database_url]
    pool = ExportPool(lambda: connect(urls.pop(0), Component.EXPORT), max_running=1)
    for _ in range(2):
        with pytest.raises(psycopg2.OperationalError):
            pool.start(Filter(), Client())
    export = pool.start(Filter(), Client())
    assert export is not None
    assert pool.start(Filter(), Client()) is None
    assert b"".join(export.read_blocks()).count(b"\n") == 1 + 1000
