"""Finds the encoding of a file at its first byte beyond ASCII, and decodes its bytes.

Bytes that are not text in the encoding become lone surrogates (PEP 383), so that only their rows are rejected.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable

from charset_normalizer import from_bytes

from importer.errors import UnusableFile
from importer.files.tuning import DEFAULT_TUNING

SNIFFED_BYTES = 4096
# The sample that decides about the encoding starts at the first byte beyond ASCII and has at most this size.
LOOK_AHEAD_BYTES = 1 << 21
# The decoder judges the language of the text by at most this many bytes, from lines that are not ASCII.
JUDGED_BYTES = 1 << 16

# The superset that the decoder uses in place of an encoding, as in the WHATWG Encoding standard.
SUPERSETS = {
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5": "cp950",
}
# Python's text codecs that no file is written in.
UNSUPPORTED_CODECS = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7", "mbcs", "oem"}
# In Western and Central European languages, letters beyond ASCII stand alone between ASCII letters. In all other
# scripts they come in runs. Earlier candidates win ties.
LATIN_CANDIDATES = ("cp1252", "cp1250", "cp1254")
OTHER_CANDIDATES = (
    "shift_jis",
    "gb18030",
    "big5",
    "euc_kr",
    "euc_jp",
    "cp1251",
    "cp1253",
    "cp1252",
    "cp1250",
    "cp1254",
)
MULTI_BYTE_ENCODINGS = {"shift_jis", "gb18030", "big5", "euc_kr", "euc_jp"}
FALLBACK_ENCODING = "cp1252"
# A text is Latin if less than this share of its bytes beyond ASCII is in runs of more than two.
MIN_SHARE_IN_RUNS = 0.4
# How much better than an earlier candidate a later one must score.
MIN_SCORE_LEAD: dict[tuple[str, ...], float] = {LATIN_CANDIDATES: 0.15, OTHER_CANDIDATES: 0.01}
MAX_UNDECODABLE_SHARE = 0.1
# A text with fewer runs of bytes beyond ASCII is too short to tell a multi-byte encoding from a single-byte one.
MIN_RUNS_FOR_MULTI_BYTE = 16

NON_ASCII_RUN = re.compile(rb"[\x80-\xff]+")
ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
# Stands for bytes that PEP 383 cannot escape: ASCII bytes, and units of UTF-16 and UTF-32.
UNESCAPABLE = "\udc81"
ESCAPE_HANDLER = "importer.escape-bytes"


def _escape_bytes(error: UnicodeError) -> tuple[str, int]:
    """Escape undecodable bytes as `surrogateescape` does, in any encoding.

    It never consumes an ASCII byte after them, or half of a UTF-16 unit.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.replace("_", "-").startswith(("utf-16", "utf-32", "utf16", "utf32")):
        return UNESCAPABLE, error.end
    first, *others = error.object[error.start : error.end]
    end = error.start + 1
    text = chr(0xDC00 + first) if first >= 0x80 else UNESCAPABLE
    for byte in others:
        if byte < 0x80:
            break
        text += chr(0xDC00 + byte)
        end += 1
    return text, end


codecs.register_error(ESCAPE_HANDLER, _escape_bytes)


def find_encoding(name: str) -> str:
    """Return Python's name of the encoding that a client names. Raise `UnusableFile` if it is unknown."""
    try:
        info = codecs.lookup(name.strip())
    except (LookupError, ValueError, UnicodeError):
        info = None
    if info is None or info.name in UNSUPPORTED_CODECS or not getattr(info, "_is_text_encoding", True):
        shown = "".join(filter(str.isprintable, name))[:40]
        raise UnusableFile(
            f"The encoding `{shown}` is unknown. Name another, such as utf-8, utf-16, windows-1252 or shift_jis."
        )
    return info.name


