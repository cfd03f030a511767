"""COPY in a second thread, fed by the first: PostgreSQL takes one chunk while the next one is made."""

from __future__ import annotations

import contextlib
import gc
import queue
import threading
from collections.abc import Iterator
from typing import Any

from psycopg2 import sql

QUEUED_CHUNKS = 2
COPY_BUFFER_BYTES = 1 << 24


class CopyFeed:
    """What COPY reads as its file: a bounded queue of chunks, each for one of several statements.

    Statements take turns: chunks of the same statement, one behind the other, are one COPY.
    """

    def __init__(self) -> None:
        self._chunks: queue.Queue[tuple[sql.Composable, bytes] | None] = queue.Queue(QUEUED_CHUNKS)
        self._next: tuple[sql.Composable, bytes] | None = None
        self._statement: sql.Composable | None = None
        self._ended = False
        self._closed = threading.Event()
        self._aborted = threading.Event()

    def write(self, statement: sql.Composable, chunk: bytes) -> bool:
        """Hands a chunk over to a statement; False when the reader is gone."""
        return self._put((statement, chunk))

    def end(self) -> None:
        """Ends the last COPY behind the last chunk."""
        self._put(None)

    def abort(self) -> None:
        """Makes the COPY fail, so that nothing of it stays."""
        self._aborted.set()
        self._put(None)

    def close(self) -> None:
        """Tells the writer that nobody reads any more."""
        self._closed.set()

    def _put(self, item: tuple[sql.Composable, bytes] | None) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._chunks.put(item, timeout=0.1)
                return True
        return False

    def _get(self) -> tuple[sql.Composable, bytes] | None:
        item = self._chunks.get()
        if self._aborted.is_set():
            raise InterruptedError("the reading was given up")
        return item

    def next_statement(self) -> sql.Composable | None:
        """Waits for the next chunk; returns the statement that it is for, None at the end."""
        if self._ended:
            return None
        self._next = self._next or self._get()
        self._statement = self._next[0] if self._next else None
        return self._statement

    def read(self, _size: int) -> bytes:
        """Returns the next chunk whole, whatever size COPY asks for; b"" where those of its statement end."""
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
def copying(cursor: Any, feed: CopyFeed) -> Iterator[None]:
    """Runs COPY from `feed` in a second thread; its error, if any, is raised when the block ends."""
    failure: list[BaseException] = []

    def copy() -> None:
        try:
            while (statement := feed.next_statement()) is not None:
                cursor.copy_expert(statement, feed, COPY_BUFFER_BYTES)
        except BaseException as error:
            failure.append(error)
        finally:
            feed.close()

    thread = threading.Thread(target=copy, name="copy", daemon=True)
    thread.start()
    # The rows of a chunk are many lists that live shortly; looking for cycles among them costs a third of parsing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        feed.end()
    except BaseException:
        feed.abort()
        raise
    finally:
        if collecting:
            gc.enable()
        thread.join()
    if failure:
        raise failure[0]
