"""The web process with more requests than it can run: early refusals instead of long queues, and health in any case."""

from __future__ import annotations

import contextlib
import io
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

import config
from app import POOL_OVERFLOW, POOL_SIZE, create_app
from models import db
from server.request_classes import QUEUE_SECONDS
from support.api import read_error
from support.database import execute
from support.processes import Processes
from support.raw_clients import Answer, RawClient, get, raw_clients
from support.sign_in import create_key, create_user
from support.waiting import wait_for
from support.web import WebProcess, count_connections

CLIENTS = 200
MAX_STREAMS = 20
MAX_UPLOADS = 3
# Far longer than an answer takes, far shorter than the lock of these tests is held.
PROMPT_SECONDS = 10
UPLOAD = ("POST /api/upload HTTP/1.1", "Content-Type: multipart/form-data; boundary=x")
FILE_HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nsku\r\n'
FILE_END = b"\r\n--x--\r\n"
ROWS = b"a\r\n" * 50_000


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process with few places for streams and uploads."""
    process = WebProcess(processes, free_port)
    process.start(MAX_STREAMS=str(MAX_STREAMS), MAX_UPLOADS=str(MAX_UPLOADS))
    return process


@contextlib.contextmanager
def locked_products(url: str) -> Iterator[None]:
    """Keep the table of products locked, so that every call that reads it hangs."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
            yield
        connection.rollback()
    finally:
        connection.close()


def check_health(port: int) -> None:
    """Check that a health check is answered promptly, and that the database is up."""
    with raw_clients(port, 1) as (client,):
        client.socket.settimeout(PROMPT_SECONDS)
        answer = client.send("GET /api/health HTTP/1.1").read_answer()
        assert answer.json()["database"] == "up"


def check_refusal(answer: Answer, code: str) -> None:
    """Check that a response asks the client to come back later, in the shape of every error."""
    assert (answer.status, answer.json()["code"]) == (503, code)
    assert set(answer.json()) == {"error", "code", "status"}
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/json"


def test_with_a_slow_database_most_requests_are_refused_early_and_the_others_are_answered(
    web: WebProcess, settings: config.Settings
) -> None:
    with raw_clients(web.port, MAX_STREAMS) as streams, raw_clients(web.port, CLIENTS) as clients:
        for stream in streams:
            stream.send("GET /api/products/changes HTTP/1.1")
        for stream in streams:
            assert b"200 OK" in stream.socket.recv(65_536)
        with locked_products(settings.database_url):
            for client in clients:
                client.send("GET /api/products?q=lamp HTTP/1.1")
            wait_for(
                "most requests are refused",
                lambda: sum(map(RawClient.has_answer, clients)) > CLIENTS / 2,
                PROMPT_SECONDS,
            )
            check_health(web.port)
            assert get(web.port, "/").status == 200
            # Those that wait in the queue are refused, too, when they have waited for too long.
            wait_for(
                "the queue is empty", lambda: sum(map(RawClient.has_answer, clients)) >= CLIENTS - 16, QUEUE_SECONDS * 4
            )
            check_health(web.port)
        answers = [client.read_answer() for client in clients]
        # The requests that ran while the table was locked end now.
        assert sum(answer.status == 200 for answer in answers) >= 1, [answer.body for answer in answers]
        for answer in answers:
            if answer.status != 200:
                check_refusal(answer, "overloaded")
        wait_for("the streams go on", lambda: all(map(RawClient.has_answer, streams)))
    wait_for("the process serves again", lambda: get(web.port, "/api/products").status == 200)


def test_long_calls_leave_places_for_others(web: WebProcess, settings: config.Settings) -> None:
    execute(settings.database_url, "INSERT INTO products (sku) VALUES ('a')")
    connection = psycopg2.connect(settings.database_url)
    with contextlib.closing(connection), connection.cursor() as cursor, raw_clients(web.port, 40) as clients:
        cursor.execute("SELECT FROM products FOR UPDATE")
        body = b'{"action": "delete", "filter": {"sku": "a"}}'
        head = ("Content-Type: application/json", f"Content-Length: {len(body)}")
        for client in clients:
            client.send("POST /api/products/bulk HTTP/1.1", *head, body=body)
        wait_for("some are refused", lambda: any(map(RawClient.has_answer, clients)), PROMPT_SECONDS)
        with raw_clients(web.port, 1) as (other,):
            other.socket.settimeout(PROMPT_SECONDS)
            assert other.send("GET /api/products HTTP/1.1").read_answer().status == 200
        connection.rollback()


