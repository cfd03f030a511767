"""Finds the end of a row that is too long to hold in memory, by reading ahead in the file.

Reading ahead goes back only a few times, so all of it together takes no longer than reading the file some times more.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from importer.files.dialect import Dialect
from importer.files.text_buffer import TextBuffer
from importer.files.text_source import TextSource

# Going back means to read the file from its start. Only rows whose first line is too long can require it.
MAX_RESTARTS = 16


class State(Enum):
    """Where in a row a place is: at the start of a field, within quotes, or in a field without quotes."""

    FIELD_START = "field_start"
    QUOTED = "quoted"
    UNQUOTED = "unquoted"


class Problem(Enum):
    """Why a row has no end: text follows a closing quote, or a quote is open at the end of the file."""

    TEXT_AFTER_QUOTE = "text_after_quote"
    OPEN_QUOTE = "open_quote"


class RowEnd(NamedTuple):
    """The place after a row, or of its problem, in characters from the start of the file."""

    offset: int
    problem: Problem | None = None


class LongRows:
    """Reads ahead in `source` to find the ends of long rows."""

    def __init__(self, source: TextSource, dialect: Dialect) -> None:
        self._source = source
        self._delimiter, self._quote = dialect.delimiter, dialect.quote
        self._ahead: TextBuffer | None = None
        self._restarts = 0
        delimiter, quote = re.escape(dialect.delimiter), dialect.quote
        plain, escape = (rf"[^{quote}\\]", r"|\\.") if dialect.escaped else (f"[^{quote}]", "")
        self._patterns = {
            State.FIELD_START: re.compile(" *"),
            State.QUOTED: re.compile(rf"(?:{plain}++|{quote}{quote}{escape})*+", re.DOTALL),
            State.UNQUOTED: re.compile(rf"[^{delimiter}\r\n]*"),
        }

    def find_end(self, offset: int, state: State) -> RowEnd | None:
        """Return the end of the row whose place at `offset` is in this state.

        Returns None if that would mean to go back too often.
        """
        ahead = self._ahead
        if ahead is None or offset < ahead.offset:
            if self._restarts > MAX_RESTARTS:
                return None
            self._restarts += 1
            ahead = self._ahead = TextBuffer(self._source.reopen())
        ahead.skip(offset - ahead.offset)
        while True:
            # The longest match leaves out a quote or a CR at the end of the text, which the next character explains.
            ahead.position = self._patterns[state].match(ahead.text, ahead.position).end()  # type: ignore[union-attr]  # Each matches "".
            if len(ahead) < 2 and not ahead.at_end:
                ahead.read_block()
                continue
            character, after = (
                ahead.text[ahead.position : ahead.position + 1],
                ahead.text[ahead.position + 1 : ahead.position + 2],
            )
            if not character:
                return RowEnd(ahead.offset, Problem.OPEN_QUOTE if state is State.QUOTED else None)
            if state is State.QUOTED:
                if character != self._quote:
                    # A backslash at the end of the file.
                    return RowEnd(ahead.offset, Problem.OPEN_QUOTE)
                if after and after not in {self._delimiter, "\r", "\n"}:
                    return RowEnd(ahead.offset, Problem.TEXT_AFTER_QUOTE)
                ahead.position += 1
                state = State.UNQUOTED
            elif character == self._delimiter:
                ahead.position += 1
                state = State.FIELD_START
            elif character in "\r\n":
                ahead.position += 2 if character + after == "\r\n" else 1
                return RowEnd(ahead.offset)
            elif state is State.FIELD_START and character == self._quote:
                ahead.position += 1
                state = State.QUOTED
            else:
                state = State.UNQUOTED
