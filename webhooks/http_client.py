"""HTTP connections that dial only allowed addresses, keep a deadline and limit what they receive.

They are those of urllib3, with its TLS, and with the HTTP parsing of the standard library.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import logging
import math
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection

from webhooks.ssrf_guard import Networks, check_address

log = logging.getLogger(__name__)

# The client tries at most this many addresses of a name.
MAX_ADDRESSES = 8
# The limit for one exchange, including all response heads: a receiver could send interim responses without end.
MAX_RECEIVED_BYTES = 128 * 1024
# How much longer than the remaining time a socket may wait for the receiver.
TIMEOUT_TOLERANCE_SECONDS = 0.1
# Interim responses. 101 is a final one, because the client asks for no other protocol.
INTERIM_STATUSES = {*range(100, 200)} - {101}
# The body of a request follows its head in the same packet if it is not longer than this.
MAX_JOINED_BYTES = 1 << 16


class Unreachable(Exception):
    """No connection could be made. The message is a sentence for users."""


class ResponseTooLong(Exception):
    """A receiver sent more than `MAX_RECEIVED_BYTES` in one exchange."""


class Exchange:
    """The deadline and the progress of one request and its response. The connections of one thread share it.

    `received_bytes` counts what the receiver has sent. `dialled` says whether this request dialled instead of using a
    kept connection. `is_sent` says whether it has been sent completely, and `ended` whether the receiver has closed the
    connection.
    """

    def __init__(self, allowed: Networks) -> None:
        self.allowed = allowed
        self.deadline = 0.0
        self.connect_seconds = 0.0
        self.total_seconds = 0.0
        self.dialled = False
        self.received_bytes = 0
        self.ended = False
        self.is_sent = False
        self.on_sent: Callable[[], None] | None = None

    def begin(self, connect_seconds: float, total_seconds: float, on_sent: Callable[[], None] | None) -> None:
        """Start the deadline of a new request. `on_sent` is called once it has been sent."""
        self.deadline = time.monotonic() + total_seconds
        self.connect_seconds = connect_seconds
        self.total_seconds = total_seconds
        self.on_sent = on_sent
        self.dialled = self.ended = self.is_sent = False
        self.received_bytes = 0

    def remaining(self) -> float:
        """Return the seconds until the deadline. Raise `TimeoutError` if it has passed."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def received(self, count: int) -> None:
        """Count received bytes; 0 means the end of the stream. Raise `ResponseTooLong` beyond the limit."""
        self.received_bytes += count
        self.ended = count == 0
        if self.received_bytes > MAX_RECEIVED_BYTES:
            raise ResponseTooLong

    def sent(self) -> None:
        """Note that the request was sent, and call `on_sent` unless this request has called it already."""
        on_sent, self.on_sent = self.on_sent, None
        if on_sent is not None:
            on_sent()
        self.is_sent = True

    def dial(self, host: str, port: int) -> socket.socket:
        """Connect to an address of `host`.

        Raises `ForbiddenAddress` if one of its addresses must not be reached, `Unreachable` if no connection is made.
        """
        self.dialled = True
        self.ended = False
        end = min(self.deadline, time.monotonic() + self.connect_seconds)
        try:
            results = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unreachable(f"The host name {host} cannot be resolved.") from None
        # One forbidden address forbids the name: which address is dialled must not be left to chance.
        for *_, address in results:
            check_address(str(address[0]), self.allowed)
        results = results[:MAX_ADDRESSES]
        last_error: OSError | None = None
        for index, (family, kind, protocol, _, address) in enumerate(results):
            # Share the time, so that an address that does not respond leaves time for the others.
            seconds = (end - time.monotonic()) / (len(results) - index)
            if seconds <= 0:
                break
            sock = DeadlineSocket(family, kind, protocol)
            try:
                sock.settimeout(seconds)
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.limit(self)
                return sock
            except OSError as error:
                sock.close()
                last_error = error
        if last_error is None or isinstance(last_error, TimeoutError):
            raise Unreachable(f"No connection to {host} could be made within {self.connect_seconds:g} s.")
        if isinstance(last_error, ConnectionRefusedError):
            raise Unreachable(f"{host} refused the connection to port {port}.")
        raise Unreachable(f"No connection to {host} could be made: {last_error.strerror or last_error}.")


