"""HTTP connections that dial only allowed addresses, keep a deadline and limit what they receive.

They plug into urllib3 and use its pools, TLS and HTTP parsing unchanged.
"""

from __future__ import annotations

import functools
import logging
import socket
import ssl
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from webhooks.ssrf_guard import Networks, check_address

# The client tries at most this many addresses of a name.
MAX_ADDRESSES = 8
# The limit for one exchange, including all response heads: a receiver could send interim responses without end.
MAX_RECEIVED_BYTES = 128 * 1024
# Interim responses. 101 is a final one, because the client asks for no other protocol.
INTERIM_STATUSES = {*range(100, 200)} - {101}


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
                sock.exchange = self
                return sock
            except OSError as error:
                sock.close()
                last_error = error
        if last_error is None or isinstance(last_error, TimeoutError):
            raise Unreachable(f"No connection to {host} could be made within {self.connect_seconds:g} s.")
        if isinstance(last_error, ConnectionRefusedError):
            raise Unreachable(f"{host} refused the connection to port {port}.")
        raise Unreachable(f"No connection to {host} could be made: {last_error.strerror or last_error}.")


class _DeadlineMixin:
    """Limits every operation of a socket to the time until the deadline of its exchange.

    A plain timeout starts again with every received byte. This class overrides only what HTTP connections call:
    `send`, `sendall`, and `recv_into` through `makefile`.
    """

    # Set as soon as the connection is made. The TLS handshake uses none of these methods.
    exchange: Exchange

    def _apply_deadline(self) -> None:
        self.settimeout(self.exchange.remaining())  # type: ignore[attr-defined]

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        """Receive within the remaining time. Raise `ResponseTooLong`."""
        self._apply_deadline()
        count: int = super().recv_into(*arguments, **named)  # type: ignore[misc]
        self.exchange.received(count)
        return count

    def send(self, *arguments: Any, **named: Any) -> int:
        """Send within the remaining time; `sendall` of a TLS socket calls this for each part."""
        self._apply_deadline()
        count: int = super().send(*arguments, **named)  # type: ignore[misc]
        return count

    def sendall(self, *arguments: Any, **named: Any) -> None:
        """Send everything within the remaining time; a plain socket applies its timeout to the whole call."""
        self._apply_deadline()
        super().sendall(*arguments, **named)  # type: ignore[misc]


class DeadlineSocket(_DeadlineMixin, socket.socket):
    """A socket that keeps the deadline of its exchange."""


class DeadlineTLSSocket(_DeadlineMixin, ssl.SSLSocket):
    """A TLS socket that keeps the deadline of its exchange."""


@functools.cache
def create_tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificate authorities in a file, by default those of certifi.

    All connections share one context, because reading the file takes long.
    """
    context = ssl.create_default_context(cafile=ca_file or certifi.where())
    context.sslsocket_class = DeadlineTLSSocket
    return context


class _MalformedHeadersFilter(logging.Filter):
    """Replaces the traceback that urllib3 logs for each response with malformed headers by one short line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record."""
        if record.exc_info and isinstance(record.args, tuple) and record.args:
            record.msg, record.args = (
                "The receiver %s sent malformed headers",
                (urlsplit(str(record.args[0])).hostname,),
            )
            record.exc_info = None
        return True


logging.getLogger("urllib3.connection").addFilter(_MalformedHeadersFilter())


class _Response(HTTPResponse):
    """A response that skips interim responses (1xx, RFC 9110, section 15.2)."""

    def begin(self) -> None:
        """Read the head of the final response."""
        super().begin()
        while self.status in INTERIM_STATUSES:
            # `begin` reads another head only while there are no headers.
            self.headers = None  # type: ignore[assignment]
            super().begin()


def create_pool_classes(exchange: Exchange) -> dict[str, Any]:
    """Return the connection pool classes for urllib3, by scheme. Their connections dial through `exchange`."""

    class Connection(HTTPConnection):
        response_class = _Response

        def _new_conn(self) -> socket.socket:
            return exchange.dial(self._dns_host, self.port)

        def getresponse(self) -> Any:
            # A receiver that writes head and body separately may wait for an acknowledgement between them (RFC 896).
            if hasattr(socket, "TCP_QUICKACK"):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            exchange.sent()
            try:
                response = super().getresponse()
            except (OSError, HTTPException, ResponseTooLong):
                raise
            except Exception as error:
                # The standard library does not document what it raises for malformed responses.
                raise HTTPException(str(error)) from error
            if exchange.ended:
                # If the stream ends within the head, the standard library takes the head as complete.
                response.close()
                raise ConnectionAbortedError
            return response

    class TLSConnection(Connection, HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            sock = super()._new_conn()
            # This is the timeout of the whole handshake.
            sock.settimeout(exchange.remaining())
            return sock

        def connect(self) -> None:
            super().connect()
            self.sock.exchange = exchange  # type: ignore[union-attr]

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    return {"http": Pool, "https": TLSPool}
