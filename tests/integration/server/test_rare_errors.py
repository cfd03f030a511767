"""Rare errors of the server and the API: vanished clients and rows, missing descriptors, used up memory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import os
import resource
import selectors
import shutil
import signal
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from flask import Flask
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

import server.worker
from api.products.export import _client_of
from api.sse import JobEvent, JobSubscription, StreamHub
from api.webhooks import deliveries
from catalogue import search_indexes
from catalogue.export import ExportLimitExceeded, ExportLimits, _BlockQueue
from catalogue.search_indexes import IndexBuildError
from models import Webhook, db
from server import client_socket
from server.admission import Admission
from server.client_socket import BodySource, ClientSocket
from server.connection import Connection
from server.pacing import Memory, PaceLimits, ResponseMemory, TooSlowError
from server.worker import RESERVED_DESCRIPTORS, Worker, _allow_descriptors
from support.api import read_error, read_json
from support.database import execute
from support.prerequisites import skip_or_fail
from support.processes import Processes, run_program
from support.raw_clients import RawClient
from support.threads import Threads
from support.waiting import wait_for
from support.web import REQUEST_SECONDS
from support.webhooks import Client, emit_events, list_deliveries, subscribe

LIMITS = PaceLimits(stall_seconds=10, bytes_per_second=100)
EVENT_SECONDS = 0.05
MEMORY_BYTES = 8_000_000
ADDRESS = ("127.0.0.1", 1)


class EventLoop(Worker):
    """A worker in this process. Tests run its event loop step by step, and its application is never called."""

    def step(self) -> None:
        """Handle the events that have happened."""
        self.wait_for_and_dispatch_events(timeout=EVENT_SECONDS)

    def run_until(self, what: str, condition: Callable[[], Any]) -> None:
        """Run the event loop until the condition is true."""

        def check() -> Any:
            self.step()
            return condition()

        wait_for(what, check)

    def accept_one(self) -> Connection:
        """Wait for a client and return its connection."""
        self.run_until("a client is accepted", lambda: self.connections)
        (connection,) = self.connections
        return connection

    def wait_until_closed(self) -> None:
        """Wait until there is no connection."""
        self.run_until("the connection is closed", lambda: not self.connections)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[EventLoop]:
    """A worker that listens on a port of this machine."""

    def prepare(self: ThreadWorker) -> None:
        self.tpool = self.get_thread_pool()
        self.poller = selectors.DefaultSelector()
        self.method_queue.init()

    monkeypatch.setattr(ThreadWorker, "init_process", prepare)
    cfg = Config()
    cfg.set("worker_connections", 10)
    cfg.set("graceful_timeout", 0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = EventLoop(1, os.getppid(), [listener], None, 30, cfg, Logger(cfg))
        loop.init_process()
        loop.set_accept_enabled(True)
        yield loop
        for connection in list(loop.connections):
            connection.close()
        loop.tpool.shutdown()
        if listener.fileno() != -1:
            loop.poller.close()
            loop.method_queue.close()
        loop.tmp.close()


@pytest.fixture
def raw_client(worker: EventLoop) -> Iterator[RawClient]:
    """A client that has connected to the worker."""
    client = RawClient(worker.sockets[0].getsockname()[1])
    yield client
    client.close()


def reset(client: socket.socket) -> None:
    """Close a connection as a client does that crashes."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_worker_whose_parent_has_ended_closes_its_connections_and_ends(
    worker: EventLoop, raw_client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.worker, "CHECK_SECONDS", EVENT_SECONDS)
    raw_client.socket.sendall(b"GET /api/products HTTP/1.1\r\n")
    worker.accept_one()
    worker.ppid = -1
    worker.set_accept_enabled(False)
    worker.run()
    assert not worker.alive
    assert raw_client.socket.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(raw_client.socket.getpeername())


class FailingListener(socket.socket):
    """A listening socket that can accept nothing."""

    error_number = errno.EMFILE

    def accept(self) -> tuple[socket.socket, object]:
        raise OSError(self.error_number, os.strerror(self.error_number))


def test_without_descriptors_and_idle_connections_accepting_pauses_until_the_next_check(
    worker: EventLoop, raw_client: RawClient
) -> None:
    with FailingListener() as listener:
        worker.accept(listener)
    worker.step()
    assert not worker.connections
    worker._check_deadlines(0, 0)
    worker.accept_one()
    assert not raw_client.has_answer()


@pytest.mark.parametrize(("number", "is_raised"), [(errno.ECONNABORTED, False), (errno.EBADF, True)])
def test_only_errors_of_the_listener_itself_end_the_worker(worker: EventLoop, number: int, is_raised: bool) -> None:
    with FailingListener() as listener:
        listener.error_number = number
        if is_raised:
            with pytest.raises(OSError, match=os.strerror(number)):
                worker.accept(listener)
        else:
            worker.accept(listener)


