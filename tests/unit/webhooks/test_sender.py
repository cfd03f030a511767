"""Single requests to receivers that behave well or badly, and the descriptions of their responses."""

from __future__ import annotations

import gc
import json
import resource
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from support.receiver import Receiver
from support.webhooks import CLOSED, NOT_HTTP, TIMED_OUT, TOTAL_SECONDS, create_sender, post, respond_once
from webhooks.sender import MAX_RESPONSE_BYTES, USER_AGENT, Sender


@pytest.fixture
def receiver(shared_receiver: Receiver) -> Receiver:
    return shared_receiver


def test_a_request_arrives_unchanged(receiver: Receiver, sender: Sender) -> None:
    body = json.dumps({"sku": "é"}).encode()
    before = time.time()
    response = sender.post(receiver.url("/ok/a%20b/ü?c=d&e"), body, {"webhook-id": "evt_1"})
    assert (response.status_code, response.response_text, response.error, response.success) == (200, "ok", None, True)
    assert response.response_headers == {"Content-Length": "2"}
    assert 0 <= response.response_time_ms < 1000
    [request] = receiver.requests()
    assert (request.path, request.body) == ("/ok/a%20b/%C3%BC?c=d&e", body)
    assert before <= request.received_at <= time.time()
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "webhook-id": "evt_1",
    }


@pytest.mark.parametrize("path", ["/half-head", "/half", "/close", "/never", "/garbage"])
def test_an_incomplete_response_leaves_no_socket_open(receiver: Receiver, path: str) -> None:
    sender = create_sender()
    post(sender, receiver.url(path))
    sender.close()
    # Collect unreferenced sockets: the warning about an open one fails the test.
    gc.collect()


def test_given_headers_replace_the_default_ones(receiver: Receiver, sender: Sender) -> None:
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
        # A broken body does not change the meaning of the status.
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
def test_every_response_gives_its_status_or_a_sentence_in_time(
    receiver: Receiver, sender: Sender, path: str, status: int | None, error: str | None
) -> None:
    response = post(sender, receiver.url(path))
    assert (response.status_code, response.error) == (status, error)
    assert response.success == (error is None)
    assert (response.response_text is None) == (status is None)
    assert response.response_time_ms <= (TOTAL_SECONDS + 1) * 1000
    # The rest of this response does not affect the next request.
    assert post(sender, receiver.url("/ok/next")).response_text == "ok"


@pytest.mark.parametrize("path", ["/huge", "/huge-chunked"])
def test_only_the_start_of_a_huge_body_is_read(receiver: Receiver, sender: Sender, path: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    response = sender.post(receiver.url(path), b"{}", {})
    assert (response.status_code, response.response_text) == (200, "x" * MAX_RESPONSE_BYTES)
    assert time.monotonic() - started < 1
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 20_000


def test_a_compressed_body_is_not_decompressed(receiver: Receiver, sender: Sender) -> None:
    response = post(sender, receiver.url("/gzip"))
    assert response.status_code == 200
    assert "a" * 100 not in str(response.response_text)
    assert len(str(response.response_text)) <= MAX_RESPONSE_BYTES


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
        ("/charset/a%00b", "a +2AA- \\ud800"),
        ("/charset/iso-8859-99", "a +2AA- \\ud800"),
    ],
)
def test_a_body_is_decoded_in_its_charset(receiver: Receiver, sender: Sender, path: str, text: str) -> None:
    assert post(sender, receiver.url(path)).response_text == text


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "utf-7"])
def test_every_charset_gives_text_that_the_database_can_store(receiver: Receiver, sender: Sender, charset: str) -> None:
    response = post(sender, receiver.url(f"/charset/{charset}"))
    assert response.status_code == 200
    str(response.response_text).encode()


