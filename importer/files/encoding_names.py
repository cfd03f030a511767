"""The names of encodings: those that clients give, and those of Python."""

from __future__ import annotations

import codecs

from importer.errors import FailureKind, UnusableFile

UNKNOWN_ENCODING = FailureKind(
    "unknown_encoding",
    "The encoding `{encoding}` is unknown. Name another, such as utf-8, utf-16, windows-1252 or shift_jis.",
)
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
# `utf-8+cp1252` is the encoding of a file in which the rows that are not UTF-8 are Windows-1252.
MIXED_PREFIX = "utf-8+"


def find_encoding(name: str) -> str:
    """Return Python's name of the encoding that a client names, such as `cp1252` or `utf-8+cp1252`.

    Raises `UnusableFile` if it is unknown.
    """
    names = [_find_codec(part) for part in name.split("+")]
    if None in names or not (len(names) == 1 or (names[0] == "utf-8" and len(names) == 2 and is_one_byte(names[1]))):
        shown = "".join(filter(str.isprintable, name))[:40]
        raise UnusableFile(UNKNOWN_ENCODING, encoding=shown)
    return "+".join(filter(None, names))


def _find_codec(name: str) -> str | None:
    try:
        info = codecs.lookup(name.strip())
    except (LookupError, ValueError, UnicodeError):
        return None
    return None if info.name in UNSUPPORTED_CODECS or not getattr(info, "_is_text_encoding", True) else info.name


def is_one_byte(name: str | None) -> bool:
    """Return whether each byte of an encoding is a character, and ASCII bytes are ASCII characters."""
    if name is None:
        return False
    try:
        text = bytes(range(256)).decode(name, "replace")
    except (LookupError, UnicodeError):
        return False
    return len(text) == 256 and text[:128].isascii() and text[128:] != "\ufffd" * 128


def codec_of(name: str) -> str:
    """Return the codec that decodes an encoding."""
    return SUPERSETS.get(name, name)