def test_a_connection_without_data_stays_open_when_it_is_reported_as_readable(
    worker: EventLoop, raw_client: RawClient
) -> None:
    connection = worker.accept_one()
    report_readable(worker, connection)
    assert worker.connections == {connection}
    worker._linger(connection)
    report_readable(worker, connection)
    assert worker.connections == {connection}
    raw_client.close()
    worker.wait_until_closed()


def report_readable(worker: EventLoop, connection: Connection) -> None:
    """Run what the event loop runs when data has arrived."""
    worker.poller.get_key(connection.sock).data(connection.sock)


def test_a_large_body_is_refused_when_the_memory_for_requests_is_used_up(
    worker: EventLoop, raw_client: RawClient
) -> None:
    worker.request_memory = Memory(0)
    raw_client.send("POST /api/products HTTP/1.1", "Content-Length: 200000", body=b"x" * 200_000)
    worker.run_until("the refusal", lambda: raw_client.has_answer())
    answer = raw_client.read_answer("POST")
    assert (answer.status, answer.json()["code"]) == (503, "overloaded")


def test_a_client_that_vanishes_while_it_waits_for_100_continue_is_forgotten(
    worker: EventLoop, raw_client: RawClient
) -> None:
    connection = worker.accept_one()
    raw_client.send("POST /api/products HTTP/1.1", "Content-Length: 9", "Expect: 100-continue")
    # The client's reset would arrive between the head and the answer to it.
    connection.sock.shutdown(socket.SHUT_WR)
    worker.wait_until_closed()
    assert raw_client.is_closed()


def test_with_tls_a_connection_without_a_place_is_closed_without_an_answer(
    worker: EventLoop, raw_client: RawClient
) -> None:
    worker.cfg.set("certfile", "certificate.pem")
    worker.classes.encrypted = worker.classes.encrypted._replace(threads=0, queue_length=0)
    worker.admission = Admission(worker.classes.all())
    raw_client.socket.sendall(b"\x16\x03\x01")
    worker.run_until("the connection is closed", lambda: raw_client.has_answer())
    assert raw_client.socket.recv(100) == b""
    raw_client.close()
    worker.wait_until_closed()


