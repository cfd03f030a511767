"""COPY in a second thread, with a cursor that only collects what COPY would send."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from psycopg2 import sql

from importer.pipeline.copy_stream import QUEUED_CHUNKS, CopyStream, running_copy

ROWS, REJECTS = sql.SQL("COPY rows"), sql.SQL("COPY rejects")


class CollectingCursor:
    """Stands for a cursor: `copies` has each COPY statement with its chunks; it fails after `fail_after` chunks."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.copies: list[tuple[sql.Composable, list[bytes]]] = []
        self.remaining = fail_after

    def copy_expert(self, statement: sql.Composable, stream: CopyStream, size: int) -> None:
        chunks: list[bytes] = []
        self.copies.append((statement, chunks))
        while chunk := stream.read(size):
            if self.remaining == 0:
                raise ValueError("COPY failed.")
            chunks.append(chunk)
            self.remaining = None if self.remaining is None else self.remaining - 1


def run_copy(cursor: Any, chunks: list[tuple[sql.Composable, bytes]]) -> list[bool]:
    """Send chunks through a stream; return whether it accepted each of them."""
    with running_copy(cursor) as stream:
        return [stream.put(statement, chunk) for statement, chunk in chunks]


def test_successive_chunks_of_a_statement_are_one_copy() -> None:
    cursor = CollectingCursor()
    run_copy(cursor, [(ROWS, b"1"), (ROWS, b"2"), (REJECTS, b"a"), (ROWS, b"3")])
    assert cursor.copies == [(ROWS, [b"1", b"2"]), (REJECTS, [b"a"]), (ROWS, [b"3"])]


def test_a_stream_without_chunks_runs_no_copy() -> None:
    cursor = CollectingCursor()
    run_copy(cursor, [])
    assert cursor.copies == []


def test_an_error_of_copy_is_raised_and_ends_the_stream() -> None:
    cursor = CollectingCursor(fail_after=1)
    accepted: list[bool] = []
    with pytest.raises(ValueError, match="COPY failed"):
        accepted += run_copy(cursor, [(ROWS, b"1")] * 10)
    assert cursor.copies == [(ROWS, [b"1"])]


def test_a_full_queue_is_no_obstacle_to_noticing_that_copy_has_failed() -> None:
    cursor: Any = CollectingCursor(fail_after=0)
    with pytest.raises(ValueError, match="COPY failed"), running_copy(cursor) as stream:
        accepted = [stream.put(ROWS, b"1") for _ in range(QUEUED_CHUNKS + 3)]
        assert accepted[0]
        assert not accepted[-1]


@pytest.mark.parametrize("chunks", [0, 1, QUEUED_CHUNKS + 1])
def test_an_error_of_the_writer_makes_copy_fail(chunks: int) -> None:
    cursor: Any = CollectingCursor()
    with pytest.raises(ValueError, match="The file is broken"), running_copy(cursor) as stream:
        for _ in range(chunks):
            stream.put(ROWS, b"1")
        raise ValueError("The file is broken.")


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_not_collected_during_copy(enabled: bool) -> None:
    was_enabled = gc.isenabled()
    cursor: Any = CollectingCursor()
    try:
        (gc.enable if enabled else gc.disable)()
        with running_copy(cursor):
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()
