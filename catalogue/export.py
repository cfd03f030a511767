"""Products as a CSV file, streamed at the speed of `COPY … TO STDOUT`, with memory that does not grow.

COPY runs in a thread on a connection of its own, since a slow client may take minutes, and writes into a short queue of
large blocks; whoever sends the file takes them from there. When nobody takes any for a while, or who did has gone, the
COPY is cancelled: it would hold a snapshot, and with it every row that is deleted meanwhile.
"""

from __future__ import annotations

import contextlib
import io
import logging
import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import psycopg2
from isal import isal_zlib
from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from catalogue.filters import Filter

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 18
QUEUED_BLOCKS = 4
STALLED_SECONDS = 60
LOOK_SECONDS = 0.25
ENDING_SECONDS = 5
# Of igzip's 0 to 3: the files are smaller than those of zlib's level 1, in a quarter of its time.
GZIP_LEVEL = 2
GZIP_FORMAT = 31  # zlib's `wbits` of a gzip file with the largest window.

# A boolean is `t` or `f` in COPY, its text is a word.
COPY = """
COPY (SELECT sku, name, description, active::text AS active FROM products WHERE {condition} ORDER BY id)
TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')
"""
SETTINGS = "SET LOCAL statement_timeout = 0; SET LOCAL jit = off"


class ClientGone(ConnectionResetError):
    """Nobody is there to take the file."""


@dataclass(frozen=True)
class Client:
    """The receiver: `is_gone()` is asked while there is nothing to send, `cut_off()` ends one that takes nothing."""

    is_gone: Callable[[], bool] = lambda: False
    cut_off: Callable[[], None] = lambda: None


class Exports:
    """The exports of one process, of which only some run at once: each has a thread and a database connection."""

    def __init__(self, connect: Callable[[], Connection], *, at_once: int) -> None:
        self._connect = connect
        self._places = threading.BoundedSemaphore(at_once)

    def start(self, wanted: Filter, client: Client) -> Export | None:
        """Starts to export what matches; None when all places are taken. Raises `psycopg2.Error`."""
        if not self._places.acquire(blocking=False):
            return None
        try:
            return Export(self._connect(), wanted, client, ended=self._places.release)
        except BaseException:
            self._places.release()
            raise


class Export:
    """One export; its place and its connection are free when COPY has ended, by itself or by `close()`."""

    def __init__(self, connection: Connection, wanted: Filter, client: Client, ended: Callable[[], None]) -> None:
        self._connection = connection
        self._wanted = wanted
        self._client = client
        self._ended = ended
        self._failure: BaseException | None = None
        self._queue = _Blocks()
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self._thread.start()

    def blocks(self) -> Generator[bytes, None, None]:
        """The file, block by block.

        Raises `psycopg2.Error` when the database fails, `TimeoutError` when no block was taken for `STALLED_SECONDS`,
        `ClientGone` when nobody is there to take one. What came until then is not the whole file.
        """
        try:
            while (block := self._next()) is not None:
                yield block
        finally:
            self.close()

    def packed(self) -> Generator[bytes, None, None]:
        """The same file packed with gzip."""
        packer = isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP_FORMAT)
        with contextlib.closing(self.blocks()) as blocks:
            for block in blocks:
                if packed := packer.compress(block):
                    yield packed
        yield packer.flush()

    def close(self) -> None:
        """Cancels COPY where it still runs."""
        self._queue.give_up()
        if self._thread.is_alive():
            # It may wait for the database, or already be over.
            with contextlib.suppress(psycopg2.Error):
                self._connection.cancel()
            self._thread.join(ENDING_SECONDS)

    def _next(self) -> bytes | None:
        while True:
            with contextlib.suppress(queue.Empty):
                block = self._queue.take(LOOK_SECONDS)
                if self._failure is not None:
                    raise self._failure
                return block
            if self._client.is_gone():
                raise ClientGone

    def _run(self) -> None:
        try:
            # What is left in the buffer of one that was given up goes nowhere.
            with contextlib.suppress(BrokenPipeError), io.BufferedWriter(self._queue, BLOCK_BYTES) as writer:
                self._copy(writer)
        finally:
            self._connection.close()
            self._ended()
            self._queue.end()

    def _copy(self, writer: io.BufferedWriter[Any]) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(SETTINGS)
                cursor.copy_expert(sql.SQL(COPY).format(condition=self._wanted.condition()), writer)
            writer.flush()
        except BaseException as error:
            if self._queue.given_up:
                return
            self._failure = error
            self._queue.give_up()
            if isinstance(error, TimeoutError):
                log.warning("An export was given up: its client took nothing for %s s", STALLED_SECONDS)
                self._client.cut_off()
            else:
                log.error("An export failed: %s", str(error).strip())


class _Blocks(io.RawIOBase):
    """What COPY writes to, through a buffer that makes blocks of rows: a short queue of them."""

    def __init__(self) -> None:
        self.given_up = False
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._places = threading.Semaphore(QUEUED_BLOCKS)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Adds a block; raises `TimeoutError` when no place becomes free, `BrokenPipeError` when it is given up."""
        taken = self.given_up or self._places.acquire(timeout=STALLED_SECONDS)
        if self.given_up:
            raise BrokenPipeError
        if not taken:
            raise TimeoutError
        block = bytes(data)
        self._blocks.put(block)
        return len(block)

    def take(self, seconds: float) -> bytes | None:
        """The next block, or None behind the last; raises `queue.Empty`."""
        block = self._blocks.get(timeout=seconds)
        self._places.release()
        return block

    def give_up(self) -> None:
        """Makes the writer fail, also one that waits for a place."""
        self.given_up = True
        self._places.release()

    def end(self) -> None:
        """Tells the reader that no more will come."""
        self._blocks.put(None)
