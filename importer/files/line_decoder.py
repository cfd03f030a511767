"""Decodes a file line by line where its lines are in two encodings, and in blocks where they are in one."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import Protocol

# Longer lines are not held to look at them as a whole. They are read in the encoding of most lines.
LINE_MAX_BYTES = 1 << 20
LINE_END = re.compile(rb"[\r\n]")


class LineCounter:
    """Counts lines as editors do: LF, CR LF and a single CR end a line. `line` is the current one, counted from 1."""

    def __init__(self) -> None:
        self.line = 1
        self._ends_with_carriage_return = False

    @staticmethod
    def count(data: bytes) -> int:
        """Return the number of line ends in bytes."""
        newlines = data.count(b"\n")
        carriage_returns = data.count(b"\r") if b"\r" in data else 0
        # Counting CR LF takes several times longer. If both are as many, they belong together in all likely files.
        is_paired = carriage_returns == newlines and not (data.startswith(b"\n") and data.endswith(b"\r"))
        pairs = carriage_returns if is_paired or not carriage_returns else data.count(b"\r\n")
        return newlines + carriage_returns - pairs

    def add(self, data: bytes) -> None:
        """Count the line ends of the next bytes of the file."""
        if data:
            self.line = self.first_line(data) + self.count(data)
            self._ends_with_carriage_return = data.endswith(b"\r")

    def first_line(self, data: bytes) -> int:
        """Return the line of the first of the next bytes, which may be the second half of a line end."""
        return self.line - (self._ends_with_carriage_return and data.startswith(b"\n"))


class LineReader(Protocol):
    """Reads lines in two encodings. `name` is the encoding found so far; `codec` and `errors` decode most lines."""

    name: str
    codec: str
    errors: str

    def read_all(self, data: bytes) -> str | None:
        """Return the text of lines that are all in the encoding of most lines, otherwise None."""

    def read(self, line: bytes, number: int, look_ahead: Callable[[], bytes]) -> str:
        """Return the text of a line that is not ASCII. `look_ahead` returns the file from there on, up to a limit."""

    def report(self) -> None:
        """Report the lines that were read in the other encoding since the last report."""


class LineDecoder:
    """An incremental decoder.

    `counter` is at the first byte, and `line_start` is the text before it in its line, which is ASCII. `look_ahead`
    returns the bytes of the file after those that were decoded.
    """

    def __init__(
        self, reader: LineReader, counter: LineCounter, line_start: bytes, look_ahead: Callable[[], bytes]
    ) -> None:
        self._reader = reader
        self._counter = counter
        self._line_start = line_start
        self._look_ahead = look_ahead
        # The start of a line whose end is not known yet.
        self._held = b""
        # Decodes the rest of a line that is too long to be held.
        self._long_line: codecs.IncrementalDecoder | None = None

    @property
    def name(self) -> str:
        """The encoding found so far."""
        return self._reader.name

    def decode(self, data: bytes, final: bool = False) -> str:
        """Return the text of the lines that end in these bytes."""
        data, self._held = self._held + data, b""
        text = ""
        if self._long_line is not None:
            match = LINE_END.search(data)
            end = match.start() if match else len(data)
            text = self._long_line.decode(data[:end], final or match is not None)
            if match:
                self._long_line = None
            data = data[end:]
        if self._long_line is None:
            if not final:
                # A CR at the very end may be the first half of a line end.
                end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
                data, self._held = data[:end], data[end:]
            text += self._decode_lines(data)
        if len(self._held) > LINE_MAX_BYTES and not self._held.endswith(b"\r"):
            self._long_line = codecs.getincrementaldecoder(self._reader.codec)(self._reader.errors)
            text += self._long_line.decode(self._held)
            self._held = b""
        return text

    def _decode_lines(self, data: bytes) -> str:
        text = self._reader.read_all(data)
        if text is None:
            text = "".join(self._decode_each(data))
            self._reader.report()
        self._counter.add(data)
        if data:
            self._line_start = b""
        return text

    def _decode_each(self, data: bytes) -> Iterator[str]:
        position = 0

        def look_ahead() -> bytes:
            return start + data[position:] + self._held + self._look_ahead()

        # ASCII is the same in all encodings, so the start of the first line changes the text of the rest in none.
        start = self._line_start

        for number, line in enumerate(data.splitlines(keepends=True), self._counter.first_line(data)):
            if line.isascii():
                yield line.decode("ascii")
            elif len(line.rstrip(b"\r\n")) > LINE_MAX_BYTES:
                yield line.decode(self._reader.codec, self._reader.errors)
            else:
                yield self._reader.read(start + line, number, look_ahead)[len(start) :]
            position += len(line)
            start = b""
