"""Clients of a web process that speak HTTP at their own pace, byte by byte."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

ANSWER_SECONDS = 60


class Answer(NamedTuple):
    """A response: its status, its headers and its body."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return the JSON of the body."""
        return json.loads(self.body)


class RawClient:
    """A connection to a port of this machine."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.connect(("127.0.0.1", port))

    def send(self, *lines: str, body: bytes = b"") -> RawClient:
        """Send the head of a request, and then a part of its body."""
        self.socket.sendall("\r\n".join([*lines, "Host: localhost", "", ""]).encode() + body)
        return self

    def read_answer(self, method: str = "GET") -> Answer:
        """Return the next response."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        return Answer(response.status, response.headers, response.read())

    def has_answer(self) -> bool:
        """Return whether something has arrived that was not read, or whether the server has closed the connection."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def is_closed(self) -> bool:
        """Return whether the server has closed the connection; drops what it has sent."""
        self.socket.setblocking(False)
        try:
            while self.socket.recv(65_536):
                pass
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


@contextlib.contextmanager
def raw_clients(port: int, count: int, **options: Any) -> Iterator[list[RawClient]]:
    """Open connections, and close them at the end of the block."""
    clients: list[RawClient] = []
    try:
        for _ in range(count):
            clients.append(RawClient(port, **options))
        yield clients
    finally:
        for client in clients:
            client.close()


def get(port: int, path: str) -> Answer:
    """Send a GET request on a connection of its own and return the response."""
    with raw_clients(port, 1) as (client,):
        return client.send(f"GET {path} HTTP/1.1").read_answer()
