"""The text of a file that is at hand: a window that moves on as it is taken, and counts lines."""

from __future__ import annotations

import re

from importer.files.dialect import unescape
from importer.files.rows import count_line_breaks
from importer.files.text_source import BLOCK_BYTES, Source

LINE_END = re.compile("[\r\n]")


class Window:
    """The text at hand is `text[position:]`; what lies before is taken and goes with the next block.

    `passed` characters of the file lie before `text`, `line` is the line at `position`, counted from 1.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.text = ""
        self.position = 0
        self.passed = 0
        self.line = 1
        self.at_end = False
        self._escaped_quote = ""
        self._waiting = ""

    def __len__(self) -> int:
        return len(self.text) - self.position

    def top_up(self, size: int = 0) -> bool:
        """Reads on unless a block's worth of text is at hand, or `size`; tells whether any is left."""
        if len(self) < BLOCK_BYTES:
            self.fill()
        while len(self) < size and not self.at_end:
            self.fill()
        return self.position < len(self.text)

    def fill(self) -> None:
        """Reads the next block."""
        block = ""
        while not block and not self.at_end:
            block = self._source.read_block()
            self.at_end = not block
            if self._escaped_quote:
                block, self._waiting = unescape(self._waiting + block, self._escaped_quote, whole=self.at_end)
        self.text = self.text[self.position :] + block
        self.passed += self.position
        self.position = 0

    def unescape(self, quote: str) -> None:
        """From here on, quotes that are escaped by a backslash are doubled ones."""
        self._escaped_quote = quote
        text, self._waiting = unescape(self.text[self.position :], quote, whole=self.at_end)
        self.text = self.text[: self.position] + text

    def drop(self, length: int) -> None:
        """Takes so many characters away."""
        end = self.position + length
        self.line += count_line_breaks(self.text, self.position, end)
        self.position = end

    def reach(self, offset: int, limit: int) -> int:
        """How far the line that starts `offset` characters ahead reaches, its end included.

        Where that is further than `limit`, how far it was followed.
        """
        searched = offset
        while True:
            if end := self.line_end(self.position + searched):
                return end - self.position
            length = len(self)
            if self.at_end or length - offset > limit:
                return length
            # The CR at the very end is looked at again with what follows it.
            searched = max(offset, length - 1)
            self.fill()

    def skip_line(self) -> None:
        """Drops a line, without ever holding the whole of it."""
        while not (end := self.line_end(self.position)) and not self.at_end:
            self.position = len(self.text) - 1
            self.fill()
        self.position = end or len(self.text)
        self.line += 1

    def line_end(self, start: int) -> int:
        """Where the line through `start` ends, behind its LF, CR LF or CR; 0 when that is not to be seen yet."""
        match = LINE_END.search(self.text, start)
        if match is None or (match[0] == "\r" and match.end() == len(self.text) and not self.at_end):
            return 0
        return match.end() + (match[0] == "\r" and self.text.startswith("\n", match.end()))
