"""A buffer of the next text of a file. It counts lines and characters as the text is consumed."""

from __future__ import annotations

import re

from importer.files.rows import count_line_breaks
from importer.files.text_source import TextSource

LINE_END = re.compile("[\r\n]")
# Parsing this many blank lines takes longer than interrupting the parser to skip them.
BLANK_RUN_LINES = 4096


class TextBuffer:
    """The unread text is `text[position:]`; the text before it has been consumed and is dropped with the next block.

    `consumed_before` characters of the file precede `text`. `line` is the line at `position`, counted from 1.
    """

    def __init__(self, source: TextSource) -> None:
        self.source = source
        self.text = ""
        self.position = 0
        self.consumed_before = 0
        self.line = 1
        self.at_end = False

    def __len__(self) -> int:
        return len(self.text) - self.position

    @property
    def offset(self) -> int:
        """How many characters of the file have been consumed."""
        return self.consumed_before + self.position

    def ensure(self, size: int = 0) -> bool:
        """Read until the buffer holds a block, and at least `size` characters. Return whether any text is left."""
        if len(self) < self.source.block_bytes:
            self.read_block()
        while len(self) < size and not self.at_end:
            self.read_block()
        return self.position < len(self.text)

    def read_block(self) -> None:
        """Append the next block of the file."""
        block = ""
        while not block and not self.at_end:
            block = self.source.read_block()
            self.at_end = not block
        self.text = self.text[self.position :] + block
        self.consumed_before += self.position
        self.position = 0

    def consume(self, length: int, *, line_ends: int | None = None) -> None:
        """Consume the next `length` characters. `line_ends` is the number of their line ends, if it is known."""
        end = self.position + length
        self.line += count_line_breaks(self.text, self.position, end) if line_ends is None else line_ends
        self.position = end

    def skip(self, length: int) -> None:
        """Consume the next `length` characters without ever holding all of them."""
        while length > len(self) and not self.at_end:
            # A CR at the end may be the first half of a line end.
            step = max(0, len(self) - 1)
            step -= self.text[self.position : self.position + step].endswith("\r")
            self.consume(step)
            length -= step
            self.read_block()
        self.consume(min(length, len(self)))

    def skip_blank_lines(self, blank: re.Pattern[str], max_record: int) -> bool:
        """Consume the buffered lines at `position` that `blank` matches as a whole. Return whether there are any.

        `position` is at the start of a row. Stops before the first line of more than `max_record` characters.
        """
        match = blank.match(self.text, self.position)
        end = match.end() if match else self.position
        if end < len(self.text) or not self.at_end:
            # A CR at the very end may be the first half of a line end.
            carriage = self.text.rfind("\r", self.position, min(end, len(self.text) - 1))
            end = max(self.text.rfind("\n", self.position, end), carriage) + 1
        # A line that is too long covers at least one of these places.
        for place in range(self.position, end, max_record):
            newline, carriage = (self.text.rfind(letter, self.position, place) for letter in "\n\r")
            line_start = max(newline + 1, carriage + 1, self.position)
            if (self._line_end_at(place) or end) - line_start > max_record:
                end = line_start
                break
        if end <= self.position:
            return False
        self.consume(end - self.position)
        return True

    def find_line_end(self, offset: int, limit: int) -> int:
        """Return the end of the line that starts at `offset`, or of the file. Both count from `position`.

        The end is after the LF, CR LF or CR. If the line is longer than `limit` characters, the result may be any
        place in it beyond the limit.
        """
        searched = offset
        while True:
            if end := self._line_end_at(self.position + searched):
                return end - self.position
            length = len(self)
            if self.at_end or length - offset > limit:
                return length
            # A CR at the very end is examined again with the character that follows it.
            searched = max(offset, length - 1)
            self.read_block()

    def skip_line(self) -> None:
        """Consume a line without ever holding all of it."""
        while not (end := self._line_end_at(self.position)) and not self.at_end:
            self.position = len(self.text) - 1
            self.read_block()
        self.position = end or len(self.text)
        self.line += 1

    def _line_end_at(self, start: int) -> int:
        """Return the end of the line that contains `start`, after its LF, CR LF or CR; 0 if it is not buffered yet."""
        match = LINE_END.search(self.text, start)
        if match is None or (match[0] == "\r" and match.end() == len(self.text) and not self.at_end):
            return 0
        return match.end() + (match[0] == "\r" and self.text.startswith("\n", match.end()))


def find_blank_run(text: str, start: int) -> int:
    """Return where the first run of many blank lines from `start` on begins, after a line end; -1 if there is none.

    Only lines without any character count. The run may be within a quoted field.
    """
    newline = text.find("\n", start)
    line_end = "\r\n" if newline > start and text[newline - 1] == "\r" else "\n"
    place = text.find(line_end * BLANK_RUN_LINES, start)
    return place + len(line_end) if place >= 0 else -1
