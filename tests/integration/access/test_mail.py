"""Mails with invitations and links for new passwords, over a real connection to a mail server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from flask.testing import FlaskClient

import config
from access import mail
from support.api import read_error, read_json
from support.oidc_provider import refused_port
from support.prerequisites import skip_or_fail
from support.smtp_server import SmtpServer, smtp_server

ADMIN = {"email": "ada@example.com", "name": "Ada", "password": "a password of many words"}
BOB = {"email": "bob@example.com", "name": "Bob Ünal", "role": "editor"}
PASSWORD = "p:ss@w/rd"
FAILURES = [*SmtpServer.FAILURES, "silent", "hang up", "drip"]


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A certificate for localhost that the product trusts, and its key."""
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is missing, which makes the certificate of this test")
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(paths[0]))
    return paths


def sign_up(environment: dict[str, str], url: str) -> FlaskClient:
    """Return the client of an administrator whose product sends mails with this server."""
    from app import create_app

    settings = config.load(environment | {"SMTP_URL": url, "MAIL_FROM": "Acme <acme@example.com>"})
    client = create_app(settings).test_client()
    read_json(client.post("/api/setup", json=ADMIN), 201)
    return client


def test_an_invitation_and_a_new_password_are_mailed(environment: dict[str, str]) -> None:
    with smtp_server() as server:
        client = sign_up(environment, server.url("user", PASSWORD))
        invited = read_json(client.post("/api/users", json=BOB), 201)
        assert invited["invitation"]["mailed"] is True
        again = read_json(client.post(f"/api/users/{invited['id']}/reset"))
        (user,) = [user for user in read_json(client.get("/api/users")) if user["name"] == "Ada"]
        reset = read_json(client.post(f"/api/users/{user['id']}/reset"))
        assert again["mailed"] is reset["mailed"] is True
    links = [invited["invitation"]["link"], again["link"], reset["link"]]
    assert ["#/invitation/" in link for link in links] == [True, True, False]
    for received, link, recipient in zip(
        server.mails, links, ["bob@example.com", "bob@example.com", "ada@example.com"], strict=True
    ):
        assert (received.sender, received.recipient) == ("acme@example.com", recipient)
        assert received.credentials == ("user", PASSWORD)
        assert received.message["From"] == "Acme <acme@example.com>"
        assert received.message["To"] == recipient
        assert received.message["Message-ID"].endswith("@example.com>")
        assert received.message.get_content_type() == "text/plain"
        assert link in received.message.get_content()
    assert "Hello Bob Ünal," in server.mails[0].message.get_content()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failing_server_never_costs_the_invitation(
    environment: dict[str, str], failure: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mail, "STEP_SECONDS", 0.3)
    monkeypatch.setattr(mail, "TOTAL_SECONDS", 2)
    with smtp_server(failure) as server:
        client = sign_up(environment, server.url("user", PASSWORD))
        invited = read_json(client.post("/api/users", json=BOB), 201)
        # Only the farewell may fail without an effect.
        assert invited["invitation"]["mailed"] is (failure == "farewell")
        link = invited["invitation"]["link"]
        token = link.rpartition("/")[2]
        assert read_json(client.post("/api/account/link", json={"token": token}))["email"] == "bob@example.com"
        assert len(read_json(client.get("/api/users"))) == 2
        assert ("A mail could not be sent" in caplog.text) is (failure != "farewell")
        assert not any(secret in caplog.text for secret in (PASSWORD, token, "secret of the server"))


def test_a_server_that_is_gone_never_costs_the_invitation(environment: dict[str, str]) -> None:
    with refused_port() as port:
        client = sign_up(environment, f"smtp://127.0.0.1:{port}")
        assert read_json(client.post("/api/users", json=BOB), 201)["invitation"]["mailed"] is False
        read_error(client.post("/api/users", json=BOB), 409, "email_taken", "email")


@pytest.mark.parametrize("starttls", [True, False])
def test_mails_are_encrypted(environment: dict[str, str], certificate: tuple[Path, Path], starttls: bool) -> None:
    with smtp_server(certificate=certificate, starttls=starttls) as server:
        client = sign_up(environment, server.url("user", PASSWORD))
        assert read_json(client.post("/api/users", json=BOB), 201)["invitation"]["mailed"] is True
    assert [received.encrypted for received in server.mails] == [True]


@pytest.mark.parametrize("starttls", [True, False])
def test_a_certificate_that_is_not_trusted_stops_the_mail(
    environment: dict[str, str], certificate: tuple[Path, Path], starttls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with smtp_server(certificate=certificate, starttls=starttls) as server:
        client = sign_up(environment, server.url("user", PASSWORD))
        assert read_json(client.post("/api/users", json=BOB), 201)["invitation"]["mailed"] is False
    assert server.mails == []


def test_a_password_leaves_this_machine_only_encrypted(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server is on this machine, so let it count as another one.
    monkeypatch.setattr(mail, "LOOPBACK_HOSTS", set())
    with smtp_server() as server:
        client = sign_up(environment, server.url("user", PASSWORD))
        assert read_json(client.post("/api/users", json=BOB), 201)["invitation"]["mailed"] is False
    assert server.mails == []


ODD_ADDRESSES = ["a,b@example.com", "a\x7fb@example.com", "<bob@example.com", "ünal@example.com", "bob@exämple.com"]


@pytest.mark.parametrize("email", ODD_ADDRESSES)
def test_an_odd_address_is_refused_and_never_reaches_somebody_else(environment: dict[str, str], email: str) -> None:
    with smtp_server() as server:
        client = sign_up(environment, server.url())
        read_error(client.post("/api/users", json={**BOB, "email": email}), 400, "invalid_parameter", "email")
        # The mail itself is checked, too.
        assert not mail.send(server.url(), "Acme <acme@example.com>", mail.Mail(email, "Subject", "Text"))
    assert server.mails == []


@pytest.mark.parametrize("email", ["a.@example.com", ".a..b@example.com", "a%b@example.com", "a!b@example.com", "a@b"])
def test_an_unusual_address_gets_its_mail_or_none_is_sent(environment: dict[str, str], email: str) -> None:
    with smtp_server() as server:
        client = sign_up(environment, server.url())
        invited = read_json(client.post("/api/users", json={**BOB, "email": email}), 201)
    assert [received.recipient for received in server.mails] == [email] * invited["invitation"]["mailed"]