class DeadlineSocket(socket.socket):
    """A plain socket that keeps the deadline of its exchange.

    The kernel limits how long it receives (`SO_RCVTIMEO`). Python's own timeouts would need two more system calls for
    each operation, and each of them makes the other threads take turns.
    """

    # Set as soon as the connection is made.
    exchange: Exchange
    _receive_seconds = 0.0

    def limit(self, exchange: Exchange) -> None:
        """Keep the deadlines of an exchange from now on."""
        self.exchange = exchange
        self.settimeout(None)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """Receive within the remaining time. Raise `ResponseTooLong`."""
        self._limit_receiving(self.exchange.remaining())
        try:
            count = super().recv_into(*arguments, **named)
        except BlockingIOError:
            raise TimeoutError("timed out") from None
        self.exchange.received(count)
        return count

    def sendall(self, data: Any, *arguments: Any) -> None:
        """Send everything within the remaining time."""
        seconds = self.exchange.remaining()
        sent = 0
        with contextlib.suppress(BlockingIOError):
            sent = self.send(data, socket.MSG_DONTWAIT)
        if sent < len(data):
            # The receiver reads slowly. This timeout applies to the whole call.
            self.settimeout(seconds)
            super().sendall(memoryview(data)[sent:], *arguments)
            self.settimeout(None)

    def _limit_receiving(self, seconds: float) -> None:
        """Limit the next call; keep a limit that is only a little longer."""
        if not seconds <= self._receive_seconds <= seconds + TIMEOUT_TOLERANCE_SECONDS:
            self._receive_seconds = seconds
            fraction, whole = math.modf(seconds)
            # 0 would be no limit.
            timeval = struct.pack("@ll", int(whole), max(1, int(fraction * 1_000_000)))
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)


class DeadlineTLSSocket(ssl.SSLSocket):
    """A TLS socket that keeps the deadline of its exchange.

    A plain timeout starts again with every received byte. This class overrides only what HTTP connections call: `send`,
    which `sendall` calls for each part, and `recv_into` through `makefile`.
    """

    # Set as soon as the connection is made. The handshake uses none of these methods.
    exchange: Exchange

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """Receive within the remaining time. Raise `ResponseTooLong`."""
        self.settimeout(self.exchange.remaining())
        count = super().recv_into(*arguments, **named)
        self.exchange.received(count)
        return count

    def send(self, *arguments: Any, **named: Any) -> int:
        """Send within the remaining time."""
        self.settimeout(self.exchange.remaining())
        return super().send(*arguments, **named)


@functools.cache
def create_tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificate authorities in a file, by default those of certifi.

    All connections share one context, because reading the file takes long.
    """
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.sslsocket_class = DeadlineTLSSocket
    return context


class _Response(HTTPResponse):
    """A response that skips interim responses (1xx, RFC 9110, section 15.2)."""

    def begin(self) -> None:
        """Read the head of the final response."""
        super().begin()
        while self.status in INTERIM_STATUSES:
            # `begin` reads another head only while there are no headers.
            self.headers = None  # type: ignore[assignment]
            super().begin()


class Connection(HTTPConnection):
    """A connection to one receiver, which dials again if it was closed. `create_connection` makes one."""

    response_class = _Response
    exchange: Exchange
    _body = b""

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        """Send a request to a path and return its response, of which only the head has been read.

        Close the response before the next request. Raises what `Exchange.dial` raises, `ResponseTooLong`, `OSError` and
        `HTTPException`.
        """
        if self.sock is not None and not self.is_connected:
            # The receiver has closed the kept connection.
            self.close()
        if self.sock is None:
            self.connect()
        self.putrequest("POST", target, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        self._body = body
        # A receiver may respond and close the connection before it has read the whole request.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.endheaders()
        # A receiver that writes head and body separately may wait for an acknowledgement between them (RFC 896).
        if hasattr(socket, "TCP_QUICKACK"):
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self.exchange.sent()
        return self._read_head()

    def send(self, data: bytes) -> None:  # type: ignore[override]
        """Send the head of a request and its body: in one packet, if the body is short."""
        body, self._body = self._body, b""
        if len(body) <= MAX_JOINED_BYTES:
            super().send(data + body)
        else:
            super().send(data)
            super().send(body)

    def _new_conn(self) -> socket.socket:
        return self.exchange.dial(self._dns_host, self.port)

    def _read_head(self) -> HTTPResponse:
        try:
            # The method of urllib3 would wrap the response, which takes as long as reading it.
            response = http.client.HTTPConnection.getresponse(self)
        except (OSError, HTTPException, ResponseTooLong):
            raise
        except Exception as error:
            # The standard library does not document what it raises for malformed responses.
            raise HTTPException(str(error)) from error
        if self.exchange.ended:
            # If the stream ends within the head, the standard library takes the head as complete.
            response.close()
            raise ConnectionAbortedError
        if response.msg.defects:
            log.warning("The receiver %s sent malformed headers", self.host)
        return response


class TLSConnection(Connection, HTTPSConnection):
    """A connection with TLS."""

    def connect(self) -> None:
        """Dial, and verify the certificate."""
        super().connect()
        self.sock.exchange = self.exchange  # type: ignore[union-attr]

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        # This is the timeout of the whole handshake.
        sock.settimeout(self.exchange.remaining())
        return sock


def create_connection(scheme: str, host: str, port: int, exchange: Exchange, ca_file: str | None = None) -> Connection:
    """Return a connection for `http` or `https` that dials through `exchange` when it sends its first request.

    `ca_file` holds the certificate authorities to trust, by default those of certifi.
    """
    if scheme == "https":
        connection: Connection = TLSConnection(host, port, ssl_context=create_tls_context(ca_file))
    else:
        connection = Connection(host, port)
    connection.exchange = exchange
    return connection
