"""Export of products as a CSV file, streamed at the speed of `COPY … TO STDOUT` in constant memory.

COPY has its own thread and connection, because a slow client may take minutes. It writes large blocks into a short
queue, from which the caller reads and sends them. COPY is cancelled if the caller reads nothing for a while or if the
client disconnects. Otherwise its snapshot would keep VACUUM from removing the rows that are deleted in the meantime.
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
MAX_QUEUED_BLOCKS = 4
CLIENT_STALL_SECONDS = 60
CLIENT_CHECK_SECONDS = 0.25
CANCEL_WAIT_SECONDS = 5
# igzip has the levels 0 to 3. Level 2 gives smaller files than zlib's level 1, in a quarter of the time.
GZIP_LEVEL = 2
GZIP_WBITS = 31  # zlib's `wbits` for the gzip format with the largest window.

# COPY writes a boolean as `t` or `f`; cast to text it is `true` or `false`, which imports accept as well.
EXPORT_SQL = """
COPY (SELECT sku, name, description, active::text AS active FROM products WHERE {condition} ORDER BY id)
TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8')
"""
EXPORT_SETTINGS_SQL = "SET LOCAL statement_timeout = 0; SET LOCAL jit = off"


class ClientDisconnected(ConnectionResetError):
    """The client disconnected before it had the whole file."""


@dataclass(frozen=True)
class Client:
    """The receiver of an export.

    `is_disconnected()` is called while there is nothing to send. `disconnect()` frees a sender that is blocked because
    the client accepts no data; it is called from another thread.
    """

    is_disconnected: Callable[[], bool] = lambda: False
    disconnect: Callable[[], None] = lambda: None


class ExportPool:
    """The exports of one process, limited in number because each needs a thread and a database connection."""

    def __init__(
        self, connect: Callable[[], Connection], *, max_running: int, stall_seconds: float = CLIENT_STALL_SECONDS
    ) -> None:
        self._connect = connect
        self._free_slots = threading.BoundedSemaphore(max_running)
        self._stall_seconds = stall_seconds

    def start(self, product_filter: Filter, client: Client) -> Export | None:
        """Start to export the products that match; return None if `max_running` exports are running.

        Raises `psycopg2.Error` if the database cannot be reached.
        """
        if not self._free_slots.acquire(blocking=False):
            return None
        try:
            return Export(self._connect(), product_filter, client, self._stall_seconds, self._free_slots.release)
        except BaseException:
            self._free_slots.release()
            raise


class Export:
    """A running export. When COPY has ended or was cancelled, it closes its connection and calls `on_end`."""

    def __init__(
        self,
        connection: Connection,
        product_filter: Filter,
        client: Client,
        stall_seconds: float,
        on_end: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._filter = product_filter
        self._client = client
        self._stall_seconds = stall_seconds
        self._on_end = on_end
        self._error: BaseException | None = None
        self._queue = _BlockQueue(stall_seconds)
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self._thread.start()

    def read_blocks(self) -> Generator[bytes, None, None]:
        """Yield the file in blocks.

        Raises `psycopg2.Error` if the database fails, `TimeoutError` if no block was read for `stall_seconds`, and
        `ClientDisconnected` if the client has disconnected. The blocks before an exception are not the whole file.
        """
        try:
            while (block := self._next_block()) is not None:
                yield block
        finally:
            self.close()

    def read_gzip_blocks(self) -> Generator[bytes, None, None]:
        """Yield the file in blocks, compressed with gzip (RFC 1952); raises the same exceptions as `read_blocks`."""
        compressor = isal_zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WBITS)
        with contextlib.closing(self.read_blocks()) as blocks:
            for block in blocks:
                if compressed := compressor.compress(block):
                    yield compressed
        yield compressor.flush()

    def close(self) -> None:
        """Cancel COPY if it is still running, and wait up to `CANCEL_WAIT_SECONDS` for its thread."""
        self._queue.cancel()
        if self._thread.is_alive():
            # The thread may close its connection at any time.
            with contextlib.suppress(psycopg2.Error):
                self._connection.cancel()
            self._thread.join(CANCEL_WAIT_SECONDS)

    def _next_block(self) -> bytes | None:
        while True:
            with contextlib.suppress(queue.Empty):
                block = self._queue.get(CLIENT_CHECK_SECONDS)
                if self._error is not None:
                    raise self._error
                return block
            if self._client.is_disconnected():
                raise ClientDisconnected

    def _run(self) -> None:
        try:
            # Closing the writer flushes its buffer, which fails if the export was cancelled.
            with contextlib.suppress(BrokenPipeError), io.BufferedWriter(self._queue, BLOCK_BYTES) as writer:
                self._copy(writer)
        finally:
            self._connection.close()
            self._on_end()
            self._queue.finish()

    def _copy(self, writer: io.BufferedWriter[Any]) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(EXPORT_SETTINGS_SQL)
                cursor.copy_expert(sql.SQL(EXPORT_SQL).format(condition=self._filter.condition()), writer)
            writer.flush()
        except BaseException as error:
            if self._queue.cancelled:
                return
            self._error = error
            self._queue.cancel()
            if isinstance(error, TimeoutError):
                log.warning("Cancelled an export because its client accepted no data for %s s", self._stall_seconds)
                self._client.disconnect()
            else:
                log.error("An export failed: %s", str(error).strip())


class _BlockQueue(io.RawIOBase):
    """A short queue of blocks that COPY writes to, through a buffer that collects rows into blocks."""

    def __init__(self, stall_seconds: float) -> None:
        self.cancelled = False
        self._stall_seconds = stall_seconds
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._free_slots = threading.Semaphore(MAX_QUEUED_BLOCKS)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Append a block.

        Raises `TimeoutError` if the queue stays full for `stall_seconds`, `BrokenPipeError` if it was cancelled.
        """
        has_slot = self.cancelled or self._free_slots.acquire(timeout=self._stall_seconds)
        if self.cancelled:
            raise BrokenPipeError
        if not has_slot:
            raise TimeoutError
        block = bytes(data)
        self._blocks.put(block)
        return len(block)

    def get(self, timeout_seconds: float) -> bytes | None:
        """Remove and return the next block, or None after the last one. Raises `queue.Empty` after the timeout."""
        block = self._blocks.get(timeout=timeout_seconds)
        self._free_slots.release()
        return block

    def cancel(self) -> None:
        """Make every further `write` fail, including one that already waits for a slot."""
        self.cancelled = True
        self._free_slots.release()

    def finish(self) -> None:
        """Signal the end of the file to the reader."""
        self._blocks.put(None)
