"""The connections of webhook requests: kept, closed, stalled and encrypted."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.prerequisites import skip_or_fail
from support.processes import run_program
from support.receiver import Receiver
from support.webhooks import CLOSED, NOT_HTTP, TIMED_OUT, create_sender, post
from webhooks import http_client
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
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        port = server.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        answer = post(sender, f"http://127.0.0.1:{port}/")
        for one in waiting:
            one.close()
    assert answer.error == "No connection to 127.0.0.1 could be made within 0.5 s."


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
        assert times[30] < 20


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is missing, which makes the certificates of these tests")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    run_program(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=receiver of tests"),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
    )
    return certificate, key


@pytest.fixture(scope="module")
def secure(certificates: tuple[Path, Path]) -> Iterator[Receiver]:
    with Receiver(tls=certificates) as receiver:
        yield receiver


@pytest.fixture
def trusting(certificates: tuple[Path, Path], secure: Receiver) -> Iterator[Sender]:
    """A sender that trusts the certificate."""
    secure.clear()
    sender = create_sender(ca_file=str(certificates[0]))
    yield sender
    sender.close()


def test_an_untrusted_certificate_is_refused(secure: Receiver, sender: Sender) -> None:
    secure.clear()
    answer = post(sender, secure.url("/ok/x"))
    assert answer.error == "The certificate of 127.0.0.1 is not valid: self-signed certificate."
    assert secure.requests() == []


def test_a_trusted_certificate_allows_many_requests(secure: Receiver, trusting: Sender) -> None:
    for _ in range(3):
        assert post(trusting, secure.url("/ok/x")).response_text == "ok"
    assert len({request.connection for request in secure.requests()}) == 1


def test_a_certificate_for_another_name_is_refused(secure: Receiver, trusting: Sender) -> None:
    answer = post(trusting, secure.url("/ok/x").replace("127.0.0.1", "127.0.0.2"))
    assert str(answer.error).startswith("No connection to 127.0.0.2") or "refused" in str(answer.error)
    answer = post(trusting, secure.url("/ok/x").replace("127.0.0.1", "localhost"))
    assert str(answer.error).startswith("The certificate of localhost is not valid: Hostname mismatch")
    assert secure.requests() == []


@pytest.mark.parametrize("path", ["/keepalive-close", "/close-second/x"])
def test_a_closed_tls_connection_is_replaced(secure: Receiver, trusting: Sender, path: str) -> None:
    for _ in range(20):
        assert post(trusting, secure.url(path)).success


@pytest.mark.parametrize("path", ["/never", "/drip-header", "/no-read", "/trickle-read"])
def test_the_timeout_applies_with_tls(secure: Receiver, trusting: Sender, path: str) -> None:
    assert post(trusting, secure.url(path), b"x" * 30_000_000).error == TIMED_OUT


def test_https_to_a_port_without_tls_is_reported(receiver: Receiver, sender: Sender) -> None:
    with Receiver() as plain:
        answer = post(sender, plain.url("/ok/x").replace("http:", "https:"))
    assert answer.error in {
        "A TLS connection to 127.0.0.1 could not be made. Does it accept https on this port?",
        TIMED_OUT,
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        pid = os.fork()
        if pid == 0:
            taken, _ = server.accept()
            taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            os._exit(0)
        answer = post(sender, f"https://127.0.0.1:{server.getsockname()[1]}/")
        os.waitpid(pid, 0)
    assert answer.error == "A TLS connection to 127.0.0.1 could not be made. Does it accept https on this port?"


def test_a_stalled_handshake_times_out(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert post(sender, f"https://127.0.0.1:{server.getsockname()[1]}/").error == TIMED_OUT


def test_all_senders_share_one_create_tls_context() -> None:
    assert isinstance(http_client.create_tls_context(None), ssl.SSLContext)
    assert http_client.create_tls_context(None) is http_client.create_tls_context(None)
