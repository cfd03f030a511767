"""From bytes to text: which encoding a file has, found out when its first letter beyond ASCII comes, and decoding.

Bytes that are no text in the encoding arrive as lone surrogates (PEP 383), so that their rows can be set aside and the
others kept.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Callable

from charset_normalizer import from_bytes

from importer.errors import UnusableFile

BLOCK_BYTES = 1 << 20
SNIFFED_BYTES = 4096
# How far is looked ahead, from the first byte beyond ASCII on, to tell the encoding.
LOOK_AHEAD_BYTES = 1 << 21
GUESSED_BYTES = 1 << 16

# What people name, and the larger set that is meant by it (as browsers do: WHATWG Encoding).
DECODED_AS = {
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "big5": "cp950",
}
# Codecs of Python that encode text for other purposes than files.
NO_FILE_ENCODINGS = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "utf-7", "mbcs", "oem"}
# Where letters beyond ASCII stand alone among others, as in Western and Central European languages, and where they
# stand in rows, as in all other scripts. Of equals the first is taken.
WESTERN = ("cp1252", "cp1250", "cp1254")
OTHERS = ("shift_jis", "gb18030", "big5", "euc_kr", "euc_jp", "cp1251", "cp1253", "cp1252", "cp1250", "cp1254")
MULTI_BYTE = {"shift_jis", "gb18030", "big5", "euc_kr", "euc_jp"}
FALLBACK = "cp1252"
# Below this share of bytes beyond ASCII in rows of more than two they stand alone.
IN_ROWS = 0.4
# How much more a text must look like a language for another encoding than the first.
CLEARLY: dict[tuple[str, ...], float] = {WESTERN: 0.15, OTHERS: 0.01}
MAX_BAD_LINES = 0.1
# So many words of a single-byte encoding are not all of even length, as those of a multi-byte encoding are.
MANY_RUNS = 16

RUNS = re.compile(rb"[\x80-\xff]+")
LONE_BYTE = re.compile("[\udc80-\udcff]")
NO_BYTE = "\udc81"
LONE_SURROGATES = "importer.lone-surrogates"


def _as_lone_surrogates(error: UnicodeError) -> tuple[str, int]:
    """Like `surrogateescape` for any encoding: never takes an ASCII byte along, nor half of a UTF-16 unit."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if error.encoding.replace("_", "-").startswith(("utf-16", "utf-32", "utf16", "utf32")):
        return NO_BYTE, error.end
    first, *others = error.object[error.start : error.end]
    end = error.start + 1
    text = chr(0xDC00 + first) if first >= 0x80 else NO_BYTE
    for byte in others:
        if byte < 0x80:
            break
        text += chr(0xDC00 + byte)
        end += 1
    return text, end


codecs.register_error(LONE_SURROGATES, _as_lone_surrogates)


def encoding_named(name: str) -> str:
    """Returns Python's name of the encoding that a client names; raises `UnusableFile` where there is none."""
    try:
        info = codecs.lookup(name.strip())
    except (LookupError, ValueError, UnicodeError):
        info = None
    if info is None or info.name in NO_FILE_ENCODINGS or not getattr(info, "_is_text_encoding", True):
        shown = "".join(filter(str.isprintable, name))[:40]
        raise UnusableFile(
            f"There is no encoding `{shown}`. Name another, such as utf-8, utf-16, windows-1252 or shift_jis."
        )
    return info.name


class Decoder:
    """The bytes that `read` gives as blocks of text. `encoding` is Python's name of one, None for finding it out.

    `name` is what was found so far: `utf-8` as long as all is ASCII.
    """

    def __init__(self, read: Callable[[int], bytes], encoding: str | None) -> None:
        self._read = read
        self._given = encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._ahead: deque[bytes] = deque()
        self._at_start = True
        self._at_end = False
        # The beginning, which is ASCII, of the line that the next block goes on with.
        self._line = b""
        self.name = encoding or "utf-8"

    def read_block(self) -> str:
        """Returns the next block of text, or "" at the end."""
        if self._at_start:
            self._at_start = False
            self._look_at_start()
        while True:
            data = self._ahead.popleft() if self._ahead else self._read_on()
            if self._decoder is None:
                if data.isascii():
                    self._line = _last_line(self._line + data)
                    return data.decode("ascii")
                self._decide(data)
                continue
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text

    def _read_on(self) -> bytes:
        data = b"" if self._at_end else self._read(BLOCK_BYTES)
        self._at_end = not data
        return data

    def _look_ahead(self, size: int) -> bytes:
        """Reads until so many bytes are at hand; returns the first of them, fewer at the end of the file."""
        while sum(map(len, self._ahead)) < size and (data := self._read_on()):
            self._ahead.append(data)
        start = b""
        for data in self._ahead:
            if len(start) >= size:
                break
            start += data
        return start[:size]

    def _look_at_start(self) -> None:
        """Finds byte order marks and UTF-16 without one."""
        start = self._look_ahead(SNIFFED_BYTES)
        if self._given is not None:
            self._use(self._given, start)
        elif start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            self._use("utf-32", start)
        elif start.startswith(codecs.BOM_UTF8):
            self._use("utf-8-sig", start)
        elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self._use("utf-16", start)
        elif order := utf_16_byte_order(start):
            self._use(order, start)

    def _use(self, name: str, start: bytes = b"") -> None:
        self.name = name
        codec = DECODED_AS.get(name, name)
        if name == "utf-16" and not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            codec = utf_16_byte_order(start) or "utf-16-le"
        # The built-in handler is fast, and right for UTF-8.
        errors = "surrogateescape" if name.startswith("utf-8") else LONE_SURROGATES
        self._decoder = codecs.getincrementaldecoder(codec)(errors)

    def _decide(self, data: bytes) -> None:
        """Finds the encoding at `data`, the first block that is not ASCII; what was read stays at hand."""
        self._ahead.appendleft(data)
        first = RUNS.search(data)
        start = first.start() if first else 0
        sample = self._look_ahead(start + LOOK_AHEAD_BYTES)[start:]
        # The beginning of the line belongs to it.
        line = _last_line(self._line + data[:start])
        self._use("utf-8" if is_utf_8(sample, whole=self._at_end) else guess(line + sample))