@pytest.mark.parametrize(
    ("hard", "connections", "new_soft"),
    [(resource.RLIM_INFINITY, 100, 100), (1000, 100, 100), (RESERVED_DESCRIPTORS + 7, 7, 7), (64, 1, None)],
)
def test_the_limit_of_open_files_is_raised_as_far_as_possible_and_limits_the_connections(
    monkeypatch: pytest.MonkeyPatch, hard: int, connections: int, new_soft: int | None
) -> None:
    limits = [(64, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, pair: limits.append(pair))
    assert _allow_descriptors(100) == connections
    assert limits[-1] == (64 if new_soft is None else new_soft + RESERVED_DESCRIPTORS, hard)


def test_a_system_that_refuses_a_higher_limit_of_open_files_gets_fewer_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_kind: int, _pair: tuple[int, int]) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (RESERVED_DESCRIPTORS + 3, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert _allow_descriptors(100) == 3


@pytest.fixture
def pair() -> Iterator[tuple[ClientSocket, socket.socket]]:
    """A TCP connection: the socket of the server and that of the client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ClientSocket(ours.detach(), LIMITS, ResponseMemory(MEMORY_BYTES, 1)) as client, theirs:
        yield client, theirs


def test_without_memory_a_thread_sends_what_was_kept_before_the_rest(pair: tuple[ClientSocket, socket.socket]) -> None:
    client, theirs = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 10_000)
    client.keeps_rest = True
    client.sendall(b"filler" * 1_000_000)
    received = bytearray()

    def receive() -> None:
        while data := theirs.recv(65_536):
            received.extend(data)

    with Threads() as threads:
        threads.start(receive)
        client.sendall(b"rest" * 3_000_000)
        client.close()
    assert received == b"filler" * 1_000_000 + b"rest" * 3_000_000


def test_the_rest_of_a_body_is_awaited_only_as_long_as_gunicorn_allows(
    pair: tuple[ClientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_socket, "CHECK_SECONDS", EVENT_SECONDS)
    client, theirs = pair
    source = BodySource(client)
    source.settimeout(0)
    with pytest.raises(TooSlowError, match="did not arrive in time"):
        source.recv(100)
    theirs.sendall(b"rest")
    source.settimeout(None)
    assert source.recv(100) == b"rest"


@pytest.mark.parametrize("has_ioctl", [False, True])
def test_where_the_system_does_not_report_the_progress_of_a_client_all_that_was_sent_counts(
    pair: tuple[ClientSocket, socket.socket], monkeypatch: pytest.MonkeyPatch, has_ioctl: bool
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.ENOTTY, "not a terminal")

    monkeypatch.setattr(client_socket, "HAS_SEND_QUEUE_IOCTL", has_ioctl)
    monkeypatch.setattr(fcntl, "ioctl", fail)
    client, _theirs = pair
    client.sendall(b"x" * 5000)
    client.record_wait(LIMITS.stall_seconds)
    with pytest.raises(TooSlowError):
        client.record_wait(LIMITS.stall_seconds)


def test_a_client_that_has_reset_its_connection_is_gone(pair: tuple[ClientSocket, socket.socket]) -> None:
    client, theirs = pair
    connection = Connection(SimpleNamespace(is_ssl=False), client, ADDRESS, ADDRESS, Memory(0))
    assert connection.has_client()
    reset(theirs)
    wait_for("the reset arrives", lambda: not connection.has_client())


STOP_SECONDS = 20
REQUEST = b"GET /api/products HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_requests_that_arrive_together_over_tls_are_all_answered(
    processes: Processes, free_port: int, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is missing, which makes the certificate of this test")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    run_program(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    process = processes.start_web(free_port, GUNICORN_CMD_ARGS=f"--certfile {certificate} --keyfile {key}")

    def connect() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", free_port), timeout=REQUEST_SECONDS)
        except ConnectionRefusedError:
            return None

    connection: socket.socket = wait_for("the web process accepts connections", connect)
    context = ssl.create_default_context(cafile=str(certificate))
    with context.wrap_socket(connection, server_hostname="localhost") as client:
        client.sendall(REQUEST * 3)
        reader = client.makefile("rb")
        for _ in range(3):
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            headers = http.client.parse_headers(reader)
            assert reader.read(int(headers["Content-Length"])).startswith(b'{"products":')
        reader.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0
    assert "Traceback" not in processes.log.read_text()


URL = "https://example.com/hooks"


def test_a_delivery_that_is_removed_while_it_is_resent_is_not_found(
    client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url)
    (delivery,) = list_deliveries(client, webhook)
    find = deliveries._find

    def find_and_remove(*ids: int) -> Any:
        found = find(*ids)
        execute(database_url, "DELETE FROM webhook_deliveries")
        return found

    monkeypatch.setattr(deliveries, "_find", find_and_remove)
    path = f"/api/webhooks/{webhook}/deliveries/{delivery['id']}/resend"
    read_error(client.post(path), 404, "delivery_not_found")


def test_the_health_has_no_hour_of_the_future(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    execute(
        database_url,
        "INSERT INTO webhook_hours (webhook_id, hour, delivered, failed, failed_attempts)"
        " VALUES (%s, date_trunc('hour', now(), 'UTC') + interval '2 hours', 5, 2, 3)",
        (webhook,),
    )
    health = read_json(client.get(f"/api/webhooks/{webhook}"))["health"]
    assert (health["delivered"], health["failed"], len(health["hours"])) == (5, 2, 24)
    assert sum(hour["delivered"] + hour["failed"] for hour in health["hours"]) == 0


def test_the_subscription_to_a_job_ignores_a_change_without_a_state() -> None:
    def connect() -> Any:
        raise NotImplementedError

    hub = StreamHub(connect, lambda _ids: {}, max_streams=1, listen=True, keep_alive_seconds=0.05)
    subscription = JobSubscription(hub, 1)
    subscription.publish(1, None)
    subscription.publish(1, JobEvent(1, "completed", True))
    assert list(subscription) == ["completed"]


def test_a_commit_outside_of_a_request_is_stored(app: Flask, database_url: str) -> None:
    with app.app_context():
        db.session.add(Webhook(url=URL, event_type="*"))
        db.session.commit()
    assert execute(database_url, "SELECT url FROM webhooks") == [(URL,)]


def test_a_cancelled_vacuum_is_reported_as_a_problem_of_the_build(database_url: str) -> None:
    def cancel_vacuum() -> Any:
        return execute(
            database_url,
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'VACUUM%%' AND wait_event_type = 'Lock'",
            (),
        )

    def build() -> None:
        with pytest.raises(IndexBuildError, match=r"^vacuum: canceling statement due to user request$"):
            search_indexes.build_indexes(database_url, [])

    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE products IN SHARE UPDATE EXCLUSIVE MODE")
        with Threads() as threads:
            threads.start(build)
            wait_for("the vacuum is cancelled", cancel_vacuum)
    assert search_indexes.build_indexes(database_url, [])


def test_the_speed_of_an_export_in_one_window_does_not_count_in_the_next() -> None:
    limits = ExportLimits(window_seconds=10, min_bytes_per_second=100)
    blocks = _BlockQueue(limits)
    blocks._check_rate(10, 1_000_000)
    blocks._check_rate(9, 0)
    with pytest.raises(ExportLimitExceeded, match=r"less than 0\.1 kB per second"):
        blocks._check_rate(1, 999)


def test_the_client_of_an_export_that_has_reset_its_connection_counts_as_disconnected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours:
        client = _client_of(ours)
        assert not client.is_disconnected()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        wait_for("the reset arrives", client.is_disconnected)
