"""One webhook request, to a receiver process that behaves in every bad way there is."""

from __future__ import annotations

import ipaddress
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import missing, run_quietly
from receiver import Receiver
from webhooks import network
from webhooks.request import MAX_ANSWER_BYTES, USER_AGENT, Answer, Sender

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
TOTAL_SECONDS = 1.5
TIMED_OUT = "The receiver did not answer within 1.5 s."
CLOSED = "The receiver closed the connection without an answer."
NOT_HTTP = "The receiver did not answer in HTTP."


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _forget(receiver: Receiver) -> None:
    receiver.clear()


def new_sender(**options: Any) -> Sender:
    values = {"allowed": LOOPBACK, "connect_seconds": 0.5, "total_seconds": TOTAL_SECONDS, **options}
    return Sender(values.pop("allowed"), **values)


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = new_sender()
    yield sender
    sender.close()


def post(sender: Sender, url: str, body: bytes = b"{}", **headers: str) -> Answer:
    """Posts, and sees to it that the time was kept."""
    started = time.monotonic()
    answer = sender.post(url, body, headers)
    assert time.monotonic() - started < TOTAL_SECONDS + 1
    return answer


def test_a_request_arrives_as_it_was_given(receiver: Receiver, sender: Sender) -> None:
    body = json.dumps({"sku": "é"}).encode()
    before = time.time()
    answer = sender.post(receiver.url("/ok/a%20b/ü?c=d&e"), body, {"webhook-id": "evt_1"})
    assert (answer.status_code, answer.response_text, answer.error, answer.success) == (200, "ok", None, True)
    assert answer.response_headers == {"Content-Length": "2"}
    assert 0 <= answer.response_time_ms < 1000
    [request] = receiver.requests()
    assert (request.path, request.body) == ("/ok/a%20b/%C3%BC?c=d&e", body)
    assert before <= request.at <= time.time()
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "webhook-id": "evt_1",
    }


def test_given_headers_take_the_place_of_the_usual_ones(receiver: Receiver, sender: Sender) -> None:
    sender.post(receiver.url("/ok/x"), b"{}", {"User-Agent": "other", "Content-Type": "text/plain"})
    [request] = receiver.requests()
    assert request.headers["user-agent"] == "other"
    assert request.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/status/201/x", 201, None),
        ("/no-content", 204, None),
        ("/status/299/x", 299, None),
        ("/status/400/x", 400, "The receiver answered 400."),
        ("/gone", 410, "The receiver answered 410."),
        ("/status/599/x", 599, "The receiver answered 599."),
        ("/chunked", 200, None),
        ("/until-closed", 200, None),
        ("/early-hints", 200, None),
        # What the body is like does not change what the status said.
        ("/half", 200, None),
        ("/silent-body", 200, None),
        ("/drip-body", 200, None),
        ("/endless-chunk-size", 200, None),
        ("/many-headers", 200, None),
        ("/slow/0.5/x", 200, None),
        ("/slow/60/x", None, TIMED_OUT),
        ("/never", None, TIMED_OUT),
        ("/drip-header", None, TIMED_OUT),
        ("/continue", None, TIMED_OUT),
        ("/close", None, CLOSED),
        ("/reset", None, CLOSED),
        ("/garbage", None, NOT_HTTP),
        ("/huge-headers", None, NOT_HTTP),
        ("/endless-header", None, NOT_HTTP),
    ],
)
def test_every_answer_has_its_status_or_its_sentence_in_time(
    receiver: Receiver, sender: Sender, path: str, status: int | None, error: str | None
) -> None:
    answer = post(sender, receiver.url(path))
    assert (answer.status_code, answer.error) == (status, error)
    assert answer.success == (error is None)
    assert (answer.response_text is None) == (status is None)
    assert answer.response_time_ms <= (TOTAL_SECONDS + 1) * 1000
    # The next request is not harmed by what is left of this one.
    assert post(sender, receiver.url("/ok/next")).response_text == "ok"


@pytest.mark.parametrize("path", ["/huge", "/huge-chunked"])
def test_of_a_huge_body_only_the_beginning_is_read(receiver: Receiver, sender: Sender, path: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    answer = sender.post(receiver.url(path), b"{}", {})
    assert (answer.status_code, answer.response_text) == (200, "x" * MAX_ANSWER_BYTES)
    assert time.monotonic() - started < 1
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 20_000


def test_a_packed_body_is_not_unpacked(receiver: Receiver, sender: Sender) -> None:
    answer = post(sender, receiver.url("/gzip"))
    assert answer.status_code == 200
    assert "a" * 100 not in str(answer.response_text)
    assert len(str(answer.response_text)) <= MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/nul", "a\N{REPLACEMENT CHARACTER}b"),
        ("/latin1", "café"),
        ("/utf8", "café"),
        ("/charset/no-such", "a +2AA- \\ud800"),
        ("/charset/idna", "a +2AA- \\ud800"),
        ("/charset/undefined", "a +2AA- \\ud800"),
        ("/charset/hex", "a +2AA- \\ud800"),
        ("/charset/a\0b", "a +2AA- \\ud800"),
    ],
)
def test_a_body_is_read_in_the_charset_it_names(receiver: Receiver, sender: Sender, path: str, text: str) -> None:
    assert post(sender, receiver.url(path)).response_text == text


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "utf-7"])
def test_no_charset_makes_text_that_the_database_does_not_take(
    receiver: Receiver, sender: Sender, charset: str
) -> None:
    answer = post(sender, receiver.url(f"/charset/{charset}"))
    assert answer.status_code == 200
    str(answer.response_text).encode()


