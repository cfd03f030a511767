"""Reports to Sentry: sent to a DSN if the package is installed, and a warning otherwise."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from monitoring import sentry
from support.paths import ROOT

# Reports an error as the web process does.
PROGRAM = """
import logging, sys
from monitoring import context, sentry
sentry.start(sys.argv[1], release="1.2.3", environment="test")
context.set_request_id("r-1")
password = "a secret"
with context.working_on("t-1"):
    try:
        raise ValueError("a bug")
    except ValueError:
        logging.getLogger("api.errors").exception("Unexpected error in %s", "GET")
import sentry_sdk
sentry_sdk.flush(10)
"""


@contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A server that accepts reports: its DSN, and the bodies that it has received."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://key@127.0.0.1:{server.server_port}/1", received
        finally:
            server.shutdown()
            thread.join()


def test_an_error_is_reported_with_its_request_and_job_and_without_values() -> None:
    with listener() as (dsn, received):
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, dsn], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for body in received for line in body.splitlines()]
    (event,) = [line for line in lines if "exception" in line]
    assert (event["release"], event["environment"]) == ("1.2.3", "test")
    assert event["tags"] == {"request_id": "r-1", "task_id": "t-1"}
    assert event["exception"]["values"][0]["value"] == "a bug"
    assert b"a secret" not in b"".join(received)


def test_a_report_has_of_its_request_only_what_names_it() -> None:
    request = {"method": "GET", "url": "http://h/api/products", "query_string": "q=x", "headers": {"X": "y"}, "data": 1}
    assert sentry._add_context({"request": request}, {}) == {
        "request": {"method": "GET", "url": "http://h/api/products"},
        "tags": {},
    }


def test_a_missing_package_is_named_in_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    sentry.start("", release="1", environment="test")
    assert caplog.text == ""
    sentry.start("https://key@sentry.example.com/1", release="1", environment="test")
    assert "pip install sentry-sdk" in caplog.text
    assert "key@" not in caplog.text
