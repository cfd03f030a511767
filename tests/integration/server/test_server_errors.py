"""Rare errors of the web server: vanished clients, missing file descriptors, used up memory, TLS."""

from __future__ import annotations

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

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

import server.worker
from server import client_socket
from server.admission import Admission
from server.client_socket import BodySource, ClientSocket
from server.connection import Connection
from server.pacing import Memory, PaceLimits, ResponseMemory, TooSlowError
from server.worker import RESERVED_DESCRIPTORS, Worker, _allow_descriptors
from support.prerequisites import skip_or_fail
from support.processes import Processes, run_program
from support.raw_clients import RawClient
from support.threads import Threads
from support.waiting import wait_for
from support.web import REQUEST_SECONDS

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
