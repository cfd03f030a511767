"""The notice about text that depends on the choice of the encoding: the readings of its rows, and the choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from importer.files.encoding_names import codec_of
from importer.notices import MAX_LINES, MAX_SAMPLES, Fix, Notices

CODE = "encoding_uncertain"
NON_ASCII_RUN = re.compile(rb"[\x80-\xff]+")
# A sample starts at most this many bytes before the first place that depends on the encoding.
BYTES_BEFORE_PLACE = 40
SAMPLE_BYTES = 160
LABEL_MAX_CHARACTERS = 40


class UncertainLines:
    """Lines that were read in the encoding `chosen` and may be in one of `rivals`.

    `add` collects them; `report` adds those since the last report to a notice.
    """

    def __init__(self, chosen: str, rivals: Sequence[str]) -> None:
        self.chosen = chosen
        self.rivals = rivals
        self.count = 0
        self._lines: list[int] = []
        self._samples: list[dict[str, Any]] = []
        # The word that shows the difference on the buttons.
        self._word = b""

    def add(self, line: bytes, number: int) -> None:
        """Add a line and its number in the file, counted from 1."""
        self.count += 1
        if len(self._lines) < MAX_LINES:
            self._lines.append(number)
        if len(self._samples) < MAX_SAMPLES:
            start, end = self._find_place(line)
            self._word = self._word or _find_word(line, start, end)
            begin = max(0, start - BYTES_BEFORE_PLACE)
            while begin < start and line[begin] > 0x7F:
                begin += 1
            part = line[begin : begin + SAMPLE_BYTES].strip(b"\r\n")
            readings = {name: decode(part, name) for name in (self.chosen, *self.rivals)}
            self._samples.append({"text": readings[self.chosen], "line": number, "readings": readings})

    def report(
        self,
        notices: Notices,
        reason: str,
        fixes: Sequence[Fix],
        *,
        at_least: bool = False,
        encoding: str = "",
        rest: str | None = None,
    ) -> None:
        """Add the lines to the notice, and forget them. With `at_least`, the file may have more of them.

        `reason` is a key of `REASONS`. `encoding` is what all lines of the notice were read in, if it is not `chosen`;
        `rest` is the encoding of the other lines if they differ.
        """
        if not self.count:
            return
        notices.add(
            CODE,
            count=self.count,
            lines=self._lines,
            samples=self._samples,
            fixes=fixes,
            details={
                "extent": "at_least" if at_least else "exact",
                "encoding": encoding or self.chosen,
                "reason": reason,
                **({} if rest is None else {"rest": rest}),
            },
        )
        self.count = 0
        self._lines, self._samples = [], []

    def create_fix(self, rival: str, option: str) -> Fix:
        """Return the button that chooses a rival, by this value of the option `encoding`."""
        word = decode(self._word, rival)[:LABEL_MAX_CHARACTERS]
        return Fix("use_encoding", {"encoding": option}, {"encoding": rival, "word": word})

    def _find_place(self, line: bytes) -> tuple[int, int]:
        """Return the start and the end of the first bytes that depend on the encoding."""
        runs = [run.span() for run in NON_ASCII_RUN.finditer(line)]
        for start, end in runs:
            if len({decode(line[start:end], name) for name in (self.chosen, *self.rivals)}) > 1:
                return start, end
        return runs[0] if runs else (0, 0)


def find_uncertain_lines(lines: Sequence[bytes], first_line: int, chosen: str, rivals: Sequence[str]) -> UncertainLines:
    """Return the lines whose readings differ, apart from lines in UTF-8. The first of `lines` is line `first_line`."""
    uncertain = UncertainLines(chosen, rivals)
    for number, line in enumerate(lines, first_line):
        if not line.isascii() and not is_valid_utf_8(line):
            text = decode(line, chosen)
            if any(decode(line, rival) != text for rival in rivals):
                uncertain.add(line, number)
    return uncertain


def is_valid_utf_8(data: bytes) -> bool:
    """Return whether bytes are text in UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode(data: bytes, name: str) -> str:
    """Return bytes as text that can be stored; those that are no text in the encoding become U+FFFD."""
    return data.decode(codec_of(name), "replace").replace("\0", "\ufffd")


def _find_word(line: bytes, start: int, end: int) -> bytes:
    """Return the word around a place."""
    before = re.split(rb"[\s,;|\t\"]", line[max(0, start - LABEL_MAX_CHARACTERS) : start])[-1]
    after = re.split(rb"[\s,;|\t\"]", line[end : end + LABEL_MAX_CHARACTERS])[0]
    return before + line[start:end] + after
