"""COPY in a second thread: PostgreSQL reads one chunk while the worker's thread parses the next one."""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
from collections.abc import Iterator

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from monitoring.context import carry

QUEUED_CHUNKS = 2
COPY_BUFFER_BYTES = 1 << 24
PUT_TIMEOUT_SECONDS = 0.1
GET_TIMEOUT_SECONDS = 1


class CopyStream:
    """The file that COPY reads: a bounded queue of chunks, each for one of several COPY statements.

    Successive chunks for the same statement go to one COPY. The writing thread calls `put`, then `end` or `abort`; the
    thread that runs COPY calls the other methods.
    """

    def __init__(self) -> None:
        self._chunks: queue.Queue[tuple[sql.Composable, bytes] | None] = queue.Queue(QUEUED_CHUNKS)
        self._next: tuple[sql.Composable, bytes] | None = None
        self._statement: sql.Composable | None = None
        self._ended = False
        self._closed = threading.Event()
        self._aborted = threading.Event()

    def put(self, statement: sql.Composable, chunk: bytes) -> bool:
        """Add a chunk for a statement; wait while the queue is full. Return False if the reader has stopped.

        An empty chunk is not added, because COPY would treat it as the end of its input.
        """
        return self._put((statement, chunk)) if chunk else not self._closed.is_set()

    def end(self) -> None:
        """End the stream after the last chunk."""
        self._put(None)

    def abort(self) -> None:
        """Make COPY fail, so that its transaction is rolled back."""
        self._aborted.set()
        self._put(None)

    def close(self) -> None:
        """Tell the writing thread that the reader has stopped."""
        self._closed.set()

    def _put(self, item: tuple[sql.Composable, bytes] | None) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._chunks.put(item, timeout=PUT_TIMEOUT_SECONDS)
                return True
        return False

    def _get(self) -> tuple[sql.Composable, bytes] | None:
        while True:
            # The timeout lets this thread see `abort` even if the writing thread had no memory to add the last item.
            with contextlib.suppress(queue.Empty):
                item = self._chunks.get(timeout=GET_TIMEOUT_SECONDS)
                if not self._aborted.is_set():
                    return item
            if self._aborted.is_set():
                raise InterruptedError("The writing thread aborted the stream.")

    def next_statement(self) -> sql.Composable | None:
        """Wait for a chunk and return its statement; return None at the end of the stream."""
        if self._ended:
            return None
        self._next = self._next or self._get()
        self._statement = self._next[0] if self._next else None
        return self._statement

    def read(self, _size: int) -> bytes:
        """Return the next chunk of the current statement, whatever size COPY asks for; b"" after its last chunk."""
        item = self._next or self._get()
        if item is None:
            self._ended = True
            return b""
        if item[0] is not self._statement:
            self._next = item
            return b""
        self._next = None
        return item[1]


@contextlib.contextmanager
def running_copy(cursor: Cursor) -> Iterator[CopyStream]:
    """Run COPY in a second thread while the block writes to the stream; raise COPY's error at the end of the block."""
    stream = CopyStream()
    failure: list[BaseException] = []

    def copy() -> None:
        try:
            while (statement := stream.next_statement()) is not None:
                cursor.copy_expert(statement, stream, COPY_BUFFER_BYTES)  # type: ignore[arg-type]  # COPY only calls `read`.
        except BaseException as error:
            failure.append(error)
        finally:
            stream.close()

    thread = threading.Thread(target=carry(copy), name="copy", daemon=True)
    thread.start()
    # A chunk consists of many short-lived lists without reference cycles. Garbage collection among them would take a
    # third of the parsing time.
    collects_garbage = gc.isenabled()
    gc.disable()
    try:
        yield stream
        stream.end()
    except BaseException:
        stream.abort()
        raise
    finally:
        if collects_garbage:
            gc.enable()
        thread.join()
    if failure:
        raise failure[0]
