"""Reads a file in one of the ways that must not differ: with or without the fast path, in blocks of any size."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from importer.columns.product_file import FileOptions, open_product_file
from importer.errors import UnusableFile
from importer.files.dialect import Dialect
from importer.files.rows import Reject
from importer.files.text_buffer import TextBuffer
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning

BOOLEANS = {"1": "t", "true": "t", "yes": "t", "y": "t", "on": "t", "0": "f", "false": "f", "no": "f", "n": "f"}


class Way(NamedTuple):
    """A way to read a file. `fast_path_misses` is the number after which the fast path is off, `block` in bytes."""

    block: int = 1 << 20
    fast_path_misses: int = 0
    batch_lines: int = DEFAULT_TUNING.batch_lines
    chunk_rows: int = 1000


@dataclass
class Reading:
    """What an import takes from a file: rows as COPY reads them (NULL is None), lines, rejects and notices.

    `problem` is the sentence with which the file fails as a whole. `rejected_skus` are the SKUs that rows without a
    product may have.
    """

    rows: list[tuple[str | None, ...]]
    lines: list[int]
    rejects: list[Reject]
    notices: list[dict[str, Any]]
    rejected_skus: set[str]
    problem: str = ""


class _Blocks:
    """Returns a text in blocks of `block_bytes` characters, in place of a `TextSource`."""

    def __init__(self, text: str, block_bytes: int) -> None:
        self.block_bytes = block_bytes
        starts = range(0, len(text), block_bytes)
        self._blocks = iter([text[start : start + block_bytes] for start in starts])

    def read_block(self) -> str:
        return next(self._blocks, "")


def read_as(content: bytes, options: FileOptions, way: Way, *, max_record: int = 500) -> Reading:
    """Read a whole file."""
    tuning = ReaderTuning(block_bytes=way.block, max_fast_path_misses=way.fast_path_misses, batch_lines=way.batch_lines)
    reading = Reading([], [], [], [], set())
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            with open_product_file(
                Path(file.name), options, max_record=max_record, max_unpacked_bytes=1 << 30, tuning=tuning
            ) as product_file:
                validator = product_file.validator
                _forget_sniffed_text(product_file._file._parser._buffer, way.block)
                for chunk in product_file.read_chunks(way.chunk_rows):
                    payload, count = validator.encode_rows(chunk)
                    rows = list(_copy(payload.decode(), validator.dialect, has_nulls=chunk.has_short_rows))
                    assert len(rows) == count <= way.chunk_rows
                    place = validator.fields.index("active") if "active" in validator.fields else -1
                    reading.rows += [
                        tuple(
                            BOOLEANS.get(cell.lower(), cell) if cell and index == place else cell
                            for index, cell in enumerate(row)
                        )
                        for row in rows
                    ]
                    reading.lines += chunk.valid_lines()
                    assert len(reading.lines) == len(reading.rows)
                    reading.rejected_skus.update(validator.read_rejected_skus(chunk))
                    reading.rejects += chunk.rejects
                reading.notices = product_file.notices.to_json()
        except UnusableFile as error:
            return Reading([], [], [], [], set(), str(error))
    reading.rejects.sort()
    return reading


def _forget_sniffed_text(buffer: TextBuffer, block: int) -> None:
    """Let the buffer read its text again in small blocks: a small file is held as a whole once it has been sniffed."""
    text = buffer.text[buffer.position :]
    while more := buffer.source.read_block():
        text += more
    buffer.consumed_before += buffer.position
    buffer.text, buffer.position, buffer.at_end = "", 0, False
    buffer.source = _Blocks(text, block)  # type: ignore[assignment]


def _copy(payload: str, dialect: Dialect, *, has_nulls: bool) -> Iterator[list[str | None]]:
    """Yield the rows of a payload as COPY reads them."""
    delimiter, quote = dialect.delimiter, dialect.copy_quote
    rows = csv.reader(io.StringIO(payload, newline=""), delimiter=delimiter, quotechar=quote, strict=True)
    if not has_nulls:
        yield from map(list, rows)
        return
    # An empty cell without quotes is NULL. Each line end is after a closing quote, or in a cell that is not given.
    quoted_cell = rf"{quote}((?:[^{quote}]|{quote}{quote})*){quote}"
    cells = re.compile(rf"(?:{quoted_cell}|([^{re.escape(delimiter)}\n]*))(.)", re.DOTALL)
    row: list[str | None] = []
    for cell in cells.finditer(payload):
        quoted, plain, end = cell.groups()
        row.append(plain or None if quoted is None else quoted.replace(quote * 2, quote))
        if end == "\n":
            yield row
            row = []
