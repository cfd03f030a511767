"""A receiver process that answers webhooks in every way there is, most of them bad.

    with Receiver() as receiver:
        receiver.url("/ok/x")             # where to send
        receiver.requests("/ok/x")        # what came there

The first part of the path says how it behaves (BEHAVIOURS); what follows tells the requests of one test from another's.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

HUGE_BYTES = 100_000_000
PIECE = b"x" * 65_536


@dataclass(frozen=True)
class Received:
    """A request: `at` is when it was whole (Unix time), `connection` the number of the TCP connection it came by."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    connection: int


class Receiver:
    """Starts the process and asks it what came; `tls` is the paths of a certificate and its key."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self._scheme = "https" if tls else "http"
        command = [sys.executable, __file__, *(["--tls", *map(str, tls)] if tls else [])]
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
        """The address of a behaviour."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def requests(self, path: str | None = None) -> list[Received]:
        """What came, to `path` or at all, in the order in which it came."""
        found = self._ask("requests", path)
        return [Received(one[0], one[1], base64.b64decode(one[2]), one[3], one[4]) for one in found]

    def count(self, path: str | None = None) -> int:
        """How many requests came."""
        return int(self._ask("count", path))

    def set_status(self, key: str, status: int) -> None:
        """What `/switch/<key>` answers from now on."""
        self._ask("status", [key, status])

    def clear(self) -> None:
        """Forgets what came."""
        self._ask("clear", None)

    def _ask(self, question: str, about: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control_port, timeout=30)
        try:
            connection.request("POST", "/", json.dumps([question, about]))
            return json.load(connection.getresponse())
        finally:
            connection.close()


class Connection(asyncio.Protocol):
    """A connection to the receiver."""

    received: list[tuple[str, dict[str, str], bytes, float, int]] = []  # noqa: RUF012
    statuses: dict[str, int] = {}  # noqa: RUF012
    failures: dict[str, int] = {}  # noqa: RUF012
    connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._data = b""
        self._task: asyncio.Task[None] | None = None
        self.served = 0
        Connection.connections += 1
        self._number = Connection.connections

    def connection_lost(self, _: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._data[:end].decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        if path.startswith(("/no-read", "/trickle-read")):
            self.transport.pause_reading()
            if path.startswith("/trickle-read") and self._task is None:
                self._task = asyncio.get_running_loop().create_task(trickle_read(self))
            return
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        body = self._data[end + 4 : end + 4 + length]
        if len(body) < length:
            return
        self._data = self._data[end + 4 + length :]
        self.served += 1
        Connection.received.append((path, headers, body, time.time(), self._number))
        _, behaviour, *rest = (unquote(part, "latin-1") for part in path.split("/"))
        answer = BEHAVIOURS[behaviour](self, rest, path)
        if answer is not None:
            self._task = asyncio.get_running_loop().create_task(answer)

    def answer(self, status: int = 200, body: bytes = b"ok", headers: str = "") -> None:
        """One answer, in one piece."""
        self.transport.write(
            f"HTTP/1.1 {status} Answer\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1") + body
        )


Behaviour = Callable[[Connection, list[str], str], Coroutine[Any, Any, None] | None]


async def trickle_read(connection: Connection) -> None:
    """Reads a little ten times a second, so that every single write of the sender gets somewhere."""
    while True:
        await asyncio.sleep(0.1)
        connection.transport.resume_reading()


async def slow(connection: Connection, rest: list[str], _: str) -> None:
    await asyncio.sleep(float(rest[0]))
    connection.answer()


