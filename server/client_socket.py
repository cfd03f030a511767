"""Sockets that wait for a client only as long as it makes progress."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import select
import socket
import struct
import sys
import termios
import time
from collections import deque
from typing import Any

from server.pacing import Pace, PaceLimits, ResponseMemory, TooSlowError

# How often a thread that waits for its client checks whether the client makes progress.
CHECK_SECONDS = 1.0
MAX_OUTBOX_BYTES = 16_000_000
HAS_SEND_QUEUE_IOCTL = sys.platform == "linux"


class ClientSocket(socket.socket):
    """The socket of a client.

    If `keeps_rest` is set, `sendall` does not wait for a slow client: what the client does not accept at once goes to
    the outbox, and the event loop sends it with `flush`. Otherwise, or if the outbox is full, `sendall` waits for the
    client. If the client makes no progress, `sendall` fails as if the client had reset the connection. It fails at once
    if too many other threads wait because of a full outbox.

    The socket must be non-blocking or have no timeout: with a timeout, Python waits before each call.
    """

    def __init__(self, descriptor: int, limits: PaceLimits, memory: ResponseMemory) -> None:
        super().__init__(fileno=descriptor)
        self.limits = limits
        self.keeps_rest = False
        # The path of the request that runs, which gunicorn does not know when it cannot parse the request.
        self.request_path = ""
        self.has_failed = False
        self._outbox: deque[memoryview] = deque()
        self._outbox_bytes = 0
        self._memory = memory
        self._pace = Pace(limits)
        self._sent_bytes = 0
        self._received_bytes = 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send the data, or keep it for the event loop. After an `OSError` the response is incomplete."""
        try:
            self._send_or_keep(memoryview(data).cast("B"))
        except OSError:
            self.has_failed = True
            raise

    def _send_or_keep(self, rest: memoryview) -> None:
        if not self._outbox:
            rest = rest[self._send_now(rest) :]
        if not rest or (self.keeps_rest and self._keep(rest)):
            return
        if not self.keeps_rest:
            self._send_slowly(rest)
            return
        if not self._memory.waiting_senders.acquire(blocking=False):
            raise ConnectionResetError(errno.ECONNRESET, "too many clients receive slowly")
        try:
            for kept in list(self._outbox):
                self._send_slowly(kept)
            self._drop_outbox()
            self._send_slowly(rest)
        finally:
            self._memory.waiting_senders.release()

    def flush(self) -> bool:
        """Send what the client accepts of the outbox now; return whether the outbox is empty. Raises `OSError`."""
        while self._outbox:
            sent = self._send_now(self._outbox[0])
            self._outbox_bytes -= sent
            self._memory.release(sent)
            if sent < len(self._outbox[0]):
                self._outbox[0] = self._outbox[0][sent:]
                return False
            self._outbox.popleft()
        return True

    def record_wait(self, seconds: float) -> None:
        """Record that the server has waited for the client to receive data; raises `TooSlowError`."""
        # Bytes in the buffer of the operating system have not reached the client. The buffer may hold megabytes.
        received = self._sent_bytes - _count_unacknowledged_bytes(self)
        moved = max(0, received - self._received_bytes)
        self._received_bytes += moved
        self._pace.record(seconds, moved)

    def close(self) -> None:
        """Close the socket. If a response is incomplete, reset the connection, so that the client notices."""
        if self._outbox or self.has_failed:
            # A lingering time of 0 makes close() send RST instead of FIN.
            with contextlib.suppress(OSError):
                self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._drop_outbox()
        super().close()

    def _keep(self, rest: memoryview) -> bool:
        if self._outbox_bytes + len(rest) > MAX_OUTBOX_BYTES or not self._memory.reserve(len(rest)):
            return False
        self._outbox_bytes += len(rest)
        # A copy, because the caller may change its data.
        self._outbox.append(memoryview(bytes(rest)))
        return True

    def _drop_outbox(self) -> None:
        self._memory.release(self._outbox_bytes)
        self._outbox_bytes = 0
        self._outbox.clear()

    def _send_now(self, data: memoryview) -> int:
        try:
            sent = self.send(data, socket.MSG_DONTWAIT) if data else 0
        except BlockingIOError:
            return 0
        self._sent_bytes += sent
        return sent

    def _send_slowly(self, rest: memoryview) -> None:
        poller = select.poll()
        poller.register(self, select.POLLOUT)
        while rest := rest[self._send_now(rest) :]:
            started = time.monotonic()
            poller.poll(CHECK_SECONDS * 1000)
            try:
                self.record_wait(time.monotonic() - started)
            except TooSlowError as error:
                raise ConnectionResetError(errno.ECONNRESET, str(error)) from None


class BodySource:
    """What gunicorn's parser reads a request from: the client's socket, as long as the client makes progress.

    `recv` raises `TooSlowError` when the client makes no progress. gunicorn sets the timeout to limit how long it reads
    a body that the application did not read.
    """

    def __init__(self, client: ClientSocket) -> None:
        self._client = client
        self._pace = Pace(client.limits)
        self._timeout: float | None = None

    def gettimeout(self) -> float | None:
        """Return the timeout of a read, in seconds."""
        return self._timeout

    def settimeout(self, seconds: float | None) -> None:
        """Set the timeout of a read, in seconds."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are any; none if the client has closed the connection."""
        started = time.monotonic()
        poller = None
        while True:
            try:
                data = self._client.recv(size, socket.MSG_DONTWAIT)
            except BlockingIOError:
                data = None
            if data is not None:
                self._pace.record(0.0, len(data))
                return data
            if self._timeout is not None and time.monotonic() - started > self._timeout:
                raise TooSlowError("the rest of the body did not arrive in time")
            if poller is None:
                poller = select.poll()
                poller.register(self._client, select.POLLIN)
            waited_from = time.monotonic()
            poller.poll(CHECK_SECONDS * 1000)
            self._pace.record(time.monotonic() - waited_from, 0)


def _count_unacknowledged_bytes(client: socket.socket) -> int:
    """Return how many sent bytes the client has not acknowledged; 0 where the system cannot report that."""
    if not HAS_SEND_QUEUE_IOCTL:
        return 0
    try:
        answer = fcntl.ioctl(client.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])
