"""The connection of a client, and the request that is arriving on it."""

from __future__ import annotations

import socket
from enum import Enum, auto
from typing import Any

from gunicorn import http
from gunicorn.workers.gthread import TConn

from server.client_socket import BodySource, ClientSocket
from server.pacing import Memory
from server.refusals import BODY_TOO_LARGE, HEAD_TOO_LARGE, NOT_HTTP, OVERLOADED, Refusal
from server.request_classes import RequestClass, RequestClasses
from server.request_head import Head, has_whole_body, parse_head, remove_expectation

# The same limit as that of the application for the body of a JSON call, and room for the framing of chunks.
MAX_BODY_BYTES = 1_000_000
MAX_CHUNKED_BODY_BYTES = 1_200_000
MAX_HEAD_BYTES = 65_536
# gunicorn receives up to 1 MB of a body at a time, and copies what it keeps of that on every read of the application.
# With pieces of this size, an upload takes half as much CPU time.
MAX_RECEIVED_BYTES = 131_072
# A request on a new connection may begin with an empty line (RFC 9112, section 2.2).
EMPTY_LINE = b"\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class State(Enum):
    """What a connection is waiting for."""

    READING = auto()
    """The rest of a request, or the next request."""
    WAITING = auto()
    """A free thread."""
    RUNNING = auto()
    """The application, in a thread."""
    SENDING = auto()
    """The client, which receives the rest of a response."""
    LINGERING = auto()
    """The end of the connection, after the last response was sent."""


class Connection(TConn):  # type: ignore[misc]
    """A connection: gunicorn's, with the bytes of the request that is arriving."""

    sock: ClientSocket
    parser: Any

    def __init__(self, cfg: Any, client_socket: ClientSocket, client: Any, server: Any, memory: Memory) -> None:
        super().__init__(cfg, client_socket, client, server)
        # gunicorn's own wait for the first byte is not needed.
        self.data_ready = True
        self.plain_socket = client_socket
        self.state = State.READING
        self.deadline = 0.0
        self.is_registered = False
        self.is_closed = False
        self.keeps_alive = False
        self.head: Head | None = None
        self.request_class: RequestClass | None = None
        self._buffer = bytearray()
        self._memory = memory
        self._reserved_bytes = 0

    @property
    def is_idle(self) -> bool:
        """Whether no byte of the next request has arrived."""
        return self.state is State.READING and not self._buffer

    @property
    def method(self) -> str:
        """The method of the request; GET until the head has arrived."""
        return self.head.method if self.head else "GET"

    @property
    def path(self) -> str:
        """The path of the request; empty until the head has arrived."""
        return self.head.path if self.head else ""

    def receive(self, data: bytes) -> Refusal | None:
        """Append bytes to the request; return a refusal if the process keeps too many bytes already.

        The first MAX_HEAD_BYTES are always accepted, because the number of connections limits the memory for them.
        """
        needed = len(self._buffer) + len(data) - MAX_HEAD_BYTES - self._reserved_bytes
        if needed > 0:
            if not self._memory.reserve(needed):
                return OVERLOADED
            self._reserved_bytes += needed
        self._buffer += data
        if self.head is None and self._buffer.startswith(EMPTY_LINE):
            self._buffer = self._buffer.lstrip(EMPTY_LINE)
        return None

    def examine(self, classes: RequestClasses) -> RequestClass | Refusal | None:
        """Return the class of the request if it can run now, a refusal if it cannot run at all, else None."""
        if self.head is None:
            self.head = parse_head(self._buffer)
        head = self.head
        if len(self._buffer) > MAX_HEAD_BYTES and (head is None or head.length > MAX_HEAD_BYTES):
            return HEAD_TOO_LARGE
        if head is None:
            # Refuse a client that speaks TLS or another protocol at once, because it would wait for an answer.
            return NOT_HTTP if self._buffer and not self._buffer[:1].isalpha() else None
        request_class = classes.of(head)
        if request_class.reads_body:
            return request_class
        if head.content_length > MAX_BODY_BYTES or len(self._buffer) - head.length > MAX_CHUNKED_BODY_BYTES:
            return BODY_TOO_LARGE
        if has_whole_body(self._buffer, head):
            return request_class
        if head.expects_continue:
            self.head = remove_expectation(self._buffer, head)
            # An empty send buffer always has room for this line.
            self.sock.send(CONTINUE, socket.MSG_DONTWAIT)
        return None

    def feed_parser(self) -> None:
        """Give the bytes that have arrived to gunicorn's parser, which continues to read from the socket."""
        if self.parser is None:
            self.parser = http.get_parser(self.cfg, BodySource(self.sock), self.client)
            self.parser.unreader.max_body_chunk = MAX_RECEIVED_BYTES
        self.initialized = True
        self.plain_socket.request_path = self.path
        self.parser.unreader.unread(bytes(self._buffer))
        self._drop_buffer()

    def has_unread_bytes(self) -> bool:
        """Return whether gunicorn's parser has read a part of the next request."""
        return bool(self.parser.unreader.buf.getvalue())

    def take_unread_bytes(self) -> bytes:
        """Prepare for the next request; return the bytes of it that gunicorn's parser has read ahead."""
        self.head = self.request_class = None
        return bytes(self.parser.unreader.take_buffered())

    def has_client(self) -> bool:
        """Return whether the client is still connected, as far as that is known."""
        try:
            return self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def init(self) -> None:
        """Start TLS, in a thread of the application."""
        super().init()
        if self.cfg.is_ssl:
            self.sock.settimeout(self.plain_socket.limits.stall_seconds)

    def close(self, graceful: bool = False) -> None:
        """Close the connection at once. Only the event loop may call this, and only while no thread uses it."""
        self.is_closed = True
        self._drop_buffer()
        super().close()
        self.plain_socket.close()

    def _drop_buffer(self) -> None:
        self._buffer = bytearray()
        self._memory.release(self._reserved_bytes)
        self._reserved_bytes = 0
