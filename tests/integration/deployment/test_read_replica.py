"""Lists and exports of products read a streaming standby, and never show less than the primary."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from api.reading import EXTENSION
from app import create_app
from database import replica as replica_module
from database.clock import REFRESH_SECONDS, Clock
from database.connect import Component, connected
from database.replica import Position, Replica, ReplicaUnavailable, read_position
from models import db
from support.api import create_product, list_skus, read_json
from support.database import execute
from support.imports import upload_and_run
from support.jobs import create_runner
from support.standby import TcpServer, running_primary
from support.threads import Threads
from support.waiting import wait_for

ROWS = 300
FILE = "sku,name\n" + "".join(f"L-{number:04},lamp\n" for number in range(ROWS))


@dataclass
class Servers:
    """A primary with a standby."""

    primary: TcpServer
    standby: TcpServer
    folder: Path
    stack: ExitStack


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with running_primary() as (primary, folder, stack):
        settings = {"hot_standby_feedback": "on", "max_standby_streaming_delay": "100ms"}
        standby = primary.create_standby(folder / "standby" / "data", "standby", settings)
        stack.callback(standby.server.stop)
        yield Servers(primary, standby, folder, stack)


@pytest.fixture
def environment(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setattr(replica_module, "PROBE_SECONDS", 0.2)
    yield {
        "DATABASE_URL": servers.primary.url,
        "DATABASE_READ_URL": servers.standby.url,
        "DATA_DIR": str(tmp_path / "data"),
        "UPLOAD_DIR": str(tmp_path / "uploads"),
        "SECRET_KEY": "a key for tests",
    }
    execute(servers.primary.url, "TRUNCATE products, import_jobs CASCADE")


@contextmanager
def web_process(environment: dict[str, str], *, waits: bool = True) -> Iterator[Flask]:
    """The application as one of several web processes has it, once its read replica answers."""
    application = create_app(config.load(environment))
    try:
        if waits:
            wait_for("the replica", lambda: application.extensions[EXTENSION].is_usable)
        yield application
    finally:
        application.extensions[EXTENSION].close()
        application.extensions["bulk_runs"].close()
        application.extensions["request_counts"].close()
        with application.app_context():
            db.engine.dispose()


@pytest.fixture
def client(environment: dict[str, str]) -> Iterator[FlaskClient]:
    with web_process(environment) as application:
        yield application.test_client()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the replica has answered."""
    answers: list[Any] = []
    read = Replica.read

    def count(replica: Replica, *arguments: Any) -> Any:
        answers.append(read(replica, *arguments))
        return answers[-1]

    monkeypatch.setattr(Replica, "read", count)
    return answers


def test_every_process_shows_what_any_of_them_has_written(
    environment: dict[str, str], client: FlaskClient, reads: list[Any]
) -> None:
    with web_process(environment) as application:
        other = application.test_client()
        for number in range(30):
            writer, reader = (client, other) if number % 2 else (other, client)
            product = create_product(writer, f"W-{number:02}")
            assert list_skus(reader, q=f"W-{number:02}") == [f"W-{number:02}"]
            changed = reader.put(f"/api/products/{product['id']}", json={"name": "new"})
            assert list_skus(writer, name="new", sku=f"W-{number:02}") == [f"W-{number:02}"]
            (listed,) = read_json(writer.get(f"/api/products?sku=W-{number:02}"))["products"]
            # The version in the list is the ETag of the product.
            assert f'"{listed["updated_at"]}"' == changed.headers["ETag"]
    # The standby replays in time nearly always, or else the primary answers.
    assert len(reads) > 45


def test_an_import_is_listed_as_soon_as_it_is_completed(
    client: FlaskClient, environment: dict[str, str], reads: list[Any]
) -> None:
    runner = create_runner(config.load(environment), slice_rows=20)
    job = upload_and_run(client, runner, FILE)
    assert job["status"] == "completed"
    page = read_json(client.get("/api/products", query_string={"changed_by": job["task_id"], "exact_total": "true"}))
    assert page["pagination"]["total"] == ROWS
    # Text searches, each order and deep pages read nothing that a standby does not allow.
    for query in ({"q": "lamp -4"}, {"name": "lamp", "sort_by": "name"}, {"sort_by": "updated_at", "page": 3}):
        read_json(client.get("/api/products", query_string=query))
    assert client.get("/api/products/export").text.count("lamp") == ROWS
    assert len(reads) >= 3


def test_the_clock_of_a_standby_does_not_count(servers: Servers, own_clock: Clock) -> None:
    with connected(servers.standby.url, Component.READS):
        assert own_clock.age_seconds == float("inf")
    with connected(servers.primary.url, Component.READS):
        assert own_clock.age_seconds < REFRESH_SECONDS