def test_uploads_without_a_place_are_refused_before_their_body_is_read(
    web: WebProcess, settings: config.Settings
) -> None:
    length = f"Content-Length: {len(FILE_HEAD + ROWS + FILE_END)}"
    with raw_clients(web.port, MAX_UPLOADS) as running, raw_clients(web.port, 30) as others:
        for client in running:
            client.send(*UPLOAD, length, body=FILE_HEAD + ROWS)
        wait_for("the uploads run", lambda: count_parts(settings.upload_dir) == MAX_UPLOADS)
        for client in others:
            client.send(*UPLOAD, length, "Expect: 100-continue")
        for client in others:
            check_refusal(client.read_answer("POST"), "too_many_uploads")
        assert count_parts(settings.upload_dir) == MAX_UPLOADS
        check_health(web.port)
        for client in running:
            client.socket.sendall(FILE_END)
            assert client.read_answer("POST").status == 202
    with raw_clients(web.port, 1) as (client,):
        client.send(*UPLOAD, length, body=FILE_HEAD + ROWS + FILE_END)
        assert client.read_answer("POST").status == 202


def count_parts(folder: Path) -> int:
    """Return the number of files that are being uploaded."""
    return len(list(folder.glob("*.part")))


def test_an_upload_that_waits_for_a_place_gets_it(web: WebProcess, settings: config.Settings) -> None:
    length = f"Content-Length: {len(FILE_HEAD + ROWS + FILE_END)}"
    with raw_clients(web.port, MAX_UPLOADS + 1) as clients:
        for client in clients[:-1]:
            client.send(*UPLOAD, length, body=FILE_HEAD + ROWS)
        wait_for("the uploads run", lambda: count_parts(settings.upload_dir) == MAX_UPLOADS)
        clients[-1].send(*UPLOAD, length, body=FILE_HEAD + ROWS + FILE_END)
        for client in clients[:-1]:
            client.socket.sendall(FILE_END)
        for client in clients:
            assert client.read_answer("POST").status == 202


def test_a_client_that_sends_all_of_a_refused_upload_sees_why(web: WebProcess, settings: config.Settings) -> None:
    length = f"Content-Length: {len(FILE_HEAD + ROWS + FILE_END)}"
    large = 20_000_000
    with raw_clients(web.port, MAX_UPLOADS) as running, raw_clients(web.port, 17) as waiting:
        for client in [*running, *waiting]:
            client.send(*UPLOAD, length, body=FILE_HEAD + ROWS)
        with raw_clients(web.port, 1) as (client,):
            client.send(*UPLOAD, f"Content-Length: {large}", body=b"x" * large)
            check_refusal(client.read_answer("POST"), "too_many_uploads")


def test_streams_work_up_to_their_limit_and_are_refused_above_it(web: WebProcess) -> None:
    with raw_clients(web.port, MAX_STREAMS) as streams, raw_clients(web.port, 3) as others:
        for stream in streams:
            stream.send("GET /api/products/changes HTTP/1.1")
        for stream in streams:
            assert b"200 OK" in stream.socket.recv(65_536)
        for other in others:
            check_refusal(other.send("GET /api/products/changes HTTP/1.1").read_answer(), "too_many_streams")
    wait_for("the places are free again", lambda: stream_starts(web.port))


def stream_starts(port: int) -> bool:
    """Return whether a stream of changes can be opened."""
    with raw_clients(port, 1) as (client,):
        return b"200 OK" in client.send("GET /api/products/changes HTTP/1.1").socket.recv(65_536)


def test_more_connections_than_the_process_allows_push_out_those_that_do_nothing(
    processes: Processes, free_port: int
) -> None:
    web = WebProcess(processes, free_port)
    web.start(GUNICORN_CMD_ARGS="--worker-connections 50")
    with raw_clients(web.port, CLIENTS) as clients:
        check_health(web.port)
        wait_for("the oldest are closed", clients[0].is_closed)
        assert not clients[-1].is_closed()
        assert get(web.port, "/api/products").status == 200
    assert "Traceback" not in processes.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux changes the limits of a running process")
def test_a_process_without_free_file_descriptors_keeps_serving(processes: Processes, free_port: int) -> None:
    web = WebProcess(processes, free_port)
    # The limit counts from when the process is running, so it cannot raise it again.
    process = web.start()
    (worker,) = worker_pids(process.pid)
    with raw_clients(web.port, 1) as (client,):
        client.send("GET /api/products HTTP/1.1").read_answer()
        limit_descriptors(worker, len(list(Path(f"/proc/{worker}/fd").iterdir())) + 5)
        with raw_clients(web.port, 30) as clients:
            for other in clients:
                other.socket.sendall(b"GET /api/products HTTP/1.1\r\n")
            check_health(web.port)
    assert get(web.port, "/api/products").status == 200
    assert "Traceback" not in processes.log.read_text()


