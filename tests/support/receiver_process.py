"""The process of `support.receiver`: an HTTP server whose answers depend on the path.

It prints two ports: the one for webhooks, and the one for commands of the test.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote

HEADER_END = b"\r\n\r\n"
HUGE_BYTES = 100_000_000
BLOCK = b"x" * 65_536
MAX_BUFFERED_BYTES = 1 << 20
DRIP_SECONDS = 1
TRICKLE_SECONDS = 0.1
BUFFER_POLL_SECONDS = 0.001


class Connection(asyncio.Protocol):
    """A connection to the receiver. The class attributes are the state of the whole process."""

    received: list[tuple[str, dict[str, str], bytes, float, int]] = []  # noqa: RUF012
    statuses: dict[str, int] = {}  # noqa: RUF012
    failures: dict[str, int] = {}  # noqa: RUF012
    released: dict[str, asyncio.Event] = {}  # noqa: RUF012
    connections = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.requests = 0
        self._data = b""
        self._task: asyncio.Task[None] | None = None
        Connection.connections += 1
        self._number = Connection.connections

    def connection_lost(self, _: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(HEADER_END)
        if end < 0:
            return
        request_line, *header_lines = self._data[:end].decode("latin-1").split("\r\n")
        path = request_line.split(" ")[1]
        if path.startswith(("/no-read", "/trickle-read")):
            self.transport.pause_reading()
            if path.startswith("/trickle-read") and self._task is None:
                self._task = asyncio.get_running_loop().create_task(trickle_read(self))
            return
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in header_lines)}
        length = int(headers.get("content-length", "0"))
        body_start = end + len(HEADER_END)
        body = self._data[body_start : body_start + length]
        if len(body) < length:
            return
        self._data = self._data[body_start + length :]
        self.requests += 1
        Connection.received.append((path, headers, body, time.time(), self._number))
        _, behaviour, *arguments = (unquote(part, "latin-1") for part in path.split("/"))
        answer = BEHAVIOURS[behaviour](self, arguments, path)
        if answer is not None:
            self._task = asyncio.get_running_loop().create_task(answer)

    def answer(self, status: int = 200, body: bytes = b"ok", headers: str = "") -> None:
        """Send a complete response in one write."""
        self.transport.write(
            f"HTTP/1.1 {status} Answer\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode("latin-1") + body
        )


# Takes the connection, the parts of the path after the behaviour, and the path.
Behaviour = Callable[[Connection, list[str], str], Coroutine[Any, Any, None] | None]


async def trickle_read(connection: Connection) -> None:
    """Read a little every TRICKLE_SECONDS, so that each write of the sender makes some progress."""
    while True:
        await asyncio.sleep(TRICKLE_SECONDS)
        connection.transport.resume_reading()


async def answer_slowly(connection: Connection, arguments: list[str], _: str) -> None:
    await asyncio.sleep(float(arguments[0]))
    connection.answer()


async def answer_when_released(connection: Connection, arguments: list[str], _: str) -> None:
    await Connection.released.setdefault(arguments[0], asyncio.Event()).wait()
    connection.answer()


async def drip_header(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    await drip(connection)


async def drip_body(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    await drip(connection)


async def drip(connection: Connection) -> None:
    while True:
        connection.transport.write(b"x")
        await asyncio.sleep(DRIP_SECONDS)


async def repeat_100_continue(connection: Connection, *_: Any) -> None:
    while True:
        connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(TRICKLE_SECONDS)


async def wait_until_written(connection: Connection) -> None:
    """Wait until most of the data is sent. A lost connection cancels the task at the first `await`."""
    await asyncio.sleep(0)
    while connection.transport.get_write_buffer_size() > MAX_BUFFERED_BYTES:  # noqa: ASYNC110 - there is no event.
        await asyncio.sleep(BUFFER_POLL_SECONDS)


async def send_huge_body(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_BYTES)
    for _number in range(HUGE_BYTES // len(BLOCK)):
        connection.transport.write(BLOCK)
        await wait_until_written(connection)


async def send_endless_chunks(connection: Connection, *_: Any) -> None:
    connection.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.transport.write(b"%x\r\n%s\r\n" % (len(BLOCK), BLOCK))
        await wait_until_written(connection)


def fail_first_requests(connection: Connection, arguments: list[str], path: str) -> None:
    """Answer the first requests to a path with 500; the first argument says how many."""
    Connection.failures[path] = Connection.failures.get(path, 0) + 1
    connection.answer(500 if Connection.failures[path] <= int(arguments[0]) else 200)


def send_raw(data: bytes, *, close: bool = False) -> Behaviour:
    """Return a behaviour that sends exactly `data`, and then closes the connection if `close` is set."""

    def behave(connection: Connection, *_: Any) -> None:
        connection.transport.write(data)
        if close:
            connection.transport.close()

    return behave


def reset(connection: Connection, *_: Any) -> None:
    """Close the connection with a TCP reset."""
    tcp_socket: socket.socket = connection.transport.get_extra_info("socket")
    tcp_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.transport.abort()


def close_at_second_request(connection: Connection, *_: Any) -> None:
    """Close a kept-alive connection while its second request is on the way, as servers do after an idle time."""
    if connection.requests == 1:
        connection.answer()
    else:
        connection.transport.close()


def close_after_keep_alive(connection: Connection, *_: Any) -> None:
    connection.answer(headers="Connection: keep-alive\r\n")
    connection.transport.close()


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": lambda connection, *_: connection.answer(),
    "status": lambda connection, arguments, _: connection.answer(int(arguments[0]), b"as you wish"),
    "slow": answer_slowly,
    "held": answer_when_released,
    "never": lambda *_: None,
    "drip-header": drip_header,
    "drip-body": drip_body,
    "continue": repeat_100_continue,
    "huge": send_huge_body,
    "huge-chunked": send_endless_chunks,
    "early-hints": send_raw(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    ),
    "chunked": send_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    "until-closed": send_raw(b"HTTP/1.0 200 OK\r\n\r\nok", close=True),
    "no-content": send_raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "endless-header": send_raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000),
    "endless-chunk-size": send_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 10_000_000),
    "huge-headers": send_raw(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 60_000) for number in range(300))
    ),
    "many-headers": send_raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
        + b"".join(b"X-%d: yyyyyyyy\r\n" % number for number in range(90))
        + b"\r\n"
    ),
    "redirect": lambda connection, *_: connection.answer(302, b"", "Location: /ok/redirected\r\n"),
    "close": send_raw(b"", close=True),
    "close-second": close_at_second_request,
    "half": send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", close=True),
    "half-head": send_raw(b"HTTP/1.1 200 OK\r\nX-Half: ", close=True),
    "silent-body": send_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    "garbage": send_raw(b"SSH-2.0-OpenSSH_9.2\r\n", close=True),
    "retry-after": lambda connection, arguments, _: connection.answer(503, b"", f"Retry-After: {arguments[0]}\r\n"),
    "gone": lambda connection, *_: connection.answer(410),
    "flaky": fail_first_requests,
    "switch": lambda connection, arguments, _: connection.answer(Connection.statuses.get(arguments[0], 200)),
    "reset": reset,
    "keepalive-close": close_after_keep_alive,
    "gzip": lambda connection, *_: connection.answer(
        200, gzip.compress(b"a" * 10_000_000), "Content-Encoding: gzip\r\n"
    ),
    "nul": lambda connection, *_: connection.answer(200, b"a\0b", "X-Nul: a\0b\r\n"),
    "charset": lambda connection, arguments, _: connection.answer(
        200, b"a +2AA- \\ud800", f"Content-Type: text/plain; charset={arguments[0]}\r\n"
    ),
    "latin1": lambda connection, *_: connection.answer(
        200, "café".encode("latin-1"), "Content-Type: text/plain; charset=latin-1\r\n"
    ),
    "utf8": lambda connection, *_: connection.answer(200, "café".encode(), "Content-Type: text/plain\r\n"),
    "markup": lambda connection, *_: connection.answer(200, b"<img src=x onerror=alert(1)>" + b"long" * 1000),
}


def run_command(name: str, argument: Any) -> Any:
    """Run a command of the test and return its result, which must be JSON."""
    if name == "set_status":
        key, status = argument
        Connection.statuses[key] = status
        return None
    if name == "release":
        Connection.released.setdefault(argument, asyncio.Event()).set()
        return None
    if name == "clear":
        Connection.received.clear()
        return None
    matching = [request for request in Connection.received if argument is None or request[0] == argument]
    if name == "count":
        return len(matching)
    return [
        (path, headers, base64.b64encode(body).decode(), received_at, connection)
        for path, headers, body, received_at, connection in matching
    ]


async def serve_command(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a command, which is the JSON body of a POST."""
    head = (await reader.readuntil(HEADER_END)).lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    result = json.dumps(run_command(*json.loads(await reader.readexactly(length)))).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(result), result))
    await writer.drain()
    writer.close()


async def serve(tls: list[str] | None) -> None:
    """Serve until stdin is closed, which also happens when the test process dies."""
    loop = asyncio.get_running_loop()
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    server = await loop.create_server(Connection, "127.0.0.1", 0, ssl=context)
    command_server = await asyncio.start_server(serve_command, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], command_server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    asyncio.run(serve(parser.parse_args().tls))
