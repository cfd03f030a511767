"""OpenID Connect providers of this machine: a real one in a process of its own, and one that a test lets misbehave."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import requests
from flask.testing import FlaskClient
from joserfc import jws
from joserfc.jwk import KeySet, RSAKey
from werkzeug.test import TestResponse

from support.processes import Processes
from support.waiting import wait_for

CLIENT_ID, CLIENT_SECRET = "acme", "a secret of the client"
REQUEST_SECONDS = 30


def start_real_provider(processes: Processes, port: int, *users: dict[str, Any]) -> str:
    """Start oidc-provider-mock with these people (claims with `sub`), and return its issuer."""
    options = [part for user in users for part in ("--user-claims", json.dumps(user))]
    processes.start("-m", "oidc_provider_mock", "--port", str(port), *options)
    issuer = f"http://127.0.0.1:{port}"
    wait_for("the provider answers", lambda: _answers(issuer))
    return issuer


def _answers(issuer: str) -> bool:
    try:
        return requests.get(f"{issuer}/.well-known/openid-configuration", timeout=REQUEST_SECONDS).ok
    except requests.ConnectionError:
        return False


def provider_settings(issuer: str, **changes: str) -> dict[str, str]:
    """Return the settings for a provider of this machine."""
    return {
        "OIDC_ISSUER": issuer,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "OIDC_ROLES": "admin=acme-admins,editor=acme-editors,viewer=everyone",
        **changes,
    }


def start_sign_in(client: FlaskClient) -> str:
    """Start a sign-in in a browser and return the address at the provider to which it goes."""
    response = client.get("/api/session/oidc")
    assert response.status_code == 302, response.text
    return str(response.headers["Location"])


def come_back(client: FlaskClient, callback: str) -> TestResponse:
    """Open the address to which the provider sends the browser."""
    parts = urlsplit(callback)
    return client.get(f"{parts.path}?{parts.query}", base_url=f"{parts.scheme}://{parts.netloc}")


def consent_at_real_provider(address: str, sub: str, action: str = "") -> str:
    """Sign in at oidc-provider-mock, or `deny`; return the address to which it sends the browser."""
    response = requests.post(
        address, data={"sub": sub, "action": action}, allow_redirects=False, timeout=REQUEST_SECONDS
    )
    assert response.status_code == 302, response.text
    return response.headers["Location"]


class FakeProvider:
    """A provider that answers as a test wants. By default it follows the standard, and checks PKCE and the secret.

    `claims` are added to the ID token, a value of None removes one. `answers` maps a path to the status and the body
    that it gives instead. `slow_paths` send one byte of the body and then nothing more, `dripping_paths` a head without
    an end.
    """

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.slow_paths: set[str] = set()
        self.dripping_paths: set[str] = set()
        self.requests: list[str] = []
        self.published = [RSAKey.generate_key(2048, parameters={"use": "sig"}, auto_kid=True)]
        self.signing_key: Any = self.published[0]
        self.header: dict[str, Any] = {"alg": "RS256"}
        self.codes: dict[str, dict[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.ended = threading.Event()
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"

    def consent(self, address: str) -> str:
        """Sign in; return the address to which the provider sends the browser."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        assert query["client_id"] == CLIENT_ID
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        parameters = {"code": code, "state": query["state"], "iss": self.issuer, "session_state": "x"}
        return f"{query['redirect_uri']}?{urlencode(parameters)}"

    def id_token(self, nonce: str) -> str:
        """Return an ID token."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "subject-1",
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "email": "ada@example.com",
            "email_verified": True,
            "name": "Ada Lovelace",
            "roles": ["acme-admins"],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"kid": self.signing_key.kid, **self.header}
        # `jwt.encode` could not write texts that are not valid Unicode.
        return jws.serialize_compact(header, json.dumps(claims), self.signing_key, [header["alg"]])

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the body of the token endpoint; each code works once."""
        secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {secret}":
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if query is None or query["code_challenge"] != challenge.rstrip(b"=").decode():
            return 400, {"error": "invalid_grant"}
        if form.get("redirect_uri") != query["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(query["nonce"])}

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        """Return the status and the body for a request."""
        if path in self.answers:
            return self.answers[path]
        if path == "/token":
            status, body = self.exchange(form, authorization)
        elif path == "/jwks":
            status, body = 200, {**KeySet(list(self.published)).as_dict()}
        else:
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            urls = dict(zip(names, (f"{self.issuer}{path}" for path in ("/authorize", "/token", "/jwks")), strict=True))
            status, body = 200, {"issuer": self.issuer, **urls, **self.metadata}
        return status, json.dumps(body).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self._answer({name: values[0] for name, values in parse_qs(text).items()})

            def _answer(self, form: dict[str, str]) -> None:
                provider.requests.append(self.path)
                status, body = provider.answer(self.path, form, self.headers.get("Authorization", ""))
                if self.path in provider.dripping_paths:
                    self._drip()
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.path in provider.slow_paths:
                    self.wfile.write(body[:1])
                    self.wfile.flush()
                    provider.ended.wait()
                else:
                    self.wfile.write(body)

            def _drip(self) -> None:
                """Send a head that never ends, each byte before the timeout of a step."""
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                with contextlib.suppress(OSError):
                    while not provider.ended.wait(0.02):
                        self.wfile.write(b"x")

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    """Run a provider that a test lets misbehave."""
    provider = FakeProvider()
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.ended.set()
        provider.server.shutdown()
        provider.server.server_close()
        thread.join()


@contextmanager
def refused_port() -> Iterator[int]:
    """Hold a port on which nothing listens."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
