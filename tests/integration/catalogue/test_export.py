"""Export: the file imports again to the same products, and no client or failure passes for the whole file."""

from __future__ import annotations

import contextlib
import csv
import gzip
import http.client
import io
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from api.products.export import MAX_RUNNING_EXPORTS
from catalogue.export import CLIENT_CHECK_SECONDS, Client, ExportLimitExceeded, ExportLimits, ExportPool
from catalogue.filters import Filter
from database.connect import Component, connect
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import read_products, run_import
from support.processes import Processes
from support.waiting import wait_for

SECONDS = 60
HEADER = b"sku,name,description,active\n"

HOSTILE_TEXTS = [
    "plain",
    "a,comma",
    'a "quoted" word',
    '"',
    '""',
    '","',
    "\n",
    "\r",
    "\r\n",
    "one\ntwo\r\nthree\rfour\r",
    "\nstart and end\n",
    '"\n"\r\n","\r',
    "  spaces around  ",
    "\ttabs\t",
    "\\.",
    "\\N",
    "\\",
    "\\\\.\n\\.\n",
    "NULL",
    "true",
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "'=1+1",
    "''@SUM(A1)",
    "'",
    "'quoted'",
    "\uff1d1+1",
    "\u2212 1",
    "<img src=x onerror=alert(1)>",
    "مرحبا بالعالم \u202eabc\u202c",
    "🧦👩‍👩‍👧‍👦",
    "İstanbul ıI ß ſ",
    "\ufeffmark",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "\x01\x7f",
    "e\u0301 and \u00e9",
    "\U0010ffff\uffff",
    "",
]


def create_hostile_products(client: FlaskClient) -> int:
    """Create products through the API that have every hostile text in every column; return how many."""
    created = 0
    for number, text in enumerate(HOSTILE_TEXTS):
        bodies = [
            {"sku": f"D-{number}", "name": "a name", "description": text, "active": number % 2 == 0},
            {"sku": f"N-{number}", "name": text, "description": text * 3, "active": number % 3 == 0},
        ]
        if text.strip():
            bodies.append({"sku": f"{text}S-{number}"})
            bodies.append({"sku": text, "name": text})
        for body in bodies:
            answer = client.post("/api/products", json=body)
            assert answer.status_code == 201, (body, answer.get_json())
            created += 1
    return created


def read_rows(url: str) -> list[tuple[Any, ...]]:
    return execute(url, "SELECT * FROM products ORDER BY id")


@pytest.mark.parametrize("query", ["format=csv", "format=csv.gz", "guard=true", "guard=true&format=csv.gz"])
def test_importing_the_file_again_changes_nothing(
    client: FlaskClient, runner: ImportRunner, database_url: str, query: str
) -> None:
    count = create_hostile_products(client)
    before = read_rows(database_url)
    exported = client.get(f"/api/products/export?{query}").data
    job = run_import(runner, exported)
    assert job["status"] == "completed", job["error_message"]
    counts = {name: job[f"{name}_count"] for name in ("unchanged", "created", "updated", "rejected", "duplicate")}
    assert counts == {"unchanged": count, "created": 0, "updated": 0, "rejected": 0, "duplicate": 0}
    assert read_rows(database_url) == before
    # Imported into an empty catalogue, the file restores the same products.
    products = read_products(database_url)
    assert client.delete("/api/products/bulk-delete").get_json()["count"] == count
    assert run_import(runner, exported)["created_count"] == count
    assert read_products(database_url) == products


def test_a_spreadsheet_runs_no_text_of_a_guarded_file_as_a_formula(client: FlaskClient) -> None:
    create_hostile_products(client)
    exported = client.get("/api/products/export?guard=true").data.decode()
    for row in csv.reader(io.StringIO(exported, newline="")):
        assert not [cell for cell in row if cell.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))]
    # Every text is quoted, so no separator in it starts another cell.
    assert "\"'=cmd|' /C calc'!A0\"" in exported
    assert client.get("/api/products/export?guard=maybe").status_code == 400


