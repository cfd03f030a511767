"""Finds the encoding of a file at its first byte beyond ASCII, and decodes its bytes.

Bytes that are not text in the encoding become lone surrogates (PEP 383), so that only their rows are rejected.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable

from importer.files.encoding_guess import ONE_BYTE_CANDIDATES, guess_encoding_of_lines
from importer.files.encoding_names import MIXED_PREFIX, codec_of
from importer.files.encoding_notice import NON_ASCII_RUN, find_uncertain_lines
from importer.files.escapes import ESCAPE_HANDLER
from importer.files.line_decoder import LineCounter, LineDecoder, LineReader
from importer.files.mixed_encoding import LOOK_AHEAD_BYTES, OneByteReader, Utf8Reader, find_other_lines
from importer.files.tuning import DEFAULT_TUNING
from importer.notices import Fix, Notices

SNIFFED_BYTES = 4096
ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


class Decoder:
    """Decodes the bytes that `read(size)` returns, block by block.

    `encoding` is Python's name of an encoding, or a mixed one; None lets the decoder find it. What is doubtful about it
    is reported to `notices`.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        encoding: str | None,
        notices: Notices,
        *,
        block_bytes: int = DEFAULT_TUNING.block_bytes,
    ) -> None:
        self._read = read
        self._given = encoding
        self._notices = notices
        self._block_bytes = block_bytes
        self._decoder: codecs.IncrementalDecoder | LineDecoder | None = None
        # Blocks that were read to find the encoding and are not decoded yet.
        self._pending: deque[bytes] = deque()
        self._at_start = True
        self._at_end = False
        # Counts the lines before the first byte beyond ASCII.
        self._counter = LineCounter()
        # The start of the current line, which is ASCII and was returned with an earlier block.
        self._line_start = b""
        self._name = encoding or "utf-8"

    @property
    def name(self) -> str:
        """The encoding found so far: `utf-8` while all bytes are ASCII."""
        return self._decoder.name if isinstance(self._decoder, LineDecoder) else self._name

    def read_block(self) -> str:
        """Return the next block of text, "" at the end."""
        if self._at_start:
            self._at_start = False
            self._sniff_start()
        while True:
            data = self._pending.popleft() if self._pending else self._read_bytes()
            if self._decoder is None:
                if data.isascii():
                    self._counter.add(data)
                    # To put them together first would copy the whole block.
                    has_line_end = b"\n" in data or b"\r" in data
                    self._line_start = _last_line(data if has_line_end else self._line_start + data)
                    return data.decode("ascii")
                self._decide(data)
                continue
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text

    def _read_bytes(self) -> bytes:
        data = b"" if self._at_end else self._read(self._block_bytes)
        self._at_end = not data
        return data

    def _look_ahead(self, size: int = LOOK_AHEAD_BYTES) -> bytes:
        """Return the next `size` bytes without consuming them, fewer at the end of the file."""
        while sum(map(len, self._pending)) < size and (data := self._read_bytes()):
            self._pending.append(data)
        return b"".join(self._pending)[:size]

    def _sniff_start(self) -> None:
        """Recognise byte order marks, and UTF-16 without one."""
        start = self._look_ahead(SNIFFED_BYTES)
        if self._given is not None:
            if self._given.startswith(MIXED_PREFIX):
                other = self._given.removeprefix(MIXED_PREFIX)
                self._use_lines(Utf8Reader(self._given, None, other=other))
            else:
                self._use(self._given, start)
        elif start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            self._use("utf-32", start)
        elif start.startswith(codecs.BOM_UTF8):
            self._use_lines(Utf8Reader("utf-8-sig", self._notices))
        elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._use("utf-16", start)
        elif name := detect_utf_16(start):
            self._use(name, start)

    def _use(self, name: str, start: bytes = b"") -> None:
        self._name = name
        codec = codec_of(name)
        if name == "utf-16" and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            codec = detect_utf_16(start) or "utf-16-le"
        # The built-in handler is faster, and correct for UTF-8.
        errors = "surrogateescape" if name.startswith("utf-8") else ESCAPE_HANDLER
        self._decoder = codecs.getincrementaldecoder(codec)(errors)

    def _use_lines(self, reader: LineReader) -> None:
        self._decoder = LineDecoder(reader, self._counter, self._line_start, self._look_ahead)

    def _decide(self, data: bytes) -> None:
        """Choose the encoding at `data`, the first block that is not ASCII. The block stays pending."""
        self._pending.appendleft(data)
        first = NON_ASCII_RUN.search(data)
        start = first.start() if first else 0
        sample = self._look_ahead(start + LOOK_AHEAD_BYTES)[start:]
        if is_utf_8(sample, is_complete=self._at_end):
            self._use_lines(Utf8Reader("utf-8", self._notices))
            return
        # The language of a line shows in its ASCII letters, too.
        lines = (_last_line(self._line_start + data[:start]) + sample).splitlines()
        guess = guess_encoding_of_lines(find_other_lines(lines))
        fixes: list[Fix] = []
        if guess.rivals:
            # The last line of a sample is cut off.
            lines = lines if self._at_end else lines[:-1]
            first_line = self._counter.first_line(data) + LineCounter.count(data[:start])
            uncertain = find_uncertain_lines(lines, first_line, guess.name, guess.rivals)
            fixes = [uncertain.create_fix(rival, rival) for rival in guess.rivals]
            uncertain.report(self._notices, "few_letters", fixes, at_least=not self._at_end)
        if guess.name in ONE_BYTE_CANDIDATES:
            self._use_lines(OneByteReader(guess.name, self._notices, rival_fixes=fixes))
        else:
            self._use(guess.name)


def _last_line(data: bytes) -> bytes:
    """Return the text after the last line end, at most `SNIFFED_BYTES` of it."""
    return data[max(data.rfind(b"\n"), data.rfind(b"\r")) + 1 :][-SNIFFED_BYTES:]


def detect_utf_16(start: bytes) -> str | None:
    """Return `utf-16-le` or `utf-16-be` if the start of a file is UTF-16 without a byte order mark, otherwise None."""
    start = start[: len(start) // 2 * 2]
    even, odd = start[::2].count(0), start[1::2].count(0)
    # Delimiters, digits and line ends are ASCII in every language, so their other byte is 0.
    if max(even, odd) < len(start) / 20 or min(even, odd) > max(even, odd) / 10:
        return None
    if b"\0" not in (start.splitlines() or [b""])[0]:
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = start.decode(name, "replace")
    return None if "\0" in text or not ("\n" in text or "\r" in text or text.isprintable()) else name


def is_utf_8(sample: bytes, *, is_complete: bool = True) -> bool:
    """Return whether a text is UTF-8: it has at least as many valid sequences beyond ASCII as invalid ones.

    If the text is not complete, a sequence that is cut off at its end does not count.
    """
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample, final=is_complete)
    ascii_characters = len(sample.translate(None, bytes(range(0x80, 0x100))))
    non_ascii_characters = len(text) - ascii_characters
    invalid = 0
    try:
        text.encode()
    except UnicodeEncodeError:
        invalid = len(ESCAPED_BYTE.findall(text))
    return non_ascii_characters - invalid >= invalid