def test_headers_are_cut_and_free_of_nul(receiver: Receiver, sender: Sender) -> None:
    headers = post(sender, receiver.url("/nul")).response_headers
    assert headers["X-Nul"] == "ab"
    headers = post(sender, receiver.url("/many-headers")).response_headers
    assert sum(len(name) + len(value) for name, value in headers.items()) <= MAX_ANSWER_BYTES


def test_redirects_are_not_followed(receiver: Receiver, sender: Sender) -> None:
    answer = post(sender, receiver.url("/redirect"))
    assert answer.status_code == 302
    assert answer.error == (
        "The receiver answered 302, and redirects are not followed. Enter the address it redirects to."
    )
    assert [request.path for request in receiver.requests()] == ["/redirect"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "１２７.0.0.1", "[::ffff:127.0.0.1]"]
)
def test_nothing_reaches_an_address_that_is_not_allowed(receiver: Receiver, host: str) -> None:
    sender = new_sender(allowed=())
    answer = post(sender, receiver.url("/ok/x").replace("127.0.0.1", host))
    sender.close()
    assert answer.status_code is None
    assert "Webhooks reach public addresses only" in str(answer.error)
    assert receiver.requests() == []


@pytest.mark.parametrize("path", ["/ok/x", "/chunked", "/no-content", "/nul"])
def test_requests_share_a_connection(receiver: Receiver, sender: Sender, path: str) -> None:
    for _ in range(3):
        assert post(sender, receiver.url(path)).success
    assert len({request.connection for request in receiver.requests()}) == 1


@pytest.mark.parametrize("path", ["/huge", "/half", "/silent-body", "/until-closed", "/drip-body"])
def test_a_connection_is_not_kept_behind_a_body_that_was_not_read(
    receiver: Receiver, sender: Sender, path: str
) -> None:
    post(sender, receiver.url(path))
    assert post(sender, receiver.url("/ok/x")).success
    assert len({request.connection for request in receiver.requests()}) == 2


def test_a_connection_is_kept_for_one_receiver_only(receiver: Receiver, sender: Sender) -> None:
    with Receiver() as other:
        for target in (receiver, other, receiver):
            assert post(sender, target.url("/ok/x")).success
        assert (receiver.count(), other.count()) == (2, 1)


@pytest.mark.parametrize("path", ["/keepalive-close", "/close-second/x"])
def test_a_kept_connection_that_turns_out_to_be_closed_is_replaced(
    receiver: Receiver, sender: Sender, path: str
) -> None:
    for _ in range(20):
        assert post(sender, receiver.url(path)).success


def test_a_dropped_request_is_repeated_once_and_not_for_ever(receiver: Receiver, sender: Sender) -> None:
    post(sender, receiver.url("/ok/x"))
    receiver.clear()
    assert post(sender, receiver.url("/close")).error == CLOSED
    assert receiver.count() == 2
    assert post(sender, receiver.url("/close")).error == CLOSED
    assert receiver.count() == 3


def test_an_answer_that_has_begun_is_not_asked_for_again(receiver: Receiver, sender: Sender) -> None:
    post(sender, receiver.url("/ok/x"))
    assert post(sender, receiver.url("/garbage")).error == NOT_HTTP
    assert receiver.count("/garbage") == 1


def test_proxies_and_passwords_of_the_environment_are_ignored(
    receiver: Receiver, sender: Sender, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port}")
        monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{free_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (tmp_path / "netrc").write_text("default login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert post(sender, receiver.url("/ok/x")).success
    [request] = receiver.requests()
    assert "authorization" not in request.headers


@pytest.mark.parametrize("value", ["a\r\nx-smuggled: b", "a\nb", "a\rb", "a\0b"])
def test_header_values_with_line_ends_are_not_sent(receiver: Receiver, sender: Sender, value: str) -> None:
    for headers in ({"webhook-id": value}, {value: "x"}):
        with pytest.raises(ValueError, match="header"):
            sender.post(receiver.url("/ok/x"), b"{}", headers)
    assert receiver.count() == 0
    assert post(sender, receiver.url("/ok/x")).success


@pytest.mark.parametrize("path", ["/no-read", "/trickle-read"])
def test_a_receiver_that_hardly_reads_does_not_stretch_the_time(receiver: Receiver, sender: Sender, path: str) -> None:
    for size in (5_000_000, 30_000_000):
        assert post(sender, receiver.url(path), b"x" * size).error == TIMED_OUT


@pytest.mark.parametrize("scheme", ["", "ftp", "nonsense"])
def test_a_url_that_cannot_be_used_is_called_that(receiver: Receiver, sender: Sender, scheme: str) -> None:
    answer = post(sender, receiver.url("/ok/x").replace("http", scheme))
    assert answer.status_code is None
    assert "The URL" in str(answer.error)


def test_who_refuses_and_who_is_not_there_is_told(sender: Sender, free_port: int) -> None:
    answer = post(sender, f"http://127.0.0.1:{free_port}/")
    assert answer.error == f"127.0.0.1 refused the connection to port {free_port}."
    answer = post(sender, "http://no-such-host.invalid/")
    assert answer.error == "The name no-such-host.invalid cannot be found."


def test_a_receiver_that_takes_no_connection_is_given_up_in_time(sender: Sender) -> None:
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


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("soon", None), ("-5", None), ("٣", None), ("99999999999", 999_999_999)],
)
def test_retry_after_in_seconds(receiver: Receiver, sender: Sender, value: str, seconds: float | None) -> None:
    answer = post(sender, receiver.url(f"/retry-after/{value}"))
    assert (answer.status_code, answer.retry_after) == (503, seconds)


