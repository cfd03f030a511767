"""The row reader gives the same rows and rejects as a simple reader that tries every length of a row."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.files.cells import has_content
from importer.files.dialect import Dialect
from importer.files.row_reader import RowReader
from importer.files.text_buffer import TextBuffer
from importer.files.text_source import TextSource


class CountingBuffer(TextBuffer):
    """A text buffer that counts the lines that are looked up in it."""

    lines_read = 0

    def find_line_end(self, offset: int, limit: int) -> int:
        """Count the line, and return its end."""
        self.lines_read += 1
        return super().find_line_end(offset, limit)


# The first line and the cells of each row, and the first line and the problem of each reject.
Outcome = tuple[list[tuple[int, list[str]]], list[tuple[int, str]]]

PROBLEMS = {
    "continues after its closing quote": "text after quote",
    "opening quote without an end": "never closed",
    "NUL": "nul",
    "is longer than": "too long",
}


def read_with_row_reader(
    text: str, *, max_record: int, block: int, limit: int, batch_lines: int
) -> tuple[Outcome, int]:
    """Read a whole text with the row reader, `limit` rows at a time. Also return how many lines it looked up."""
    rows: list[tuple[int, list[str]]] = []
    rejects: list[tuple[int, str]] = []
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        with TextSource(Path(file.name), max_unpacked_bytes=1 << 30, encoding="utf-8", block_bytes=block) as source:
            buffer = CountingBuffer(source)
            reader = RowReader(buffer, Dialect(), max_record=max_record, batch_lines=batch_lines)
            while buffer.ensure():
                chunk = reader.read_rows(limit)
                assert len(chunk.rows) + len(chunk.rejects) <= limit
                rows += ((line, row) for line, row in zip(chunk.lines(), chunk.rows, strict=True) if has_content(row))
                for reject in chunk.rejects:
                    (problem,) = (name for words, name in PROBLEMS.items() if words in reject.message)
                    rejects.append((reject.line, problem))
    return (rows, rejects), buffer.lines_read


def read_simply(text: str, *, max_record: int) -> Outcome:
    """Read a whole text: for each row, try one line, then two, and so on."""
    lines = io.StringIO(text, newline="").readlines()
    rows: list[tuple[int, list[str]]] = []
    rejects: list[tuple[int, str]] = []
    start = 0
    while start < len(lines):
        height, row, problem = read_row_simply(lines[start:], max_record)
        if problem is not None:
            rejects.append((start + 1, problem))
        elif has_content(row):
            rows.append((start + 1, row))
        start += height
    return rows, rejects


def read_row_simply(lines: list[str], max_record: int) -> tuple[int, list[str], str | None]:
    """Return the number of lines of the first row, its cells, and its problem."""
    problem = "never closed"
    for height in range(1, len(lines) + 1):
        raw = "".join(lines[:height])
        try:
            (row,) = csv.reader([line.replace("\0", "?") for line in lines[:height]], strict=True)
        except csv.Error as error:
            if "expected after" in str(error):
                problem = "text after quote"
                break
        else:
            if len(raw) > max_record:
                return height, [], "too long"
            return height, row, "nul" if "\0" in raw else None
    return 1, [], problem if len(lines[0]) <= max_record else "too long"


# `x","z` opens a quote both on its own and within a quoted field, where it also closes one.
lines = st.sampled_from(
    ['x","z', 'a,"b', '"', '",d', 'e,"f"', 'g,"h"i', "j,k", "", '""', 'l,"m""', "n\0", "o" * 30, '"p\0', '","'] * 2
    + ['x","z'] * 10
)
texts = st.lists(st.tuples(lines, st.sampled_from(["\n", "\n", "\r\n", "\r"])).map("".join), max_size=30).map("".join)


@given(texts, st.integers(5, 100), st.integers(16, 100), st.integers(1, 10), st.sampled_from([1, 2, 16, 1 << 30]))
@example('a,"b\n' + 'x","z\n' * 5, 1000, 16, 10, 16)
@example('a,"b\n' + 'x","z\n' * 20 + '"\nc,d\n', 40, 16, 10, 16)
@example('a,"b\n' + 'x","z\n' * 20 + 'e,"f"g\n', 60, 1000, 10, 16)
def test_rows_are_those_of_a_simple_reader(
    text: str, max_record: int, block: int, limit: int, batch_lines: int
) -> None:
    text = f"sku,name\n{text}"
    expected = read_simply(text, max_record=max_record)
    outcome, _ = read_with_row_reader(text, max_record=max_record, block=block, limit=limit, batch_lines=batch_lines)
    assert outcome == expected


@pytest.mark.parametrize("end", ["", '"\nlast,row\n', 'a,"b"c\n'])
@pytest.mark.parametrize("max_record", [2_000, 1 << 30])
def test_lines_are_read_few_times_however_many_open_a_quote(end: str, max_record: int) -> None:
    line_count = 5_000
    text = "sku,name\n" + 'x","z\n' * line_count + end
    outcome, lines_read = read_with_row_reader(text, max_record=max_record, block=1 << 20, limit=1000, batch_lines=16)
    rows, rejects = outcome
    assert len(rows) + len(rejects) > 1
    assert lines_read < 5 * line_count
