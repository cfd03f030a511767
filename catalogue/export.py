"""Export of products as a CSV file, streamed at the speed of `COPY … TO STDOUT` in constant memory.

COPY has its own thread and connection, because a slow client may take minutes. It writes large blocks into a short
queue, from which the caller reads and sends them. COPY is cancelled if the client disconnects or exceeds the limits of
an export. Otherwise its snapshot would keep VACUUM from removing the rows that are deleted in the meantime, and the
build of search indexes would wait for it.
"""

from __future__ import annotations

import contextlib
import io
import logging
import queue
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import psycopg2
from isal import isal_zlib
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from catalogue.selection import Selection, selection_condition
from catalogue.text_matches import TEXT_COLUMNS
from monitoring.context import carry

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 18
MAX_QUEUED_BLOCKS = 4
CLIENT_CHECK_SECONDS = 0.25
CANCEL_WAIT_SECONDS = 5
# After this time a reader that has not ended counts as blocked, because the client accepts no data.
READER_END_SECONDS = 1
# igzip has the levels 0 to 3. Level 2 gives smaller files than zlib's level 1, in a quarter of the time.
GZIP_LEVEL = 2
GZIP_WBITS = 31  # zlib's `wbits` for the gzip format with the largest window.

# A text that begins with one of these is a formula to a spreadsheet; OWASP's page on CSV injection lists them, with the
# full-width forms of Japanese input. A text that begins with apostrophes and then one of these is guarded, too, so
# removing one apostrophe restores every guarded text.
FORMULA_PATTERN = "^'*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]"
# The column that marks a guarded file for importer/columns/formula_guard.py.
GUARD_COLUMN = "formula_guard"

# COPY writes a boolean as `t` or `f`; cast to text it is `true` or `false`, which imports accept as well.
EXPORT_SQL = """
COPY (SELECT {columns} FROM products WHERE {condition} ORDER BY id)
TO STDOUT (FORMAT csv, HEADER, ENCODING 'UTF8'{options})
"""
# An import takes the text out of a formula such as `="00123"`. So a text that looks like one is written as one.
FORMULA_LIKE_TEXT_SQL = """
CASE WHEN {name} LIKE '="%' THEN '="' || replace({name}, '"', '""') || '"' ELSE {name} END AS {name}
"""
PLAIN_COLUMNS_SQL = "{texts}, active::text AS active"
GUARDED_TEXT_SQL = "CASE WHEN {name} ~ {pattern} THEN {apostrophe} || {name} ELSE {name} END AS {name}"
GUARDED_COLUMNS_SQL = "{texts}, active::text AS active, 'true' AS {guard_column}"
# Whether the table may have more rows than a number. Only if statistics do not say so, or are far too small for the
# table's size, must they be counted.
MAY_EXCEED_SQL = """
SELECT pg_relation_size(oid) / 8192 * 150 > %(rows)s AND NOT (reltuples > 0 AND reltuples * 1.5 < %(rows)s)
FROM pg_class WHERE oid = 'products'::regclass
"""
EXCEEDS_SQL = "SELECT count(*) > {rows} FROM (SELECT FROM products WHERE {condition} LIMIT {rows} + 1) found"
EXPORT_SETTINGS_SQL = "SET LOCAL statement_timeout = '{seconds:g}s'; SET LOCAL jit = off"


@dataclass(frozen=True)
class ExportLimits:
    """When an export is cancelled: after `total_seconds`, or because its client is too slow.

    A client is too slow if it accepts no data for `window_seconds`, or less than `min_bytes_per_second` on average. The
    average is that of a window: `window_seconds` in which the export waits for the client. Other time does not count.
    """

    total_seconds: float = 600
    window_seconds: float = 60
    min_bytes_per_second: float = 50_000


class ExportLimitExceeded(TimeoutError):
    """The export was cancelled because it exceeded one of its limits; the message completes "because …"."""


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
        self, connect: Callable[[], Connection], *, max_running: int, limits: ExportLimits | None = None
    ) -> None:
        self._connect = connect
        self._free_slots = threading.BoundedSemaphore(max_running)
        self._limits = limits or ExportLimits()

    def start(
        self, selection: Selection, client: Client, *, guard: bool = False, connection: Connection | None = None
    ) -> Export | None:
        """Start to export the selected products; return None if `max_running` exports are running.

        `guard` puts an apostrophe before texts that a spreadsheet would run as formulas. The export takes over
        `connection`, otherwise it opens one. Raises `psycopg2.Error` if the database cannot be reached.
        """
        if not self._free_slots.acquire(blocking=False):
            if connection is not None:
                connection.close()
            return None
        try:
            statement = render_export(selection, guard=guard)
            return Export(connection or self._connect(), statement, client, self._limits, self._free_slots.release)
        except BaseException:
            self._free_slots.release()
            raise


