"""Skips rows that are too long to hold in memory. To find the end of such a row, it reads ahead in the file.

Reading ahead never goes back, so all of it together takes as long as reading the file once more.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from importer.files.dialect import Dialect
from importer.files.text_buffer import TextBuffer
from importer.files.text_source import TextSource


class Place(Enum):
    """Where a character is: at the start of a field, in a field without quotes, within quotes, or at a line end.

    At `LINE_END`, the row has ended. At `MISPLACED`, text follows a closing quote.
    """

    FIELD_START = "field start"
    UNQUOTED = "unquoted"
    QUOTED = "quoted"
    LINE_END = "line end"
    MISPLACED = "misplaced"


class RowEnd(NamedTuple):
    """The offset of the end of a row, or of what keeps it from ending; in characters from the start of the file.

    `place` is `LINE_END`, `QUOTED` if the file ends within quotes, or `MISPLACED`.
    """

    offset: int
    place: Place


class LongRows:
    """Finds the ends of long rows of `source` in this dialect."""

    def __init__(self, source: TextSource, dialect: Dialect) -> None:
        self._source = source
        self._delimiter, self._quote = dialect.delimiter, dialect.quote
        self._ahead: TextBuffer | None = None
        delimiter, quote = re.escape(dialect.delimiter), dialect.quote
        # In quotes. A backslash or a quote at the end of the text is left out, because the next character explains it.
        plain, escape = (rf"{quote}\\", r"|\\[^\r\n]") if dialect.escaped else (quote, "")
        quoted = rf"(?:[^{plain}\r\n]++|{quote}{quote}{escape})*+"
        unquoted = rf"[^ {quote}{delimiter}\r\n][^{delimiter}\r\n]*+"
        field = f"{unquoted}|{quote}{quoted}{quote}" if quote else unquoted
        self._patterns = {
            # Fields that end in this text are read on the way.
            Place.FIELD_START: re.compile(rf"(?: *+(?:{field})?+{delimiter})*+ *+"),
            # So are fields that cannot start with a quote.
            Place.UNQUOTED: re.compile(rf"(?:[^{delimiter}\r\n]++|{delimiter}(?= *[^ {quote}]))*+"),
            Place.QUOTED: re.compile(quoted),
        }

    def find_end(self, offset: int) -> RowEnd:
        """Return the end of the row that has a quote open at `offset`. Calls must be in the order of the file."""
        if self._ahead is None:
            self._ahead = TextBuffer(self._source.reopen())
        ahead = self._ahead
        ahead.skip(offset - ahead.offset)
        place = Place.QUOTED
        while (place := self._read_line(ahead, place)) is Place.QUOTED and ahead.ensure():
            pass
        return RowEnd(ahead.offset, place)

    def skip_line(self, buffer: TextBuffer) -> bool:
        """Consume the first line of a row without ever holding all of it; return whether it leaves a quote open."""
        line = buffer.line
        place = self._read_line(buffer, Place.FIELD_START)
        if place is Place.MISPLACED:
            buffer.skip_line()
        buffer.line = line + 1
        return place is Place.QUOTED

    def _read_line(self, buffer: TextBuffer, place: Place) -> Place:
        """Read to the end of the line or file, whose start is at `place`; stop where text follows a closing quote.

        Returns `LINE_END`, `QUOTED` or `MISPLACED`. Does not count the line.
        """
        while True:
            match = self._patterns[place].match(buffer.text, buffer.position)
            buffer.position = match.end() if match else buffer.position
            if len(buffer) < 2 and not buffer.at_end:
                buffer.read_block()
                continue
            text, position = buffer.text, buffer.position
            character, after = text[position : position + 1], text[position + 1 : position + 2]
            buffer.position += len(character)
            if not character or character in "\r\n":
                buffer.position += character + after == "\r\n"
                return Place.QUOTED if place is Place.QUOTED else Place.LINE_END
            if place is Place.QUOTED:
                if character == self._quote and after and after not in {self._delimiter, "\r", "\n"}:
                    return Place.MISPLACED
                # A backslash before a line end, or at the end of the file, changes nothing.
                place = Place.UNQUOTED if character == self._quote else Place.QUOTED
            elif character == self._delimiter:
                place = Place.FIELD_START
            elif place is Place.FIELD_START and character == self._quote:
                place = Place.QUOTED
            else:
                place = Place.UNQUOTED
