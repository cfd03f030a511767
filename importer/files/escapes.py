"""Bytes that are not text in the encoding of a file become lone surrogates (PEP 383), in any encoding."""

from __future__ import annotations

import codecs

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
