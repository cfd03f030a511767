"""The names of encodings: those that clients give, those of Python, and those for people."""

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

SHOWN_NAMES = {
    "utf-8": "UTF-8",
    "cp1252": "Windows-1252 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "iso8859-2": "ISO 8859-2 (Central European)",
    "mac-roman": "Mac OS Roman (Western European)",
    "mac-cyrillic": "Mac OS Cyrillic",
    "cp850": "DOS 850 (Western European)",
    "cp852": "DOS 852 (Central European)",
    "cp866": "DOS 866 (Cyrillic)",
    "koi8-r": "KOI8-R (Cyrillic)",
    "shift_jis": "Shift JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "euc_kr": "EUC-KR (Korean)",
}


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


def shown_name(name: str) -> str:
    """Return the name of an encoding for people."""
    return " and ".join(SHOWN_NAMES.get(part, part) for part in name.split("+"))