def test_headers_are_shortened_and_free_of_control_characters(receiver: Receiver, sender: Sender) -> None:
    headers = post(sender, receiver.url("/nul")).response_headers
    assert headers["X-Nul"] == "ab"
    names = [f"X-{number:02}" for number in range(50)]
    lines = "".join(f"{name}: {'y' * 95}\r\n" for name in names)
    with respond_once(f"HTTP/1.1 200 OK\r\n{lines}Content-Length: 0\r\n\r\n".encode()) as port:
        headers = post(sender, f"http://127.0.0.1:{port}/").response_headers
    assert list(headers) == names[: MAX_RESPONSE_BYTES // 99]


def test_redirects_are_not_followed(receiver: Receiver, sender: Sender) -> None:
    response = post(sender, receiver.url("/redirect"))
    assert response.status_code == 302
    assert response.error == (
        "The receiver answered 302. Redirects are not followed; enter the address that it redirects to."
    )
    assert [request.path for request in receiver.requests()] == ["/redirect"]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "１２７.0.0.1", "[::ffff:127.0.0.1]"]
)
def test_no_request_reaches_a_forbidden_address(receiver: Receiver, host: str) -> None:
    sender = create_sender(allowed=())
    response = post(sender, receiver.url("/ok/x").replace("127.0.0.1", host))
    sender.close()
    assert response.status_code is None
    assert "Webhooks reach only public addresses" in str(response.error)
    assert receiver.requests() == []


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


@pytest.mark.parametrize("scheme", ["", "ftp", "nonsense"])
def test_an_unusable_url_is_reported(receiver: Receiver, sender: Sender, scheme: str) -> None:
    response = post(sender, receiver.url("/ok/x").replace("http", scheme))
    assert response.status_code is None
    assert "The URL" in str(response.error)


def test_an_error_of_the_product_is_raised(receiver: Receiver, sender: Sender) -> None:
    def fail() -> None:
        raise LookupError("a bug")

    with pytest.raises(LookupError, match="a bug"):
        sender.post(receiver.url("/ok/x"), b"{}", {}, on_sent=fail)


def test_refused_and_unresolvable_hosts_are_reported(sender: Sender, free_port: int) -> None:
    response = post(sender, f"http://127.0.0.1:{free_port}/")
    assert response.error == f"127.0.0.1 refused the connection to port {free_port}."
    response = post(sender, "http://no-such-host.invalid/")
    assert response.error == "The host name no-such-host.invalid cannot be resolved."


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_an_ipv6_address_without_a_port_has_the_default_port(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, scheme: str, port: int
) -> None:
    looked_up: list[tuple[str, int]] = []

    def look_up(host: str, port: int, **_: object) -> None:
        looked_up.append((host, port))
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    post(sender, f"{scheme}://[2606:4700:4700::1111]/hooks")
    assert looked_up == [("2606:4700:4700::1111", port)]


@pytest.mark.parametrize("path", ["/ok/x", "/keepalive-close"])
def test_a_long_body_arrives_unchanged(receiver: Receiver, sender: Sender, path: str) -> None:
    body = bytes(range(256)) * 2000
    for _ in range(2):
        assert post(sender, receiver.url(path), body).success
    assert {request.body for request in receiver.requests()} == {body}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("120", 120), ("0", 0), ("soon", None), ("-5", None), ("٣", None), ("99999999999", 999_999_999)],
)
def test_retry_after_in_seconds(receiver: Receiver, sender: Sender, value: str, seconds: float | None) -> None:
    response = post(sender, receiver.url(f"/retry-after/{value}"))
    assert (response.status_code, response.retry_after) == (503, seconds)


@pytest.mark.parametrize(("hours", "seconds"), [(1, 3600), (-1, 0)])
@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", ""])
def test_retry_after_as_a_date(receiver: Receiver, sender: Sender, hours: int, seconds: int, zone: str) -> None:
    retry_at = datetime.now(UTC) + timedelta(hours=hours)
    value = quote(format_datetime(retry_at, usegmt=True).replace("GMT", zone))
    response = post(sender, receiver.url(f"/retry-after/{value}"))
    assert response.retry_after == pytest.approx(seconds, abs=3)
