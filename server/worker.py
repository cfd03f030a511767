"""gunicorn's worker for this product: `worker_class = "server.worker.Worker"`.

One event loop accepts all connections and reads requests as they arrive. A request gets a thread once it is complete,
so a slow client costs no thread. An upload gets its thread when its head is complete. Each class of requests has
threads and a short queue of its own (server/request_classes.py). If the queue is full, or if a request has waited in it
for too long, the loop itself answers 503. The loop also sends what a slow client does not accept at once.

The thread runs `ThreadWorker.handle` of gunicorn: parsing, the application, the response. gunicorn's own event loop is
not used.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import resource
import selectors
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

import config
from server.admission import Admission, Decision
from server.client_socket import ClientSocket
from server.connection import EMPTY_LINE, MAX_BODY_BYTES, Connection, State
from server.dated_response import use_dated_responses
from server.pacing import Memory, PaceLimits, ResponseMemory, TooSlowError
from server.refusals import HEAD_TOO_LARGE, NOT_HTTP, OVERLOADED, TOO_MANY_UPLOADS, TOO_SLOW, Refusal
from server.request_classes import RequestClass, RequestClasses

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
ACCEPT_BATCH = 32
READ_BYTES = 65_536
HEAD_SECONDS = 10
FRESH_SECONDS = 1
# How long a client may take to close its connection after the last response, and to send the rest of a refused request.
LINGER_SECONDS = 5
LINGER_BYTES = 64_000_000
# A stopping process keeps unused connections for a moment, because a client may be sending a request.
STOP_IDLE_SECONDS = 2
MAX_REQUEST_BYTES = 64_000_000
MAX_RESPONSE_BYTES = 64_000_000
# At most this many threads wait for slow clients once the memory for responses is used up.
MAX_WAITING_SENDERS = 4
# Files, pipes and database connections, which need descriptors besides those of clients.
RESERVED_DESCRIPTORS = 128
LOG_INTERVAL_SECONDS = 10
NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
NO_CONNECTION = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ECONNABORTED, errno.EPROTO, errno.EPERM}
# Which connections a full process closes first.
EVICTION_ORDER = {State.LINGERING: 0, State.READING: 1, State.SENDING: 2}


class Worker(ThreadWorker):  # type: ignore[misc]
    """A worker process whose event loop serves slow clients, and refuses requests early if there are too many."""

    alive: bool

    def init_process(self) -> None:
        """Prepare the process, and run the event loop until it stops."""
        settings = config.load()
        self.classes = RequestClasses(max_uploads=settings.max_uploads, max_streams=settings.max_streams)
        self.admission: Admission[Connection] = Admission(self.classes.all())
        self.limits = PaceLimits(settings.client_stall_seconds, settings.client_bytes_per_second)
        self.request_memory = Memory(MAX_REQUEST_BYTES)
        self.response_memory = ResponseMemory(MAX_RESPONSE_BYTES, MAX_WAITING_SENDERS)
        self.connections: set[Connection] = set()
        self.max_connections = _allow_descriptors(self.cfg.worker_connections)
        # Only gunicorn's own event loop uses this limit.
        self.max_keepalived = sys.maxsize
        self._checked_at = time.monotonic()
        self._refused = 0
        self._logged_at = 0.0
        # Importing these decides whether metrics are shared, which gunicorn.conf.py must do before.
        from monitoring.errors import ErrorCounter
        from monitoring.metrics import HTTP_REFUSED

        self._refusals = HTTP_REFUSED
        logging.getLogger("gunicorn.error").addHandler(ErrorCounter())
        use_dated_responses()
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return the threads of all classes; `admission` decides who may use them."""
        return ThreadPoolExecutor(max_workers=self.admission.threads, thread_name_prefix="request")

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that gunicorn's parser does not accept in the shape of every error of the API."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        # The message of the exception can quote a line of the request, which may have a password or an API key.
        self.log.warning("Invalid request from %s: %s", addr[0] if addr else "a local client", type(exc).__name__)
        is_too_large = isinstance(exc, (LimitRequestHeaders, LimitRequestLine))
        with contextlib.suppress(OSError):
            refusal = HEAD_TOO_LARGE if is_too_large else NOT_HTTP
            client.sendall(refusal.render(path=getattr(client, "request_path", "")))

    def run(self) -> None:
        """Serve until a signal stops the process, then finish what is running within `graceful_timeout`."""
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        self.set_accept_enabled(True)
        while self.alive:
            self._serve_events()
            if not self.is_parent_alive():
                break
        self.alive = False
        # Serve the connections that wait already. New ones are refused from now on, instead of waiting in vain.
        for listener in self.sockets:
            self.accept(listener)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()
        # The application ends what may take long, and what its clients can do with another process.
        getattr(getattr(self, "wsgi", None), "begin_to_stop", lambda: None)()
        now = time.monotonic()
        for connection in self.connections:
            if connection.state in {State.READING, State.LINGERING}:
                connection.deadline = min(connection.deadline, now + STOP_IDLE_SECONDS)
        while self.connections and time.monotonic() < now + self.cfg.graceful_timeout:
            self._serve_events()
        for connection in [c for c in self.connections if c.state is not State.RUNNING]:
            self._close(connection)
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _serve_events(self) -> None:
        self.notify()
        self.wait_for_and_dispatch_events(timeout=CHECK_SECONDS)
        now = time.monotonic()
        if now - self._checked_at >= CHECK_SECONDS:
            self._check_deadlines(now, now - self._checked_at)
            self._checked_at = now

    def accept(self, listener: socket.socket) -> None:
        """Accept the connections that wait. If there are too many, first close those that do nothing."""
        for _ in range(ACCEPT_BATCH):
            if len(self.connections) >= self.max_connections:
                self._evict()
            try:
                accepted, address = listener.accept()
            except OSError as error:
                if error.errno in NO_DESCRIPTORS:
                    if not self._evict():
                        # The next check accepts again.
                        self.set_accept_enabled(False)
                elif error.errno not in NO_CONNECTION:
                    raise
                return
            client_socket = ClientSocket(accepted.detach(), self.limits, self.response_memory)
            server = listener.getsockname()
            connection = Connection(self.cfg, client_socket, address, server, self.request_memory)
            self.connections.add(connection)
            self._await_request(connection, self._head_seconds)

    @property
    def _head_seconds(self) -> float:
        return min(HEAD_SECONDS, self.limits.stall_seconds)

    def _await_request(self, connection: Connection, seconds: float) -> None:
        if not self.alive:
            seconds = min(seconds, STOP_IDLE_SECONDS)
        connection.state, connection.deadline = State.READING, time.monotonic() + seconds
        self._register(connection, selectors.EVENT_READ, self._on_readable)

    def _on_readable(self, connection: Connection) -> None:
        if self.cfg.is_ssl:
            self._admit(connection, self.classes.encrypted)
            return
        was_idle = connection.is_idle
        try:
            data = connection.sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        if was_idle and data.strip(EMPTY_LINE):
            connection.deadline = time.monotonic() + self._head_seconds
        self._process(connection, data)

    def _process(self, connection: Connection, data: bytes) -> None:
        """Add bytes to the request of a connection, and run or refuse it once that is possible."""
        if refusal := connection.receive(data):
            self._refuse(connection, refusal)
            return
        knew_head = connection.head is not None
        try:
            result = connection.examine(self.classes)
        except OSError:
            self._close(connection)
            return
        if isinstance(result, Refusal):
            self._refuse(connection, result)
        elif result is not None:
            self._admit(connection, result)
        elif not knew_head and (head := connection.head):
            length = MAX_BODY_BYTES if head.is_chunked else head.content_length
            seconds = self.limits.stall_seconds + length / self.limits.bytes_per_second
            connection.deadline = time.monotonic() + seconds

    def _admit(self, connection: Connection, request_class: RequestClass) -> None:
        self._unregister(connection)
        connection.request_class = request_class
        decision = self.admission.admit(connection, request_class, time.monotonic())
        if decision is Decision.START:
            self._start(connection, request_class)
        elif decision is Decision.WAIT:
            connection.state = State.WAITING
        else:
            self._refuse_for_load(connection)

    def _start(self, connection: Connection, request_class: RequestClass) -> None:
        connection.state = State.RUNNING
        connection.plain_socket.keeps_rest = not request_class.streams
        if not self.cfg.is_ssl:
            connection.feed_parser()
        future = self.tpool.submit(self.handle, connection)
        future.add_done_callback(lambda done: self.method_queue.defer(self._finish, connection, request_class, done))

    def _finish(self, connection: Connection, request_class: RequestClass, future: Future[Any]) -> None:
        """Continue with a connection whose request has run, and start the next request of its class."""
        waiting = self.admission.finish(request_class)
        while waiting is not None and not (self.cfg.is_ssl or waiting.has_client()):
            # Its client has disconnected.
            self._close(waiting)
            waiting = self.admission.finish(request_class)
        if waiting is not None:
            self._start(waiting, request_class)
        connection.keeps_alive = future.exception() is None and bool(future.result())
        if connection.plain_socket.has_failed:
            self._close(connection)
            return
        try:
            connection.sock.setblocking(False)
        except OSError:
            self._close(connection)
            return
        connection.state = State.SENDING
        self._send_rest(connection)

    def _send_rest(self, connection: Connection) -> None:
        """Send what the client accepts of the response; go on to the next request when all is sent."""
        try:
            is_sent = connection.plain_socket.flush()
        except OSError:
            self._close(connection)
            return
        if not is_sent:
            self._register(connection, selectors.EVENT_WRITE, self._send_rest)
            return
        self._unregister(connection)
        if not connection.keeps_alive:
            self._linger(connection)
            return
        if self.cfg.is_ssl and connection.has_unread_bytes():
            self._admit(connection, self.classes.encrypted)
            return
        data = connection.take_unread_bytes()
        self._await_request(connection, self._head_seconds if data else self.cfg.keepalive)
        if data:
            self._process(connection, data)

    def _refuse_for_load(self, connection: Connection) -> None:
        self._refused += 1
        self._count_refusal(connection.request_class)
        is_upload = connection.request_class is self.classes.upload
        self._refuse(connection, TOO_MANY_UPLOADS if is_upload else OVERLOADED)

    def _count_refusal(self, request_class: RequestClass | None) -> None:
        # The class of a request whose head has not arrived is unknown.
        self._refusals.labels(request_class.name if request_class else self.classes.other.name).inc()

    def _refuse(self, connection: Connection, refusal: Refusal) -> None:
        """Answer a request without running it. Its connection then closes."""
        self._unregister(connection)
        if not self.cfg.is_ssl:
            # The response fits into the buffer of the socket, unless the client has not received earlier ones.
            with contextlib.suppress(OSError):
                connection.sock.send(refusal.render(connection.method, connection.path), socket.MSG_DONTWAIT)
        self._linger(connection)

    def _linger(self, connection: Connection) -> None:
        """Close the sending direction, and read on for a while: closing at once could destroy the last response.

        See RFC 9112, section 9.6.
        """
        try:
            connection.sock.setblocking(False)
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.state, connection.deadline = State.LINGERING, time.monotonic() + LINGER_SECONDS
        remaining = LINGER_BYTES

        def discard(connection: Connection) -> None:
            nonlocal remaining
            try:
                count = len(connection.sock.recv(READ_BYTES))
            except BlockingIOError:
                return
            except OSError:
                count = 0
            remaining -= count
            if not count or remaining <= 0:
                self._close(connection)

        self._register(connection, selectors.EVENT_READ, discard)

    def _check_deadlines(self, now: float, elapsed: float) -> None:
        """Close or refuse the connections whose time is over; `elapsed` is the time since the last check."""
        for connection in self.admission.take_expired(now):
            self._refuse_for_load(connection)
        for connection in list(self.connections):
            if connection.state is State.SENDING:
                try:
                    connection.plain_socket.record_wait(elapsed)
                except TooSlowError:
                    self._close(connection)
            elif connection.state is State.READING and now >= connection.deadline and not connection.is_idle:
                self._refuse(connection, TOO_SLOW)
            elif connection.state in {State.READING, State.LINGERING} and now >= connection.deadline:
                self._close(connection)
        if self.alive:
            self.set_accept_enabled(True)
        if self._refused and now - self._logged_at >= LOG_INTERVAL_SECONDS:
            log.warning("The web process has too much to do: it refused %d requests", self._refused)
            self._refused, self._logged_at = 0, now

    def _evict(self) -> bool:
        """Close the connection that matters least; return False if there is none that may be closed."""
        candidates = [connection for connection in self.connections if connection.state in EVICTION_ORDER]
        if not candidates:
            return False
        # A client that has connected a moment ago is about to send its request.
        fresh = time.monotonic() + self._head_seconds - FRESH_SECONDS

        def loss(connection: Connection) -> tuple[int, bool, float]:
            is_unused = connection.is_idle and connection.deadline < fresh
            return EVICTION_ORDER[connection.state], not is_unused, connection.deadline

        victim = min(candidates, key=loss)
        if victim.state is State.READING and not victim.is_idle:
            self._refused += 1
            self._count_refusal(victim.request_class)
            with contextlib.suppress(OSError):
                victim.sock.send(OVERLOADED.render(victim.method, victim.path), socket.MSG_DONTWAIT)
        self._close(victim)
        return True

    def _register(self, connection: Connection, events: int, callback: Callable[[Connection], None]) -> None:
        def call(_descriptor: Any) -> None:
            # An earlier event of the same round may have closed the connection.
            if not connection.is_closed:
                callback(connection)

        if connection.is_registered:
            self.poller.modify(connection.sock, events, call)
        else:
            self.poller.register(connection.sock, events, call)
            connection.is_registered = True

    def _unregister(self, connection: Connection) -> None:
        if connection.is_registered:
            self.poller.unregister(connection.sock)
            connection.is_registered = False

    def _close(self, connection: Connection) -> None:
        self._unregister(connection)
        self.connections.discard(connection)
        connection.close()


def _allow_descriptors(connections: int) -> int:
    """Raise the limit of open files to allow this many connections; return how many connections the limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + RESERVED_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return max(1, min(connections, soft - RESERVED_DESCRIPTORS))
    return connections
