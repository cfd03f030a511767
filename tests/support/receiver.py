"""A receiver of webhooks that answers in every way a test needs, good or bad.

    with Receiver() as receiver:
        receiver.url("/ok/x")             # where to send
        receiver.requests("/ok/x")        # what was received there

The first part of the path names the behaviour (`BEHAVIOURS` in receiver_process.py). The rest distinguishes the
requests of one test from those of another.
"""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("receiver_process.py")
COMMAND_SECONDS = 30


@dataclass(frozen=True)
class Received:
    """A request. `received_at` is the Unix time of its last byte; `connection` numbers the TCP connections."""

    path: str
    headers: dict[str, str]
    body: bytes
    received_at: float
    connection: int


class Receiver:
    """Starts the process and controls it. `tls` is the paths of a certificate and its key; without it, plain HTTP."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self._scheme = "https" if tls else "http"
        command = [sys.executable, str(PROGRAM), *(["--tls", *map(str, tls)] if tls else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port, self._control_port = map(int, self._process.stdout.readline().split())

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def requests(self, path: str | None = None) -> list[Received]:
        """Return the requests to `path`, or all of them, in the order of their arrival."""
        return [
            Received(path, headers, base64.b64decode(body), received_at, connection)
            for path, headers, body, received_at, connection in self._command("requests", path)
        ]

    def count(self, path: str | None = None) -> int:
        """Return the number of requests to `path`, or of all of them."""
        return int(self._command("count", path))

    def set_status(self, key: str, status: int) -> None:
        """Let `/switch/<key>` answer with this status from now on."""
        self._command("set_status", [key, status])

    def release(self, key: str) -> None:
        """Let `/held/<key>` answer, also to the requests that it has received already."""
        self._command("release", key)

    def clear(self) -> None:
        """Forget all requests."""
        self._command("clear", None)

    def _command(self, name: str, argument: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=COMMAND_SECONDS)
        try:
            connection.request("POST", "/", json.dumps([name, argument]))
            return json.load(connection.getresponse())
        finally:
            connection.close()
