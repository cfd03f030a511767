"""The products as a file: it imports again to the same products, whatever they hold and whatever goes wrong."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from api.products.export import EXPORTS_AT_ONCE
from importer.pipeline.runner import Engine
from support.database import execute
from support.jobs import read_products, run_import
from support.processes import Processes
from support.waiting import wait_for

SECONDS = 60
HEADER = b"sku,name,description,active\n"

HOSTILE = [
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


def create_hostile(client: FlaskClient) -> int:
    """Creates products that hold every hostile text in every place, through the API; returns how many."""
    created = 0
    for place, text in enumerate(HOSTILE):
        bodies = [
            {"sku": f"D-{place}", "name": "a name", "description": text, "active": place % 2 == 0},
            {"sku": f"N-{place}", "name": text, "description": text * 3, "active": place % 3 == 0},
        ]
        if text.strip():
            bodies.append({"sku": f"{text}S-{place}"})
            bodies.append({"sku": text, "name": text})
        for body in bodies:
            answer = client.post("/api/products", json=body)
            assert answer.status_code == 201, (body, answer.get_json())
            created += 1
    return created


def state(url: str) -> list[tuple[Any, ...]]:
    return execute(url, "SELECT * FROM products ORDER BY id")


@pytest.mark.parametrize("file_format", ["csv", "csv.gz"])
def test_importing_the_file_again_changes_nothing(
    client: FlaskClient, engine: Engine, database_url: str, file_format: str
) -> None:
    count = create_hostile(client)
    before = state(database_url)
    exported = client.get("/api/products/export", query_string={"format": file_format}).data
    job = run_import(engine, exported)
    assert job["status"] == "completed", job["error_message"]
    counts = {name: job[f"{name}_count"] for name in ("unchanged", "created", "updated", "rejected", "duplicate")}
    assert counts == {"unchanged": count, "created": 0, "updated": 0, "rejected": 0, "duplicate": 0}
    assert state(database_url) == before
    # Into an empty catalogue it brings the same products back.
    products = read_products(database_url)
    assert client.delete("/api/products/bulk-delete").get_json()["count"] == count
    assert run_import(engine, exported)["created_count"] == count
    assert read_products(database_url) == products


@pytest.mark.parametrize("letter", ["x", '"', "\n", ",", "ß", "🧦"])
def test_the_longest_texts_that_the_api_takes_are_imported_again(
    client: FlaskClient, engine: Engine, database_url: str, letter: str
) -> None:
    # As long as a body of JSON may be, which has its own ways to write these letters.
    length = 990_000 // len(app_json(letter).encode())
    body = '{"sku": "long", "description": "' + app_json(letter) * length + '"}'
    assert client.post("/api/products", data=body, content_type="application/json").status_code == 201
    product_id = execute(database_url, "SELECT id FROM products")[0][0]
    answer = client.put(f"/api/products/{product_id}", json={"sku": '"' * 255, "name": '"' * 500})
    assert answer.status_code == 200
    job = run_import(engine, client.get("/api/products/export").data)
    assert (job["unchanged_count"], job["rejected_count"]) == (1, 0)


def app_json(letter: str) -> str:
    """A letter within a text of JSON, as short as it can be."""
    return {'"': '\\"', "\n": "\\n"}.get(letter, letter)


def test_the_file_says_what_it_is(client: FlaskClient, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku, name, active) VALUES ('B', 'b, b', false), ('A', 'a', true)")
    answer = client.get("/api/products/export")
    assert answer.status_code == 200
    assert answer.data == HEADER + b'B,"b, b","",false\nA,a,"",true\n'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=products.csv"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store"
    packed = client.get("/api/products/export?format=csv.gz")
    assert gzip.decompress(packed.data) == answer.data
    assert packed.headers["Content-Type"] == "application/gzip"
    assert packed.headers["Content-Disposition"] == "attachment; filename=products.csv.gz"
    head = client.head("/api/products/export?format=csv.gz")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Type"] == "application/gzip"


def test_only_what_the_filters_match_is_exported(client: FlaskClient, database_url: str) -> None:
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


def test_unusable_parameters(client: FlaskClient) -> None:
    for query, field in (("format=xlsx", "format"), ("active=maybe", "active"), ("q=a%00", "q")):
        answer = client.get(f"/api/products/export?{query}")
        assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_parameter")
        assert field in answer.get_json()["fields"]


# On a real web process.

ROWS = 60_000


@pytest.fixture
def web(processes: Processes, free_port: int, database_url: str) -> Iterator[int]:
    """A web process, and a catalogue of some 60 MB; its port."""
    execute(
        database_url,
        "INSERT INTO products (sku, name, description) SELECT 'P-' || i, 'name ' || i, repeat(md5(i::text), 30)"
        f" FROM generate_series(1, {ROWS}) i",
    )
    processes.start_web(free_port)

    def answers() -> bool:
        with contextlib.suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{free_port}/api/products", timeout=SECONDS).ok
        return False

    wait_for("the web process answers", answers)
    yield free_port


def begin(port: int, query: str = "", version: str = "1.1") -> socket.socket:
    """Asks for an export and takes nothing of it yet."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(f"GET /api/products/export?{query} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
    return connection