async def drip_header(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        connection.transport.write(b"x")
        await asyncio.sleep(1)


async def drip_body(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        connection.transport.write(b"x")
        await asyncio.sleep(1)


async def proceed(connection: Connection, *_: Any) -> None:
    while True:
        connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.1)


async def written(connection: Connection) -> None:
    """Waits until most of it is out; ends with the connection, which the loop must get to know of."""
    await asyncio.sleep(0)
    while connection.transport.get_write_buffer_size() > 1 << 20:  # noqa: ASYNC110 - a protocol has no event for it.
        await asyncio.sleep(0.001)


async def huge(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
    for _number in range(HUGE_BYTES // len(PIECE)):
        connection.transport.write(PIECE)
        await written(connection)


async def huge_chunked(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.transport.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        await written(connection)


def flaky(connection: Connection, rest: list[str], path: str) -> None:
    Connection.failures[path] = Connection.failures.get(path, 0) + 1
    connection.answer(500 if Connection.failures[path] <= int(rest[0]) else 200)


def raw(data: bytes, *, close: bool = False) -> Behaviour:
    def behave(connection: Connection, *_: Any) -> None:
        connection.transport.write(data)
        if close:
            connection.transport.close()

    return behave


def reset(connection: Connection, *_: Any) -> None:
    taken: socket.socket = connection.transport.get_extra_info("socket")
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


def close_second(connection: Connection, *_: Any) -> None:
    """As a server that gives up a kept connection at the moment that the next request is on its way."""
    if connection.served == 1:
        connection.answer()
    else:
        connection.transport.close()


def keepalive_close(connection: Connection, *_: Any) -> None:
    connection.answer(headers="Connection: keep-alive\r\n")
    connection.transport.close()


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": lambda connection, *_: connection.answer(),
    "status": lambda connection, rest, _: connection.answer(int(rest[0]), b"as you wish"),
    "slow": slow,
    "never": lambda *_: None,
    "drip-header": drip_header,
    "drip-body": drip_body,
    "continue": proceed,
    "huge": huge,
    "huge-chunked": huge_chunked,
    "early-hints": raw(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    ),
    "chunked": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "until-closed": raw(b"HTTP/1.0 200 OK\r\n\r\nok", close=True),
    "no-content": raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "endless-header": raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000),
    "endless-chunk-size": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 10_000_000),
    "huge-headers": raw(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 60_000) for n in range(300))),
    "many-headers": raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"".join(b"X-%d: yyyyyyyy\r\n" % n for n in range(90)) + b"\r\n"
    ),
    "redirect": lambda connection, *_: connection.answer(302, b"", "Location: /ok/redirected\r\n"),
    "close": raw(b"", close=True),
    "close-second": close_second,
    "half": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", close=True),
    "half-head": raw(b"HTTP/1.1 200 OK\r\nX-Half: ", close=True),
    "silent-body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    "garbage": raw(b"SSH-2.0-OpenSSH_9.2\r\n", close=True),
    "retry-after": lambda connection, rest, _: connection.answer(503, b"", f"Retry-After: {rest[0]}\r\n"),
    "gone": lambda connection, *_: connection.answer(410),
    "flaky": flaky,
    "switch": lambda connection, rest, _: connection.answer(Connection.statuses.get(rest[0], 200)),
    "reset": reset,
    "keepalive-close": keepalive_close,
    "gzip": lambda connection, *_: connection.answer(
        200, gzip.compress(b"a" * 10_000_000), "Content-Encoding: gzip\r\n"
    ),
    "nul": lambda connection, *_: connection.answer(200, b"a\0b", "X-Nul: a\0b\r\n"),
    "charset": lambda connection, rest, _: connection.answer(
        200, b"a +2AA- \\ud800", f"Content-Type: text/plain; charset={rest[0]}\r\n"
    ),
    "latin1": lambda connection, *_: connection.answer(
        200, "café".encode("latin-1"), "Content-Type: text/plain; charset=latin-1\r\n"
    ),
    "utf8": lambda connection, *_: connection.answer(200, "café".encode(), "Content-Type: text/plain\r\n"),
    "markup": lambda connection, *_: connection.answer(200, b"<img src=x onerror=alert(1)>" + b"long" * 1000),
}


def told(question: str, about: Any) -> Any:
    """The answer to a question of the test."""
    if question == "status":
        Connection.statuses[about[0]] = about[1]
    elif question == "clear":
        Connection.received.clear()
    elif question == "count":
        return sum(about is None or one[0] == about for one in Connection.received)
    else:
        found = [one for one in Connection.received if about is None or one[0] == about]
        return [(path, headers, base64.b64encode(body).decode(), at, n) for path, headers, body, at, n in found]
    return None


async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one question."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    answer = json.dumps(told(*json.loads(await reader.readexactly(length)))).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
    await writer.drain()
    writer.close()


async def serve(tls: list[str] | None) -> None:
    """Serves until stdin is closed, as when the test's process dies."""
    loop = asyncio.get_running_loop()
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    server = await loop.create_server(Connection, "127.0.0.1", 0, ssl=context)
    controller = await asyncio.start_server(control, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], controller.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2)
    asyncio.run(serve(parser.parse_args().tls))
