"""Rows as they come out of a file, where they stand in it, and the rows that are set aside."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import NamedTuple

from importer.files.fast_path import Clean

Row = list[str]

SURROGATE = re.compile("[\ud800-\udfff]")
# What bytes that are no text in the file's encoding are shown as.
WINDOWS_1252 = {chr(0xDC00 + byte): bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}


class Reject(NamedTuple):
    """A row set aside: the line of the file where it starts (from 1), a reason code, a sentence, the row as it was."""

    line: int
    code: str
    message: str
    row: str


class Places(NamedTuple):
    """Where rows are in the file: the line on which each starts, counted from 1, and its text, line end included."""

    lines: Sequence[int]
    raws: Sequence[str]


@dataclass
class Records:
    """Rows in the order of the file, and the rejects found among them.

    `text` is what the rows were read from and `first_line` its line in the file, unless `known` says where the rows
    are. Where `clean` is there, it holds all the rows as COPY reads them, and `rows` is empty.
    """

    rows: list[Row]
    first_line: int
    text: str = ""
    rejects: list[Reject] = field(default_factory=list)
    known: Places | None = None
    clean: Clean | None = None

    def places(self) -> Places:
        """Where the rows are."""
        if self.known is None:
            self.known = _places(self.rows, self.text, self.first_line)
        return self.known

    def lines(self) -> Sequence[int]:
        """The line of the file on which each row starts, counted from 1."""
        return self.places().lines


def _places(rows: list[Row], text: str, first_line: int) -> Places:
    lines = io.StringIO(text, newline="").readlines()
    if len(lines) == len(rows):
        return Places(range(first_line, first_line + len(rows)), lines)
    # The cells are joined by something, or a CR and an LF of two of them would be one line end.
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
    return Places([first_line + start for start in starts], raws)


def count_line_breaks(text: str, start: int = 0, end: int = sys.maxsize) -> int:
    """Counts line ends as editors do: LF, CR LF and a lone CR are one each."""
    newlines = text.count("\n", start, end)
    if text.find("\r", start, end) < 0:
        return newlines
    return newlines + text.count("\r", start, end) - text.count("\r\n", start, end)


def visible(raw: str) -> str:
    """Makes a text that cannot be stored as it is readable: bytes that are no text are shown as Windows-1252."""
    raw = raw.rstrip("\r\n")
    if raw.isascii():
        return raw.replace("\0", "\ufffd")
    return SURROGATE.sub(_windows_1252, raw.replace("\0", "\ufffd"))


def all_visible(raws: Sequence[str]) -> list[str]:
    """The same for many rows, in a few operations on all of their text."""
    text = "\0".join(raws)
    if text.count("\0") >= max(1, len(raws)):
        return list(map(visible, raws))
    try:
        text.encode()
    except UnicodeEncodeError:
        text = SURROGATE.sub(_windows_1252, text)
    return [raw.rstrip("\r\n") for raw in text.split("\0")] if raws else []


def _windows_1252(match: re.Match[str]) -> str:
    return WINDOWS_1252.get(match[0], "\ufffd")