def test_retry_after_as_a_date(receiver: Receiver, sender: Sender) -> None:
    now = datetime.now(timezone.utc)
    for moment, seconds in [(now + timedelta(hours=1), 3600), (now - timedelta(hours=1), 0)]:
        value = format_datetime(moment, usegmt=True)
        answer = post(sender, receiver.url(f"/retry-after/{value}"))
        assert answer.retry_after == pytest.approx(seconds, abs=3)


def test_the_caller_learns_once_that_the_request_is_out_before_the_answer_is_there(
    receiver: Receiver, sender: Sender, free_port: int
) -> None:
    for _ in range(2):
        out: list[float] = []
        started = time.monotonic()
        assert sender.post(receiver.url("/slow/0.5/x"), b"{}", {}, on_sent=lambda: out.append(time.monotonic())).success
        [at] = out
        assert at - started < 0.4
    for url in (receiver.url("/close-second/x"), receiver.url("/close"), f"http://127.0.0.1:{free_port}/", "nonsense"):
        calls: list[int] = []
        sender.post(url, b"{}", {}, on_sent=lambda: calls.append(1))
        assert calls == [1]


def test_a_receiver_that_answers_in_two_packets_is_not_waited_for(sender: Sender) -> None:
    """Without an acknowledgement at once, Nagle's algorithm holds the second packet back for 40 ms."""
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


# ---- TLS ----


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it signed itself, and its key."""
    if shutil.which("openssl") is None:
        missing("openssl is missing, which makes the certificates of these tests")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    run_quietly(
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
    sender = new_sender(verify=str(certificates[0]))
    yield sender
    sender.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: Receiver, sender: Sender) -> None:
    secure.clear()
    answer = post(sender, secure.url("/ok/x"))
    assert answer.error == "The certificate of 127.0.0.1 is not valid: self-signed certificate."
    assert secure.requests() == []


def test_a_certificate_that_is_trusted_serves_for_many_requests(secure: Receiver, trusting: Sender) -> None:
    for _ in range(3):
        assert post(trusting, secure.url("/ok/x")).response_text == "ok"
    assert len({request.connection for request in secure.requests()}) == 1


def test_a_certificate_of_another_name_is_refused(secure: Receiver, trusting: Sender) -> None:
    answer = post(trusting, secure.url("/ok/x").replace("127.0.0.1", "127.0.0.2"))
    assert str(answer.error).startswith("No connection to 127.0.0.2") or "refused" in str(answer.error)
    answer = post(trusting, secure.url("/ok/x").replace("127.0.0.1", "localhost"))
    assert str(answer.error).startswith("The certificate of localhost is not valid: Hostname mismatch")
    assert secure.requests() == []


@pytest.mark.parametrize("path", ["/keepalive-close", "/close-second/x"])
def test_a_closed_connection_with_tls_is_replaced_too(secure: Receiver, trusting: Sender, path: str) -> None:
    for _ in range(20):
        assert post(trusting, secure.url(path)).success


@pytest.mark.parametrize("path", ["/never", "/drip-header", "/no-read", "/trickle-read"])
def test_the_time_is_kept_with_tls(secure: Receiver, trusting: Sender, path: str) -> None:
    assert post(trusting, secure.url(path), b"x" * 30_000_000).error == TIMED_OUT


def test_https_to_a_port_without_it_is_told(receiver: Receiver, sender: Sender) -> None:
    with Receiver() as plain:
        answer = post(sender, plain.url("/ok/x").replace("http:", "https:"))
    assert answer.error in {
        "A secure connection to 127.0.0.1 could not be made. Does it take https on this port?",
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
    assert answer.error == "A secure connection to 127.0.0.1 could not be made. Does it take https on this port?"


def test_a_handshake_that_stalls_does_not_stretch_the_time(sender: Sender) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert post(sender, f"https://127.0.0.1:{server.getsockname()[1]}/").error == TIMED_OUT


def test_certificates_are_read_once_for_all_senders() -> None:
    assert isinstance(network.tls_context(None), ssl.SSLContext)
    assert network.tls_context(None) is network.tls_context(None)
