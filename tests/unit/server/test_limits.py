"""The limits of the server: places, waiting time, speed and memory."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from http import HTTPStatus
from types import SimpleNamespace

import pytest

from api import errors, response_headers
from api.imports import tus
from server import refusals
from server.admission import Admission, Decision
from server.client_socket import MAX_OUTBOX_BYTES, ClientSocket
from server.connection import MAX_HEAD_BYTES, Connection
from server.pacing import Memory, Pace, PaceLimits, ResponseMemory, TooSlowError
from server.refusals import OVERLOADED
from server.request_classes import QUEUE_SECONDS, RequestClass, RequestClasses
from server.worker import MAX_WAITING_SENDERS

LIMITS = PaceLimits(stall_seconds=10, bytes_per_second=100)
SMALL = RequestClass("small", threads=1, queue_length=2)
OTHER = RequestClass("other", threads=1, queue_length=0)


def test_a_class_runs_queues_and_refuses_without_regard_to_the_others() -> None:
    admission: Admission[str] = Admission([SMALL, OTHER])
    assert admission.threads == 2
    decisions = [admission.admit(name, SMALL, 0) for name in "abcd"]
    assert decisions == [Decision.START, Decision.WAIT, Decision.WAIT, Decision.REFUSE]
    assert admission.admit("x", OTHER, 0) is Decision.START
    assert admission.admit("y", OTHER, 0) is Decision.REFUSE
    assert [admission.finish(SMALL), admission.finish(SMALL), admission.finish(SMALL)] == ["b", "c", None]
    assert admission.admit("e", SMALL, 0) is Decision.START


def test_a_request_that_has_waited_too_long_leaves_the_queue() -> None:
    admission: Admission[str] = Admission([SMALL])
    for time, name in enumerate("abc"):
        admission.admit(name, SMALL, time)
    assert admission.take_expired(QUEUE_SECONDS + 0.5) == []
    assert admission.take_expired(QUEUE_SECONDS + 1) == ["b"]
    assert admission.finish(SMALL) == "c"


def test_a_client_may_pause_for_less_than_the_limit() -> None:
    pace = Pace(LIMITS)
    for _ in range(10):
        pace.record(9, 0)
        pace.record(0.5, 1000)
    pace.record(9, 0)
    with pytest.raises(TooSlowError):
        pace.record(1, 0)


def test_a_client_that_moves_bytes_too_slowly_fails_although_it_never_pauses() -> None:
    pace = Pace(LIMITS)
    with pytest.raises(TooSlowError):
        for _ in range(30):
            pace.record(1, 99)
    steady = Pace(LIMITS)
    for _ in range(300):
        steady.record(1, 101)


def test_earlier_speed_does_not_excuse_a_slow_client() -> None:
    pace = Pace(LIMITS)
    pace.record(20, 1_000_000)
    with pytest.raises(TooSlowError):
        for _ in range(20):
            pace.record(1, 1)


def test_time_in_which_the_server_does_not_wait_does_not_count() -> None:
    pace = Pace(LIMITS)
    for _ in range(1000):
        pace.record(0, 0)


@pytest.fixture
def memory() -> ResponseMemory:
    """Memory for 20 MB of responses."""
    return ResponseMemory(20_000_000, MAX_WAITING_SENDERS)


@contextlib.contextmanager
def client_socket(memory: ResponseMemory, limits: PaceLimits = LIMITS) -> Iterator[tuple[ClientSocket, socket.socket]]:
    """A socket of the server with its other end."""
    ours, theirs = socket.socketpair()
    with ClientSocket(ours.detach(), limits, memory) as client, theirs:
        yield client, theirs


def read_exactly(theirs: socket.socket, client: ClientSocket, length: int) -> bytes:
    """Return what the client gets while the event loop flushes the outbox."""
    received = bytearray()
    while len(received) < length:
        client.flush()
        received += theirs.recv(1 << 16)
    return bytes(received)


def test_what_a_client_does_not_accept_is_kept_and_sent_in_order(memory: ResponseMemory) -> None:
    with client_socket(memory) as (client, theirs):
        client.keeps_rest = True
        pieces = [bytes([number]) * 500_000 for number in range(5)]
        for piece in pieces:
            client.sendall(piece)
        assert not client.flush()
        assert read_exactly(theirs, client, 2_500_000) == b"".join(pieces)
        assert client.flush()
        assert memory.reserve(20_000_000)


def test_a_closed_connection_frees_its_memory(memory: ResponseMemory) -> None:
    with client_socket(memory) as (client, _theirs):
        client.keeps_rest = True
        client.sendall(b"x" * (MAX_OUTBOX_BYTES - 1))
        assert not memory.reserve(15_000_000)
    assert memory.reserve(20_000_000)


def test_without_memory_few_threads_wait_and_the_other_responses_end(memory: ResponseMemory) -> None:
    for _ in range(MAX_WAITING_SENDERS):
        memory.waiting_senders.acquire()
    assert memory.reserve(20_000_000)
    with client_socket(memory) as (client, _theirs):
        client.keeps_rest = True
        with pytest.raises(ConnectionResetError):
            client.sendall(b"x" * 10_000_000)
        assert client.has_failed


def test_a_thread_that_waits_for_a_slow_client_gives_up(memory: ResponseMemory) -> None:
    with client_socket(memory, PaceLimits(stall_seconds=0.1, bytes_per_second=1)) as (client, _theirs):
        with pytest.raises(ConnectionResetError):
            client.sendall(b"x" * 10_000_000)
        assert client.has_failed


def test_without_memory_heads_are_still_read_and_large_bodies_refused(memory: ResponseMemory) -> None:
    full = Memory(0)
    classes = RequestClasses(max_uploads=1, max_streams=1)
    with client_socket(memory) as (client, _theirs):
        connection = Connection(SimpleNamespace(is_ssl=False), client, ("127.0.0.1", 1), ("127.0.0.1", 2), full)
        assert connection.receive(b"POST /api/products HTTP/1.1\r\nContent-Length: 900000\r\n\r\n") is None
        assert connection.examine(classes) is None
        assert connection.receive(b"x" * MAX_HEAD_BYTES) is OVERLOADED


def test_the_threads_of_every_class_outnumber_those_that_may_wait_for_slow_clients() -> None:
    classes = RequestClasses(max_uploads=16, max_streams=1)
    assert classes.other.threads > MAX_WAITING_SENDERS
    assert classes.long.threads > MAX_WAITING_SENDERS


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_refusal_is_a_whole_response(method: str) -> None:
    head, _, body = OVERLOADED.render(method).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: " in head
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None
    assert len(body) == (int(length[1]) if method == "GET" else 0)
    for name, value in response_headers.HEADERS.items():
        assert f"\r\n{name}: {value}\r\n".encode() in head


@pytest.mark.parametrize(
    ("path", "is_tus"),
    [
        ("/api/uploads", True),
        ("/api/uploads/5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3", True),
        ("/api/upload", False),
        ("/api/uploadsx", False),
        ("", False),
    ],
)
def test_refusals_of_resumable_uploads_name_the_version_of_the_protocol(path: str, is_tus: bool) -> None:
    head = OVERLOADED.render("PATCH", path).partition(b"\r\n\r\n")[0]
    assert (f"\r\nTus-Resumable: {tus.VERSION}\r\n".encode() in head + b"\r\n") == is_tus


def test_the_server_and_the_application_use_the_same_words() -> None:
    pairs = {
        refusals.OVERLOADED: errors.OVERLOADED,
        refusals.TOO_SLOW: errors.REQUEST_TIMEOUT,
        refusals.BODY_TOO_LARGE: errors.BODY_TOO_LARGE,
        refusals.NOT_HTTP: errors.BAD_REQUEST,
    }
    for refusal, error_type in pairs.items():
        assert (refusal.status, refusal.code, refusal.message) == error_type[:3]
    assert HTTPStatus(errors.OVERLOADED.status) is HTTPStatus.SERVICE_UNAVAILABLE