def exports(url: str) -> list[int]:
    """The database processes that export."""
    rows = execute(
        url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'acme-export'"
        " AND leader_pid IS NULL",
    )
    return [row[0] for row in rows]


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the whole body; raises where that is cut off."""
    with connection:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def test_a_large_file_comes_whole(web: int, database_url: str) -> None:
    for query, unpack in (("", bytes), ("format=csv.gz", gzip.decompress)):
        status, body = read_answer(begin(web, query))
        assert status == 200
        assert unpack(body).count(b"\n") == ROWS + 1
    wait_for("no connection is left", lambda: not exports(database_url), seconds=5)


def test_a_client_that_goes_away_ends_its_export_at_once(web: int, database_url: str) -> None:
    for _ in range(10):
        connection = begin(web)
        connection.recv(1000)
        wait_for("the export runs", lambda: exports(database_url))
        connection.close()
        wait_for("the export has ended", lambda: not exports(database_url), seconds=3)
    assert read_answer(begin(web))[0] == 200


def test_a_client_that_goes_away_before_anything_was_found(web: int, database_url: str) -> None:
    # Nothing matches, which takes long to find out.
    execute(
        database_url,
        "CREATE FUNCTION dawdle_active(boolean) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(0.01); RETURN false; END $$;"
        "ALTER TABLE products RENAME TO slow_products;"
        "CREATE VIEW products AS SELECT * FROM slow_products WHERE dawdle_active(active)",
    )
    connection = begin(web)
    wait_for("the export runs", lambda: exports(database_url))
    time.sleep(0.5)
    assert exports(database_url)
    connection.close()
    wait_for("the export has ended", lambda: not exports(database_url), seconds=3)


def test_an_export_that_the_database_breaks_off_is_not_taken_for_a_whole_file(web: int, database_url: str) -> None:
    for version, failure in (("1.1", http.client.IncompleteRead), ("1.0", ConnectionResetError)):
        for query in ("", "format=csv.gz"):
            connection = begin(web, query, version)
            assert connection.recv(1, socket.MSG_PEEK)
            for pid in exports(database_url):
                execute(database_url, "SELECT pg_terminate_backend(%s)", [pid])
            with pytest.raises(failure):
                read_answer(connection)
    assert read_answer(begin(web))[0] == 200
    assert requests.get(f"http://127.0.0.1:{web}/api/products", timeout=SECONDS).ok


def test_an_export_is_cut_off_when_the_server_stops(web: int, processes: Processes) -> None:
    connection = begin(web)
    connection.recv(1000)
    os.kill(processes.running[0].pid, signal.SIGTERM)
    # Those who take it get a few seconds to take the rest.
    assert processes.running[0].wait(15) is not None
    received = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 20):
            received += data
    assert not received.endswith(b"\r\n0\r\n\r\n")


def test_everybody_else_goes_on_while_exports_are_held_up(web: int, database_url: str) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(begin(web)) for _ in range(EXPORTS_AT_ONCE)]
        wait_for("they run", lambda: len(exports(database_url)) == len(held))
        status, body = read_answer(begin(web))
        assert (status, b"too_many_exports" in body) == (503, True)
        refused = requests.get(f"http://127.0.0.1:{web}/api/products/export", timeout=SECONDS)
        assert int(refused.headers["Retry-After"]) > 0
        assert refused.json()["error"].endswith(".")
        for _ in range(40):
            assert requests.get(f"http://127.0.0.1:{web}/api/products", timeout=SECONDS).ok
        # All can be deleted, and those exports still get all that was there.
        deleted = requests.delete(f"http://127.0.0.1:{web}/api/products/bulk-delete", timeout=SECONDS)
        assert (deleted.status_code, deleted.json()["count"]) == (200, ROWS)
        status, body = read_answer(held[0])
        assert (status, body.count(b"\n")) == (200, ROWS + 1)
    wait_for("the places are free", lambda: not exports(database_url), seconds=5)
    assert read_answer(begin(web)) == (200, HEADER)


# In this process, where times can be chosen.


def test_a_client_that_takes_nothing_for_long_is_given_up(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, description) SELECT 'P-' || i, repeat('x', 1000) FROM generate_series(1, 5000) i",
    )
    monkeypatch.setattr("catalogue.export.STALLED_SECONDS", 0.5)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        environ = {"gunicorn.socket": theirs}
        answer = app.test_client().get("/api/products/export", environ_overrides=environ, buffered=False)
        with contextlib.closing(answer):
            assert len(exports(database_url)) == 1
            wait_for("it is given up", lambda: not exports(database_url), seconds=5)
            # Whoever waits to send to the client is freed.
            assert ours.recv(1) == b""
            with pytest.raises(TimeoutError):
                list(answer.response)
    assert [record.levelno for record in caplog.records if record.name == "catalogue.export"] == [logging.WARNING]


def test_an_error_before_the_first_row_is_an_error_as_any_other(app: Flask, database_url: str) -> None:
    execute(database_url, "ALTER TABLE products RENAME description TO other")
    client = app.test_client()
    for _ in range(2 * EXPORTS_AT_ONCE):
        answer = client.get("/api/products/export")
        assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    execute(database_url, "ALTER TABLE products RENAME other TO description")
    assert client.get("/api/products/export").data == HEADER


def test_threads_and_places_are_given_back(app: Flask, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
    client = app.test_client()
    for number in range(5 * EXPORTS_AT_ONCE):
        # Some are read to the end, some not at all.
        answer = client.get("/api/products/export?format=csv.gz", buffered=False)
        assert answer.status_code == 200
        if number % 2:
            assert answer.data
        answer.close()
    assert [thread for thread in threading.enumerate() if thread.name == "export"] == []
    wait_for("the end of all backends", lambda: exports(database_url) == [])