class Decoder:
    """Decodes the bytes that `read(size)` returns, block by block.

    `encoding` is Python's name of an encoding; None lets the decoder find it. `name` is the encoding found so far:
    `utf-8` while all bytes are ASCII.
    """

    def __init__(
        self, read: Callable[[int], bytes], encoding: str | None, *, block_bytes: int = DEFAULT_TUNING.block_bytes
    ) -> None:
        self._read = read
        self._given = encoding
        self._block_bytes = block_bytes
        self._decoder: codecs.IncrementalDecoder | None = None
        # Blocks that were read to find the encoding and are not decoded yet.
        self._pending: deque[bytes] = deque()
        self._at_start = True
        self._at_end = False
        # The start of the current line, which is ASCII and was returned with an earlier block.
        self._line_start = b""
        self.name = encoding or "utf-8"

    def read_block(self) -> str:
        """Return the next block of text, "" at the end."""
        if self._at_start:
            self._at_start = False
            self._sniff_start()
        while True:
            data = self._pending.popleft() if self._pending else self._read_bytes()
            if self._decoder is None:
                if data.isascii():
                    self._line_start = _last_line(self._line_start + data)
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

    def _look_ahead(self, size: int) -> bytes:
        """Return the next `size` bytes without consuming them, fewer at the end of the file."""
        while sum(map(len, self._pending)) < size and (data := self._read_bytes()):
            self._pending.append(data)
        return b"".join(self._pending)[:size]

    def _sniff_start(self) -> None:
        """Recognise byte order marks, and UTF-16 without one."""
        start = self._look_ahead(SNIFFED_BYTES)
        if self._given is not None:
            self._use(self._given, start)
        elif start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            self._use("utf-32", start)
        elif start.startswith(codecs.BOM_UTF8):
            self._use("utf-8-sig", start)
        elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._use("utf-16", start)
        elif name := detect_utf_16(start):
            self._use(name, start)

    def _use(self, name: str, start: bytes = b"") -> None:
        self.name = name
        codec = SUPERSETS.get(name, name)
        if name == "utf-16" and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            codec = detect_utf_16(start) or "utf-16-le"
        # The built-in handler is faster, and correct for UTF-8.
        errors = "surrogateescape" if name.startswith("utf-8") else ESCAPE_HANDLER
        self._decoder = codecs.getincrementaldecoder(codec)(errors)

    def _decide(self, data: bytes) -> None:
        """Choose the encoding at `data`, the first block that is not ASCII. The block stays pending."""
        self._pending.appendleft(data)
        first = NON_ASCII_RUN.search(data)
        start = first.start() if first else 0
        sample = self._look_ahead(start + LOOK_AHEAD_BYTES)[start:]
        # The language of a line shows in its ASCII letters, too.
        line = _last_line(self._line_start + data[:start])
        self._use("utf-8" if is_utf_8(sample, is_complete=self._at_end) else guess_encoding(line + sample))


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


def guess_encoding(sample: bytes) -> str:
    """Return the most likely encoding of a text that is not UTF-8, judged by its lines beyond ASCII."""
    lines: list[bytes] = []
    size = 0
    for line in re.split(rb"[\r\n]+", sample):
        if size < JUDGED_BYTES and not line.isascii():
            lines.append(line[: JUDGED_BYTES - size])
            size += len(line)
    runs = NON_ASCII_RUN.findall(b"\n".join(lines))
    total = sum(map(len, runs))
    in_long_runs = sum(len(run) for run in runs if len(run) > 2)
    names: tuple[str, ...] = LATIN_CANDIDATES if in_long_runs < MIN_SHARE_IN_RUNS * total else OTHER_CANDIDATES
    min_lead = MIN_SCORE_LEAD[names]
    undecodable = {name: [not _is_decodable(line, name) for line in lines] for name in names}
    names = tuple(name for name in names if sum(undecodable[name]) <= MAX_UNDECODABLE_SHARE * len(lines))
    if len(runs) >= MIN_RUNS_FOR_MULTI_BYTE:
        names = tuple(name for name in names if name in MULTI_BYTE_ENCODINGS) or names
    comparable = [line for number, line in enumerate(lines) if not any(undecodable[name][number] for name in names)]
    if not names or not comparable:
        return FALLBACK_ENCODING
    return _choose_by_language(b"\n".join(comparable), names, min_lead)


def _is_decodable(line: bytes, name: str) -> bool:
    try:
        line.decode(SUPERSETS.get(name, name))
    except UnicodeDecodeError:
        return False
    return True


def _choose_by_language(text: bytes, names: tuple[str, ...], min_lead: float) -> str:
    """Return the encoding in which the text looks most like a language."""
    codec_of = {name: SUPERSETS.get(name, name) for name in names}
    matches = from_bytes(text, cp_isolation=list(codec_of.values()), threshold=1.0, enable_fallback=False)
    scores: dict[str, float] = {}
    for match in matches:
        for alias in match.could_be_from_charset:
            scores[alias] = max(scores.get(alias, -9.0), match.coherence - match.chaos)
    best, best_score = FALLBACK_ENCODING, -9.0
    for name, codec in codec_of.items():
        score = scores.get(codec, -9.0)
        if score > best_score + (min_lead if best_score > -9.0 else 0):
            best, best_score = name, score
    return best
