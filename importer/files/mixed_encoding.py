"""Reads files that are UTF-8 in some lines only, such as two exports that were joined.

A file is in UTF-8, or in an encoding with one byte for each character. A line that is not text in it, or surely is in
the other one, is read in the other one and reported. A line with letters in both keeps its undecodable bytes, so that
its row is rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice

from importer.files.encoding_guess import ONE_BYTE_CANDIDATES, guess_encoding_of_lines, utf_8_lead
from importer.files.encoding_names import MIXED_PREFIX
from importer.files.encoding_notice import NON_ASCII_RUN, UncertainLines, is_valid_utf_8
from importer.files.escapes import ESCAPE_HANDLER
from importer.notices import Fix, Notices

# An encoding is found by at most this many bytes and lines.
LOOK_AHEAD_BYTES, JUDGED_LINES = 1 << 21, 2000
UTF_8_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# With these letters in place of bytes, and without most ASCII bytes, a sequence in UTF-8 contains `LC` or `MCC`.
# That finds blocks without any sequence many times faster than the pattern does.
BYTE_CLASSES = bytes.maketrans(bytes(range(0x80, 0x100)), b"C" * 0x40 + b".." + b"L" * 0x1E + b"M" * 0x15 + b"." * 0x0B)
BYTES_OF_WORDS = bytes(set(range(0x80)) - set(b" ,;|\t\n"))
NOT_IN_SEQUENCES = bytes(set(range(0x100)) - set(range(0x80, 0xC0)))
# The first byte of a letter in UTF-8 at the end of a cell, where a program has cut off a text.
CUT_OFF = re.compile(rb"[a-z][\xc2-\xde](?![A-Za-z\x80-\xff])")
# How much likelier than in the encoding of the file a whole line must be in UTF-8, or the part of it that can be.
MIN_LEAD_OF_LINE, MIN_LEAD_OF_PART = 3.0, 8.0
CACHED_RUNS = 4096


class Utf8Reader:
    """Reads the lines of a file in UTF-8, `name`. Lines that are not UTF-8 are in the encoding `other`.

    If `other` is None, it is found at the first of these lines; without a `notices` it is not, and their rows are
    rejected, as they are if their text makes no sense in any encoding.
    """

    codec = "utf-8"
    errors = "surrogateescape"

    def __init__(self, name: str, notices: Notices | None, *, other: str | None = None) -> None:
        self.name = MIXED_PREFIX + other if other else name
        self._other = other
        self._notices = notices
        self._may_find_other = other is None and notices is not None
        self._uncertain: UncertainLines | None = None

    def read_all(self, data: bytes) -> str | None:
        """Return the text of lines that are all in UTF-8, otherwise None."""
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None

    def read(self, line: bytes, number: int, look_ahead: Callable[[], bytes]) -> str:
        """Return the text of a line that is not ASCII."""
        try:
            return line.decode()
        except UnicodeDecodeError:
            if not _has_no_utf_8(line):
                return line.decode(self.codec, self.errors)
        if self._may_find_other:
            self._find_other(look_ahead()[:LOOK_AHEAD_BYTES])
        if self._other is None:
            return line.decode(self.codec, self.errors)
        if self._uncertain is not None:
            self._uncertain.add(line, number)
        return line.decode(self._other, ESCAPE_HANDLER)

    def report(self) -> None:
        """Report the lines that are not in UTF-8."""
        if self._notices is not None and self._uncertain is not None:
            fixes = [self._uncertain.create_fix(rival, MIXED_PREFIX + rival) for rival in self._uncertain.rivals]
            reject = Fix("reject_rows", {"encoding": "utf-8"})
            self._uncertain.report(self._notices, "rest_differs", [*fixes, reject], rest="utf-8")

    def _find_other(self, window: bytes) -> None:
        self._may_find_other = False
        lines = (line for line in window.splitlines() if not line.isascii() and _has_no_utf_8(line))
        guess = guess_encoding_of_lines(lines, ONE_BYTE_CANDIDATES)
        if guess.is_plausible:
            self._other = guess.name
            self.name = MIXED_PREFIX + guess.name
            self._uncertain = UncertainLines(guess.name, guess.rivals)


class OneByteReader:
    """Reads the lines of a file in `name`, an encoding with one byte for each character.

    Lines that surely are UTF-8 are read as such. `rival_fixes` are the choices of a notice that `name` is uncertain.
    """

    errors = ESCAPE_HANDLER

    def __init__(self, name: str, notices: Notices, *, rival_fixes: Sequence[Fix] = ()) -> None:
        self.name = name
        self.codec = name
        self._notices = notices
        self._rival_fixes = rival_fixes
        self._uncertain = UncertainLines("utf-8", (name,))
        # How much likelier a run of bytes is in UTF-8, with the characters around it.
        self._lead = lru_cache(CACHED_RUNS)(lambda run: utf_8_lead(run, name))

    def read_all(self, data: bytes) -> str | None:
        """Return the text of lines that are all in the encoding of the file, otherwise None."""
        return None if _may_have_utf_8(data) else data.decode(self.codec, self.errors)

    def read(self, line: bytes, number: int, look_ahead: Callable[[], bytes]) -> str:
        """Return the text of a line that is not ASCII."""
        if not _may_have_utf_8(line):
            return line.decode(self.codec, self.errors)
        runs = [run.span() for run in NON_ASCII_RUN.finditer(line) if is_valid_utf_8(run[0])]
        lead = sum(self._lead(line[max(0, start - 1) : end + 1]) for start, end in runs)
        if is_valid_utf_8(line):
            if lead > MIN_LEAD_OF_LINE:
                self.name = MIXED_PREFIX + self.codec
                self._uncertain.add(line, number)
                return line.decode()
        elif lead > MIN_LEAD_OF_PART:
            return line.decode("utf-8", "surrogateescape")
        return line.decode(self.codec, self.errors)

    def report(self) -> None:
        """Report the lines in UTF-8."""
        fixes = [*self._rival_fixes, self._uncertain.create_fix(self.codec, self.codec)]
        if self._rival_fixes:
            self._uncertain.report(self._notices, "rows_in_both", fixes, encoding=self.name)
        else:
            self._uncertain.report(self._notices, "rest_differs", fixes, rest=self.codec)


def find_other_lines(lines: Sequence[bytes]) -> list[bytes]:
    """Return the lines of a file that tell its encoding, if UTF-8 is not the encoding of most of them."""
    others = list(islice((line for line in lines if not is_valid_utf_8(line)), JUDGED_LINES))
    plain = [line for line in others if not UTF_8_SEQUENCE.search(line)]
    # In an encoding with several bytes for a character, most lines may look like UTF-8 in some place.
    return plain if 2 * len(plain) > len(others) else others


def _may_have_utf_8(data: bytes) -> bool:
    if not data.translate(None, NOT_IN_SEQUENCES):
        return False
    classes = data.translate(BYTE_CLASSES, BYTES_OF_WORDS)
    return b"LC" in classes or b"MCC" in classes


def _has_no_utf_8(line: bytes) -> bool:
    """Return whether a line that is not UTF-8 has no letter in it, not even one that was cut off."""
    return not (UTF_8_SEQUENCE.search(line) or CUT_OFF.search(line))