def test_a_guarded_file_that_a_spreadsheet_has_saved_gives_the_same_products(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    """Some spreadsheets drop the apostrophe, and none quotes more than it has to."""
    client.post("/api/products", json={"sku": "-1", "name": "=1+1", "description": "'quoted'"})
    client.post("/api/products", json={"sku": "'-1", "name": "@x", "description": "+"})
    before = read_rows(database_url)
    saved = "sku;name;description;active;Formula_Guard\r\n'-1;=1+1;'quoted';TRUE;TRUE\r\n''-1;'@x;+;TRUE;TRUE\r\n"
    assert run_import(runner, saved)["unchanged_count"] == 2
    # New rows of the same file have no guard.
    job = run_import(runner, saved + "new;'a';-;;\r\n")
    assert (job["created_count"], job["unchanged_count"]) == (1, 2)
    assert read_rows(database_url)[: len(before)] == before


def test_without_the_column_of_the_guard_apostrophes_stay(runner: ImportRunner, database_url: str) -> None:
    run_import(runner, "sku,name\n'-1,'=x\n")
    assert execute(database_url, "SELECT sku, name FROM products") == [("'-1", "'=x")]


@pytest.mark.parametrize("letter", ["x", '"', "\n", ",", "ß", "🧦"])
def test_the_longest_texts_that_the_api_accepts_are_imported_again(
    client: FlaskClient, runner: ImportRunner, database_url: str, letter: str
) -> None:
    # Nearly as long as a JSON body may be.
    length = 990_000 // len(escape_json(letter).encode())
    body = '{"sku": "long", "description": "' + escape_json(letter) * length + '"}'
    assert client.post("/api/products", data=body, content_type="application/json").status_code == 201
    product_id = execute(database_url, "SELECT id FROM products")[0][0]
    answer = client.put(f"/api/products/{product_id}", json={"sku": '"' * 255, "name": '"' * 500})
    assert answer.status_code == 200
    job = run_import(runner, client.get("/api/products/export").data)
    assert (job["unchanged_count"], job["rejected_count"]) == (1, 0)


def escape_json(letter: str) -> str:
    """Return the shortest form of a letter in a JSON string."""
    return {'"': '\\"', "\n": "\\n"}.get(letter, letter)


def test_the_headers_describe_the_file(client: FlaskClient, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku, name, active) VALUES ('B', 'b, b', false), ('A', 'a', true)")
    answer = client.get("/api/products/export")
    assert answer.status_code == 200
    assert answer.data == HEADER + b'B,"b, b","",false\nA,a,"",true\n'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=products.csv"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store"
    compressed = client.get("/api/products/export?format=csv.gz")
    assert gzip.decompress(compressed.data) == answer.data
    assert compressed.headers["Content-Type"] == "application/gzip"
    assert compressed.headers["Content-Disposition"] == "attachment; filename=products.csv.gz"
    head = client.head("/api/products/export?format=csv.gz")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Type"] == "application/gzip"


def test_only_products_that_match_the_filters_are_exported(client: FlaskClient, database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, name, active) SELECT 'P-' || i, i || '%', i % 2 = 0 FROM generate_series(1, 20) i",
    )
    for query, skus in (
        ("sku=p-1&active=false", ["P-1", "P-11", "P-13", "P-15", "P-17", "P-19"]),
        ("name=0%25", ["P-10", "P-20"]),
        ("q=P-2&active=true&name=&sku=%20", ["P-2", "P-20"]),
        ("q=nothing", []),
    ):
        lines = client.get(f"/api/products/export?{query}").data.decode().splitlines(keepends=True)
        assert lines[0].encode() == HEADER
        assert [line.partition(",")[0] for line in lines[1:]] == skus, query


def test_invalid_parameters_are_refused(client: FlaskClient) -> None:
    for query, field in (("format=xlsx", "format"), ("active=maybe", "active"), ("q=a%00", "q")):
        answer = client.get(f"/api/products/export?{query}")
        assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_parameter")
        assert field in answer.get_json()["fields"]


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


def request_export(port: int, query: str = "", version: str = "1.1") -> socket.socket:
    """Send a request for an export and read nothing of the response yet."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"GET /api/products/export?{query} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
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
    for version, failure in (("1.1", http.client.IncompleteRead), ("1.0", ConnectionResetError)):
        for query in ("", "format=csv.gz"):
            connection = request_export(web, query, version)
            assert connection.recv(1, socket.MSG_PEEK)
            for pid in find_exports(database_url):
                execute(database_url, "SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(failure):
                read_response(connection)
    assert read_response(request_export(web))[0] == 200
    assert requests.get(f"http://127.0.0.1:{web}/api/products", timeout=SECONDS).ok


@pytest.fixture
def _short_exports(environment: dict[str, str]) -> None:
    """Let the web process cancel exports after one second."""
    environment["EXPORT_SECONDS"] = "1"


@pytest.mark.usefixtures("_short_exports")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("reads_something", [False, True])
def test_a_client_can_tell_a_file_that_took_too_long_from_a_whole_one(
    web: int, database_url: str, processes: Processes, version: str, reads_something: bool
) -> None:
    with request_export(web, version=version) as connection:
        response = http.client.HTTPResponse(connection)
        response.begin()

        def has_ended() -> bool:
            if reads_something:
                response.read(1000)
            return not find_exports(database_url)

        wait_for("the end of the export", has_ended)
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()
    log = processes.log.read_text()
    assert log.count("Cancelled an export because it took longer than 1 s") == 1


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
    urls = ["host=/nowhere", "host=/nowhere", database_url]
    pool = ExportPool(lambda: connect(urls.pop(0), Component.EXPORT), max_running=1)
    for _ in range(2):
        with pytest.raises(psycopg2.OperationalError):
            pool.start(Filter(), Client())
    export = pool.start(Filter(), Client())
    assert export is not None
    assert pool.start(Filter(), Client()) is None
    assert b"".join(export.read_blocks()) == HEADER
