"""Connections with TLS: certificates, handshakes, timeouts and kept connections."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.prerequisites import skip_or_fail
from support.processes import run_program
from support.receiver import Receiver
from support.webhooks import TIMED_OUT, create_sender, post, respond_once
from webhooks import http_client
from webhooks.sender import Sender


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
    response = post(sender, secure.url("/ok/x"))
    assert response.error == "The certificate of 127.0.0.1 is not valid: self-signed certificate."
    assert secure.requests() == []


def test_a_trusted_certificate_allows_many_requests(secure: Receiver, trusting: Sender) -> None:
    for _ in range(3):
        assert post(trusting, secure.url("/ok/x")).response_text == "ok"
    assert len({request.connection for request in secure.requests()}) == 1


def test_a_certificate_for_another_name_is_refused(secure: Receiver, trusting: Sender) -> None:
    response = post(trusting, secure.url("/ok/x").replace("127.0.0.1", "localhost"))
    assert str(response.error).startswith("The certificate of localhost is not valid: Hostname mismatch")
    assert secure.requests() == []


@pytest.mark.parametrize("path", ["/keepalive-close", "/close-second/x"])
def test_a_closed_tls_connection_is_replaced(secure: Receiver, trusting: Sender, path: str) -> None:
    for _ in range(20):
        assert post(trusting, secure.url(path)).success


@pytest.mark.parametrize("path", ["/never", "/drip-header", "/no-read", "/trickle-read"])
def test_the_timeout_applies_with_tls(secure: Receiver, trusting: Sender, path: str) -> None:
    assert post(trusting, secure.url(path), b"x" * 30_000_000).error == TIMED_OUT


def test_https_to_a_port_without_tls_is_reported(sender: Sender) -> None:
    with respond_once(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        response = post(sender, f"https://127.0.0.1:{port}/")
    assert response.error == "A TLS connection to 127.0.0.1 could not be made. Does it accept https on this port?"


def test_a_stalled_handshake_times_out(sender: Sender) -> None:
    with respond_once(b"") as port:
        assert post(sender, f"https://127.0.0.1:{port}/").error == TIMED_OUT


def test_all_connections_share_one_tls_context() -> None:
    assert isinstance(http_client.create_tls_context(None), ssl.SSLContext)
    assert http_client.create_tls_context(None) is http_client.create_tls_context(None)
