"""The connections of webhook requests: kept alive, closed and stalled."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from support.receiver import Receiver
from support.webhooks import (
    CLOSED,
    LOOPBACK,
    NOT_HTTP,
    TIMED_OUT,
    Resolve,
    create_sender,
    full_server,
    post,
    respond_once,
)
from webhooks import sender as sender_module
from webhooks.http_client import Exchange
from webhooks.sender import Sender


@pytest.fixture
def receiver(shared_receiver: Receiver) -> Receiver:
    return shared_receiver


@pytest.mark.parametrize("path", ["/ok/x", "/chunked", "/no-content", "/nul"])
def test_requests_share_a_connection(receiver: Receiver, sender: Sender, path: str) -> None:
    for _ in range(3):
        assert post(sender, receiver.url(path)).success
    assert len({request.connection for request in receiver.requests()}) == 1


@pytest.mark.parametrize("path", ["/huge", "/half", "/silent-body", "/until-closed", "/drip-body"])
def test_a_connection_with_an_unread_body_is_not_kept(receiver: Receiver, sender: Sender, path: str) -> None:
    post(sender, receiver.url(path))
    assert post(sender, receiver.url("/ok/x")).success
    assert len({request.connection for request in receiver.requests()}) == 2


def test_a_connection_is_kept_for_one_receiver_only(receiver: Receiver, sender: Sender) -> None:
    with Receiver() as other:
        for target in (receiver, other, receiver):
            assert post(sender, target.url("/ok/x")).success
        assert (receiver.count(), other.count()) == (2, 1)


@pytest.mark.parametrize("path", ["/keepalive-close", "/close-second/x"])
def test_a_kept_connection_that_was_closed_is_replaced(receiver: Receiver, sender: Sender, path: str) -> None:
    for _ in range(20):
        assert post(sender, receiver.url(path)).success


def test_a_dropped_request_is_repeated_only_once(receiver: Receiver, sender: Sender) -> None:
    post(sender, receiver.url("/ok/x"))
    receiver.clear()
    assert post(sender, receiver.url("/close")).error == CLOSED
    assert receiver.count() == 2
    assert post(sender, receiver.url("/close")).error == CLOSED
    assert receiver.count() == 3


def test_a_request_is_not_repeated_once_its_response_has_begun(receiver: Receiver, sender: Sender) -> None:
    post(sender, receiver.url("/ok/x"))
    assert post(sender, receiver.url("/garbage")).error == NOT_HTTP
    assert receiver.count("/garbage") == 1


@pytest.mark.parametrize("path", ["/no-read", "/trickle-read"])
def test_a_slowly_reading_receiver_does_not_extend_the_timeout(receiver: Receiver, sender: Sender, path: str) -> None:
    for size in (5_000_000, 30_000_000):
        assert post(sender, receiver.url(path), b"x" * size).error == TIMED_OUT


def test_a_receiver_that_accepts_no_connection_times_out(sender: Sender) -> None:
    with full_server("127.0.0.1") as port:
        response = post(sender, f"http://127.0.0.1:{port}/")
    assert response.error == "No connection to 127.0.0.1 could be made within 0.5 s."


def test_an_unresponsive_address_leaves_time_for_the_next(receiver: Receiver, sender: Sender, resolve: Resolve) -> None:
    resolve(["127.0.0.2", "127.0.0.1"])
    with full_server("127.0.0.2", receiver.port):
        assert post(sender, receiver.url("/ok/x").replace("127.0.0.1", "two.example")).success


def test_no_address_is_dialled_after_the_time_for_connecting(receiver: Receiver) -> None:
    sender = create_sender(connect_seconds=1e-9)
    response = post(sender, receiver.url("/ok/x"))
    assert response.error == "No connection to 127.0.0.1 could be made within 1e-09 s."
    assert receiver.count() == 0


def test_an_unreachable_address_is_reported(sender: Sender, resolve: Resolve) -> None:
    # The kernel refuses to connect a TCP socket to a broadcast address.
    resolve(["127.255.255.255"])
    response = post(sender, "http://broadcast.example/")
    assert response.error == "No connection to broadcast.example could be made: Network is unreachable."


def test_an_exchange_that_is_out_of_time_raises_a_timeout() -> None:
    exchange = Exchange(LOOPBACK)
    exchange.begin(connect_seconds=1, total_seconds=-1, on_sent=None)
    with pytest.raises(TimeoutError):
        exchange.remaining()


def test_a_connection_that_was_idle_for_long_is_replaced(
    receiver: Receiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "KEEP_ALIVE_SECONDS", 0)
    for _ in range(2):
        assert post(sender, receiver.url("/ok/x")).success
    assert len({request.connection for request in receiver.requests()}) == 2


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary*=a\0b''c\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
    ],
    ids=["parameter", "status", "count"],
)
def test_a_malformed_head_is_reported(sender: Sender, head: bytes) -> None:
    with respond_once(head) as port:
        assert post(sender, f"http://127.0.0.1:{port}/").error == NOT_HTTP


def test_the_caller_is_notified_of_the_sent_request_before_its_response(receiver: Receiver, sender: Sender) -> None:
    out: list[float] = []
    for number in (1, 2):
        started = time.monotonic()
        assert sender.post(receiver.url("/slow/0.5/x"), b"{}", {}, on_sent=lambda: out.append(time.monotonic())).success
        assert len(out) == number
        assert out[-1] - started < 0.4


def test_the_caller_is_notified_once_whatever_happens(receiver: Receiver, sender: Sender, free_port: int) -> None:
    urls = [*map(receiver.url, ("/close-second/x", "/close-second/x", "/close")), f"http://127.0.0.1:{free_port}/", "x"]
    calls: list[int] = []
    for number, url in enumerate(urls, 1):
        sender.post(url, b"{}", {}, on_sent=lambda: calls.append(1))
        assert len(calls) == number


def test_a_response_in_two_packets_is_not_delayed(sender: Sender) -> None:
    """Without an immediate acknowledgement, Nagle's algorithm delays the second packet by 40 ms."""
    program = (
        "import http.server\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    protocol_version = 'HTTP/1.1'\n"
        "    def log_message(self, *_): pass\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers['content-length']))\n"
        "        self.send_response(200)\n"
        "        self.send_header('Content-Length', '2')\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'ok')\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), H)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/"
        times = sorted(post(sender, url).response_time_ms for _ in range(60))
        server.kill()
    if hasattr(socket, "TCP_QUICKACK"):
        # A delayed acknowledgement costs every request 40 ms.
        assert times[0] < 35


@pytest.mark.parametrize(
    "head",
    [
        b"no colon here\r\n",
        b"X-A: 1\r\n : no name\r\nX-B 2\r\n",
        b"X-A: \xff\xfe\r\n\x00: 1\r\nbroken\r\n",
        b"Set-Cookie: a=b; expires=Thu, 99-Foo-9999999 99:99:99 GMT; max-age=x\r\nX\r\n",
        b"Content-Type: text/html; charset=\r\nbroken\r\n",
        b"Retry-After: Thu, 01 Jan 99999 00:00:00 +9999999\r\nbroken\r\n",
    ],
)
def test_broken_headers_are_one_line_in_the_log(sender: Sender, caplog: pytest.LogCaptureFixture, head: bytes) -> None:
    with respond_once(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: 0\r\n\r\n") as port:
        post(sender, f"http://127.0.0.1:{port}/secret-path")
    # Threads that earlier tests left may log, too.
    lines = [caplog.handler.format(record) for record in caplog.records if record.name.startswith("urllib3")]
    assert len(lines) <= 1
    assert not [line for line in lines if "\n" in line or "Traceback" in line or "secret" in line]