def worker_pids(pid: int) -> list[int]:
    """Return the ids of the child processes of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def limit_descriptors(pid: int, count: int) -> None:
    """Limit the open files of a running process."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, count))


def test_a_query_that_takes_too_long_is_cancelled_and_the_client_told(
    processes: Processes, free_port: int, settings: config.Settings
) -> None:
    web = WebProcess(processes, free_port)
    web.start(REQUEST_TIMEOUT_SECONDS="1")
    with locked_products(settings.database_url):
        check_refusal(get(web.port, "/api/products"), "query_timeout")
        assert count_connections(settings.database_url, "wait_event_type = 'Lock'") == 0
    assert get(web.port, "/api/products").status == 200


def test_the_limit_of_the_role_holds_for_no_request(
    environment: dict[str, str], settings: config.Settings, processes: Processes, free_port: int
) -> None:
    role = "impatient_" + settings.database_url.partition("?")[0].rpartition("/")[2]
    execute(settings.database_url, f"CREATE ROLE {role} SUPERUSER LOGIN")
    try:
        execute(settings.database_url, f"ALTER ROLE {role} SET statement_timeout = '50ms'")
        environment["DATABASE_URL"] = settings.database_url.replace("//acme@", f"//{role}@")
        assert role in environment["DATABASE_URL"]
        slow_trigger = """
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
            CREATE TRIGGER slow BEFORE TRUNCATE ON products FOR EACH STATEMENT EXECUTE FUNCTION slow();
            INSERT INTO products (sku) VALUES ('a');
        """
        execute(settings.database_url, slow_trigger)
        web = WebProcess(processes, free_port)
        web.start()
        assert web.call("DELETE", "/products/bulk-delete")["count"] == 1
    finally:
        processes.stop()
        execute(settings.database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_changes_of_many_products_may_take_longer_than_other_requests(
    settings: config.Settings, environment: dict[str, str]
) -> None:
    app = create_app(config.load({**environment, "REQUEST_TIMEOUT_SECONDS": "1"}))
    execute(
        settings.database_url,
        """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END';
        CREATE TRIGGER slow BEFORE UPDATE ON products FOR EACH ROW EXECUTE FUNCTION slow();
        INSERT INTO products (sku) VALUES ('a');
        """,
    )
    client = app.test_client()
    read_error(client.put("/api/products/1", json={"name": "b"}), 503, "query_timeout")
    response = client.post("/api/products/bulk", json={"action": "deactivate", "ids": [1]})
    assert response.status_code == 200
    with app.app_context():
        db.engine.dispose()


def test_without_a_free_database_connection_a_request_is_refused_and_health_is_answered(
    app: Flask, client: FlaskClient
) -> None:
    with app.app_context(), contextlib.ExitStack() as stack:
        for _ in range(POOL_SIZE + POOL_OVERFLOW):
            stack.enter_context(db.engine.connect())
        response = client.get("/api/products")
        read_error(response, 503, "overloaded")
        assert int(response.headers["Retry-After"]) > 0
        assert client.get("/api/health").get_json()["database"] == "up"
    assert client.get("/api/products").status_code == 200


@pytest.mark.parametrize("table", ["workers"])
def test_health_is_answered_while_its_own_table_is_locked(
    client: FlaskClient, settings: config.Settings, table: str
) -> None:
    with psycopg2.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        assert client.get("/api/health").get_json()["database"] == "down"
        connection.rollback()
    connection.close()


def test_the_address_of_a_client_comes_from_trusted_proxies_only(
    environment: dict[str, str], settings: config.Settings
) -> None:
    key = create_key(settings.database_url, create_user(settings.database_url))
    expected = {"0": "127.0.0.1", "1": "10.0.0.2", "2": "10.0.0.1"}
    for hops, address in expected.items():
        app = create_app(config.load({**environment, "TRUSTED_PROXIES": hops}))
        client = app.test_client()
        file = {"file": (io.BytesIO(b"sku"), "a.csv")}
        headers = {"X-Forwarded-For": "6.6.6.6, 10.0.0.1, 10.0.0.2", "Authorization": f"Bearer {key}"}
        task_id = client.post("/api/upload", data=file, headers=headers).get_json()["task_id"]
        sql = "SELECT address FROM audit_entries WHERE action = 'import.started' AND target_id = %s"
        assert execute(settings.database_url, sql, (task_id,)) == [(address,)]
        app.extensions["request_counts"].close()