def test_a_lagging_replica_is_passed_over_until_it_has_caught_up(
    servers: Servers, client: FlaskClient, reads: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    execute(servers.standby.url, "SELECT pg_wal_replay_pause()")
    try:
        with caplog.at_level(logging.WARNING):
            for number in range(5):
                create_product(client, f"P-{number}")
                assert f"P-{number}" in list_skus(client)
                assert f"P-{number}" in client.get("/api/products/export").text
        lines = [record.getMessage() for record in caplog.records if "replica" in record.getMessage()]
        assert lines == ["The read replica lags behind; the primary answers until it has caught up"]
        assert reads == []
    finally:
        execute(servers.standby.url, "SELECT pg_wal_replay_resume()")
    servers.standby.wait_for_replay(servers.primary)
    assert len(list_skus(client)) == 5
    assert len(reads) == 1


def test_pages_continue_on_the_primary_when_the_replica_dies_and_return_to_it_afterwards(
    servers: Servers,
    client: FlaskClient,
    environment: dict[str, str],
    reads: list[Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    upload_and_run(client, create_runner(config.load(environment)), FILE)
    skus: list[str] = []
    token = None
    while True:
        parameters = {"sort_by": "sku", "per_page": "100", **({"after": token} if token else {})}
        page = read_json(client.get("/api/products", query_string=parameters))
        skus += [product["sku"] for product in page["products"]]
        token = page["pagination"]["next"]
        if token is None:
            break
        if len(skus) == 100:
            assert len(reads) == 1
            servers.standby.server.kill()
    assert len(reads) == 1
    assert skus == [f"L-{number:04}" for number in range(ROWS)]
    assert client.get("/api/products/export").text.count("lamp") == ROWS
    lines = [record.getMessage() for record in caplog.records if "read replica is not used" in record.getMessage()]
    # One line for the connection that broke, and one for the server that refuses new ones.
    assert 1 <= len(lines) <= 3, lines
    servers.standby.server.start()
    wait_for("the standby streams again", lambda: servers.primary.count_standbys() == 1)
    wait_for("the replica", lambda: client.application.extensions[EXTENSION].is_usable)
    servers.standby.wait_for_replay(servers.primary)
    assert list_skus(client)
    assert len(reads) == 2


def test_a_read_that_conflicts_with_the_replay_is_answered_by_the_primary(
    servers: Servers, client: FlaskClient
) -> None:
    execute(servers.primary.url, "CREATE TABLE conflicting AS SELECT 1 AS number")
    replica: Replica = client.application.extensions[EXTENSION]
    position = read_primary_position(client)
    servers.standby.wait_for_replay(servers.primary)

    def read(cursor: Any) -> None:
        cursor.execute("SELECT pg_sleep(30) FROM conflicting")

    def drop() -> None:
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        wait_for("the read", lambda: execute(servers.standby.url, sleeping) == [(1,)])
        execute(servers.primary.url, "DROP TABLE conflicting")

    with Threads() as threads:
        threads.start(drop)
        with pytest.raises(ReplicaUnavailable):
            replica.read(position, read)
    # That is no reason to give the replica up.
    assert replica.is_usable


@pytest.mark.parametrize("read_url", ["the primary", "another server"])
def test_a_server_that_is_no_standby_of_the_primary_is_never_read(
    servers: Servers, environment: dict[str, str], database_url: str, read_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    environment["DATABASE_READ_URL"] = servers.primary.url if read_url == "the primary" else database_url
    with web_process(environment) as application, caplog.at_level(logging.WARNING):
        client = application.test_client()
        create_product(client, "A-1")
        for _ in range(3):
            assert list_skus(client) == ["A-1"]
        assert client.get("/api/products/export").text.count("A-1") == 1
    lines = [record.getMessage() for record in caplog.records if "replica" in record.getMessage()]
    assert lines == [
        "The read replica is not used, and the primary answers: DATABASE_READ_URL names no standby; set it to a"
        " streaming standby of DATABASE_URL"
    ]


def test_a_replica_that_never_answers_makes_no_request_fail(
    environment: dict[str, str], free_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    environment["DATABASE_READ_URL"] = f"postgresql://acme@127.0.0.1:{free_port}/acme"
    with web_process(environment, waits=False) as application, caplog.at_level(logging.WARNING):
        client = application.test_client()
        assert list_skus(client) == []
        wait_for("the line", lambda: "Connection refused" in caplog.text)
        assert list_skus(client) == []


def test_exports_read_the_primary_unless_the_standby_has_feedback(servers: Servers, client: FlaskClient) -> None:
    replica: Replica = client.application.extensions[EXTENSION]
    position = read_primary_position(client)
    servers.standby.wait_for_replay(servers.primary)
    connection = replica.connect_for_export(position)
    assert connection.info.port == servers.standby.port
    connection.close()
    execute(servers.standby.url, "ALTER SYSTEM SET hot_standby_feedback = 'off'")
    servers.standby.server.settings.pop("hot_standby_feedback")
    servers.standby.server.stop()
    servers.standby.server.start()
    with pytest.raises(ReplicaUnavailable, match="hot_standby_feedback is off"):
        replica.connect_for_export(position)


def read_primary_position(client: FlaskClient) -> Position:
    with client.application.app_context(), db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            return read_position(cursor)