def _last_line(data: bytes) -> bytes:
    """What stands behind the last line end, no more of it than tells anything."""
    return data[max(data.rfind(b"\n"), data.rfind(b"\r")) + 1 :][-SNIFFED_BYTES:]


def utf_16_byte_order(start: bytes) -> str | None:
    """Whether the beginning of a file is UTF-16 without a byte order mark: `utf-16-le`, `utf-16-be` or None."""
    start = start[: len(start) // 2 * 2]
    even, odd = start[::2].count(0), start[1::2].count(0)
    # Delimiters, digits and line ends are ASCII in every language, their other byte is 0.
    if max(even, odd) < len(start) / 20 or min(even, odd) > max(even, odd) / 10:
        return None
    if b"\0" not in (start.splitlines() or [b""])[0]:
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    text = start.decode(name, "replace")
    return None if "\0" in text or not ("\n" in text or "\r" in text or text.isprintable()) else name


def is_utf_8(sample: bytes, *, whole: bool = True) -> bool:
    """Whether a text is UTF-8, maybe with some bad bytes: it has no fewer valid sequences than these.

    Where the text is not `whole`, what is cut off at its end counts for nothing.
    """
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample, final=whole)
    ascii_letters = len(sample.translate(None, bytes(range(0x80, 0x100))))
    beyond = len(text) - ascii_letters
    bad = 0
    try:
        text.encode()
    except UnicodeEncodeError:
        bad = len(LONE_BYTE.findall(text))
    return beyond - bad >= bad


def guess(sample: bytes) -> str:
    """Returns the encoding of a text that is not UTF-8, as likely as its lines beyond ASCII tell."""
    lines: list[bytes] = []
    size = 0
    for line in re.split(rb"[\r\n]+", sample):
        if size < GUESSED_BYTES and not line.isascii():
            lines.append(line[: GUESSED_BYTES - size])
            size += len(line)
    runs = RUNS.findall(b"\n".join(lines))
    total = sum(map(len, runs))
    in_rows = sum(len(run) for run in runs if len(run) > 2)
    names: tuple[str, ...] = WESTERN if in_rows < IN_ROWS * total else OTHERS
    clearly = CLEARLY[names]
    bad = {name: [_is_bad(line, name) for line in lines] for name in names}
    names = tuple(name for name in names if sum(bad[name]) <= MAX_BAD_LINES * len(lines))
    if len(runs) >= MANY_RUNS:
        names = tuple(name for name in names if name in MULTI_BYTE) or names
    good = [line for number, line in enumerate(lines) if not any(bad[name][number] for name in names)]
    if not names or not good:
        return FALLBACK
    return _most_likely(b"\n".join(good), names, clearly)


def _is_bad(line: bytes, name: str) -> bool:
    try:
        line.decode(DECODED_AS.get(name, name))
    except UnicodeDecodeError:
        return True
    return False


def _most_likely(text: bytes, names: tuple[str, ...], clearly: float) -> str:
    """Which of `names` makes the best language of the text."""
    codecs_of = {name: DECODED_AS.get(name, name) for name in names}
    matches = from_bytes(text, cp_isolation=list(codecs_of.values()), threshold=1.0, enable_fallback=False)
    scores: dict[str, float] = {}
    for match in matches:
        for alias in match.could_be_from_charset:
            scores[alias] = max(scores.get(alias, -9.0), match.coherence - match.chaos)
    best, best_score = FALLBACK, -9.0
    for name, codec in codecs_of.items():
        score = scores.get(codec, -9.0)
        if score > best_score + (clearly if best_score > -9.0 else 0):
            best, best_score = name, score
    return best
