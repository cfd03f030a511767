"""The rows of a file, their positions in it, and rejected rows."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from operator import itemgetter
from typing import NamedTuple

from importer.files.cells import Row
from importer.files.fast_path import CleanRows
from importer.files.mixed_rows import CleanTexts

SURROGATE = re.compile("[\ud800-\udfff]")
# Bytes that are not text in the encoding of the file are shown as Windows-1252.
SHOWN_BYTES = {chr(0xDC00 + byte): bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}


class Reject(NamedTuple):
    """A rejected row: its first line in the file, counted from 1, a reason code, a sentence, and the original row.

    `column` is the name in the file of the column that is to blame, and `value` its value, if the reason is about them.
    """

    line: int
    code: str
    message: str
    row: str
    column: str | None = None
    value: str | None = None


class RowPositions(NamedTuple):
    """The first line of each row in the file, counted from 1, and its text, including the line end."""

    lines: Sequence[int]
    raws: Sequence[str]


@dataclass
class RowChunk:
    """Consecutive rows of a file, and the rejects among them.

    `text` is the text of the rows, and starts at `first_line` of the file. If `known_positions` is set, it is used
    instead of both. If `clean` is set, it holds all rows in the format of COPY, and `rows` is empty; `clean_lines` has
    their lines. If `around` is set, it holds clean rows before, between and after the `rows`. `taken_in` are lines
    within values that look like rows. `has_short_rows` says that accepted rows lack their last cells. The validation
    sets `valid`: the numbers of the `rows` that it takes, from 0, or None for all.
    """

    rows: list[Row]
    first_line: int
    text: str = ""
    rejects: list[Reject] = field(default_factory=list)
    known_positions: RowPositions | None = None
    clean: CleanRows | None = None
    clean_lines: Sequence[int] = ()
    around: CleanTexts | None = None
    valid: Sequence[int] | None = None
    has_short_rows: bool = False
    taken_in: list[str] = field(default_factory=list)

    def positions(self) -> RowPositions:
        """Return the positions of the rows."""
        if self.known_positions is None:
            self.known_positions = _find_positions(self.rows, self.text, self.first_line)
        return self.known_positions

    def lines(self) -> Sequence[int]:
        """Return the first line of each row in the file, counted from 1."""
        if self.clean is not None:
            return self.clean_lines
        if self.known_positions is None:
            breaks = count_line_breaks(self.text)
            if breaks + (not self.text.endswith(("\n", "\r"))) == len(self.rows):
                # Each row is one line, as in nearly all files.
                return range(self.first_line, self.first_line + len(self.rows))
        return self.positions().lines

    def parse_clean_rows(self, delimiter: str, quote: str) -> None:
        """Turn the clean rows into rows with cells. They keep no text, because clean rows are never rejected."""
        if self.clean is not None:
            text, lines = self.clean.payload.decode(), self.clean_lines
        elif self.around is not None:
            text, lines = "".join(self.around.texts), self.around.lines
        else:
            return
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote))
        parts = list(zip(lines, repeat(""), rows, strict=False))
        if self.rows:
            own_lines, own_raws = self.positions()
            parts = sorted([*parts, *zip(own_lines, own_raws, self.rows, strict=True)], key=itemgetter(0))
        self.known_positions = RowPositions([line for line, _, _ in parts], [raw for _, raw, _ in parts])
        self.rows = [row for _, _, row in parts]
        self.clean, self.clean_lines, self.around = None, (), None

    def valid_lines(self) -> Sequence[int]:
        """Return the first lines of the rows that the validation has taken, and of the clean rows around them."""
        lines = self.lines()
        if self.valid is not None:
            lines = [lines[number] for number in self.valid]
        return lines if self.around is None else sorted([*self.around.lines, *lines])


def _find_positions(rows: list[Row], text: str, first_line: int) -> RowPositions:
    lines = io.StringIO(text, newline="").readlines()
    if len(lines) == len(rows):
        return RowPositions(range(first_line, first_line + len(rows)), lines)
    # Join the cells with a space: a CR and an LF of two cells must not become one line end.
    cells = list(map(" ".join, rows))
    breaks = list(map(str.count, cells, repeat("\n")))
    if "\r" in text:
        breaks = [
            newlines + cell.count("\r") - cell.count("\r\n") for newlines, cell in zip(breaks, cells, strict=True)
        ]
    ends = list(accumulate(count + 1 for count in breaks))
    starts = [0, *ends[:-1]]
    raws = [
        lines[start] if end - start == 1 else "".join(lines[start:end]) for start, end in zip(starts, ends, strict=True)
    ]
    return RowPositions([first_line + start for start in starts], raws)


def count_line_breaks(text: str, start: int = 0, end: int = sys.maxsize) -> int:
    """Count line ends as editors do: LF, CR LF and a single CR count as one each."""
    newlines = text.count("\n", start, end)
    if text.find("\r", start, end) < 0:
        return newlines
    return newlines + text.count("\r", start, end) - text.count("\r\n", start, end)


def make_printable(raw: str) -> str:
    """Return a text that can be stored: bytes that are not text are shown as Windows-1252, NUL as U+FFFD."""
    raw = raw.rstrip("\r\n")
    if raw.isascii():
        return raw.replace("\0", "\ufffd")
    return SURROGATE.sub(_show_byte, raw.replace("\0", "\ufffd"))


def make_all_printable(raws: Sequence[str]) -> list[str]:
    """Return the printable form of many rows, in a few operations on all of their text."""
    text = "\0".join(raws)
    # If a row contains NUL, which separates the rows here, each row needs its own pass.
    if text.count("\0") >= max(1, len(raws)):
        return list(map(make_printable, raws))
    try:
        text.encode()
    except UnicodeEncodeError:
        text = SURROGATE.sub(_show_byte, text)
    return [raw.rstrip("\r\n") for raw in text.split("\0")] if raws else []


def _show_byte(match: re.Match[str]) -> str:
    return SHOWN_BYTES.get(match[0], "\ufffd")