class Export:
    """A running export. When COPY has ended or was cancelled, it closes its connection and calls `on_end`."""

    def __init__(
        self,
        connection: Connection,
        statement: sql.Composable,
        client: Client,
        limits: ExportLimits,
        on_end: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._statement = statement
        self._client = client
        self._limits = limits
        self._on_end = on_end
        self._error: BaseException | None = None
        self._queue = _BlockQueue(limits)
        self._reader_has_ended = threading.Event()
        self._thread = threading.Thread(target=carry(self._run), name="export", daemon=True)
        self._thread.start()

    def read_blocks(self) -> Generator[bytes, None, None]:
        """Yield the file in blocks.

        Raises `psycopg2.Error` if the database fails, `ExportLimitExceeded` if a limit is exceeded, and
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
        self._reader_has_ended.set()
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
        # A reader that is not blocked in sending sees the error, and ends the response itself.
        if isinstance(self._error, ExportLimitExceeded) and not self._reader_has_ended.wait(READER_END_SECONDS):
            self._client.disconnect()

    def _copy(self, writer: io.BufferedWriter[Any]) -> None:
        try:
            with self._connection.cursor() as cursor:
                # PostgreSQL's timeout ends a query that finds nothing to write.
                cursor.execute(EXPORT_SETTINGS_SQL.format(seconds=self._limits.total_seconds))
                cursor.copy_expert(self._statement, writer)
            writer.flush()
        except BaseException as error:
            if self._queue.cancelled:
                return
            if isinstance(error, errors.QueryCanceled) and self._queue.time_is_up:
                error = self._queue.total_limit_exceeded()
            self._error = error
            self._queue.cancel()
            if isinstance(error, ExportLimitExceeded):
                log.warning("Cancelled an export because %s", error)
            else:
                log.error("An export failed: %s", str(error).strip())


def exceeds(cursor: Cursor, selection: Selection, rows: int) -> bool:
    """Return whether an export has more products than `rows`."""
    cursor.execute(MAY_EXCEED_SQL, {"rows": rows})
    if cursor.fetchone() != (True,):
        return False
    cursor.execute(sql.SQL(EXCEEDS_SQL).format(rows=sql.Literal(rows), condition=selection_condition(selection)))
    return cursor.fetchone() == (True,)


def render_export(selection: Selection, *, guard: bool) -> sql.Composed:
    """Return the COPY statement that exports the selected products."""
    names = [sql.Identifier(name) for name in TEXT_COLUMNS]
    if guard:
        parts = {"pattern": sql.Literal(FORMULA_PATTERN), "apostrophe": sql.Literal("'")}
        texts = [sql.SQL(GUARDED_TEXT_SQL).format(name=name, **parts) for name in names]
        columns = sql.SQL(GUARDED_COLUMNS_SQL).format(
            texts=sql.SQL(", ").join(texts), guard_column=sql.Identifier(GUARD_COLUMN)
        )
    else:
        texts = [sql.SQL(FORMULA_LIKE_TEXT_SQL).format(name=name) for name in names]
        columns = sql.SQL(PLAIN_COLUMNS_SQL).format(texts=sql.SQL(", ").join(texts))
    return sql.SQL(EXPORT_SQL).format(
        columns=columns, condition=selection_condition(selection), options=sql.SQL(", FORCE_QUOTE *" if guard else "")
    )


class _BlockQueue(io.RawIOBase):
    """A short queue of blocks that COPY writes to, through a buffer that collects rows into blocks."""

    def __init__(self, limits: ExportLimits) -> None:
        self.cancelled = False
        self._limits = limits
        self._ends_at = time.monotonic() + limits.total_seconds
        # How long the export has waited for the client in the current window, and how much the client accepted.
        self._waited_seconds = 0.0
        self._accepted_bytes = 0
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._free_slots = threading.Semaphore(MAX_QUEUED_BLOCKS)

    @property
    def time_is_up(self) -> bool:
        """Whether the export has used up its total time."""
        return time.monotonic() >= self._ends_at

    def total_limit_exceeded(self) -> ExportLimitExceeded:
        """Return the error of an export that has used up its total time."""
        return ExportLimitExceeded(f"it took longer than {self._limits.total_seconds:g} s")

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Append a block. Raises `ExportLimitExceeded`, and `BrokenPipeError` if the export was cancelled."""
        started_at = time.monotonic()
        timeout = min(self._limits.window_seconds, max(0.0, self._ends_at - started_at))
        has_slot = self.cancelled or self._free_slots.acquire(timeout=timeout)
        if self.cancelled:
            raise BrokenPipeError
        if self.time_is_up:
            raise self.total_limit_exceeded()
        if not has_slot:
            raise ExportLimitExceeded(f"its client accepted no data for {self._limits.window_seconds:g} s")
        block = bytes(data)
        self._check_rate(time.monotonic() - started_at, len(block))
        self._blocks.put(block)
        return len(block)

    def _check_rate(self, waited_seconds: float, accepted_bytes: int) -> None:
        """Raise `ExportLimitExceeded` if the client was too slow in a window that is now complete."""
        self._waited_seconds += waited_seconds
        self._accepted_bytes += accepted_bytes
        if self._waited_seconds >= self._limits.window_seconds:
            if self._accepted_bytes < self._limits.min_bytes_per_second * self._waited_seconds:
                min_kb = self._limits.min_bytes_per_second / 1000
                raise ExportLimitExceeded(f"its client accepted less than {min_kb:g} kB per second")
            self._waited_seconds, self._accepted_bytes = 0.0, 0

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
