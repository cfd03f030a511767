"""The head of an HTTP/1.1 request (RFC 9112), read only as far as needed to decide when to run the request, and where.

gunicorn parses and validates the request again when a thread runs it. Nothing here decides what a request means.
"""

from __future__ import annotations

import re
from typing import NamedTuple

END_OF_HEAD = b"\r\n\r\n"
CONTENT_LENGTH_RE = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,19})[ \t]*\r\n", re.IGNORECASE)
CHUNKED_RE = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked", re.IGNORECASE)
EXPECT_RE = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*(?=\r\n)", re.IGNORECASE)
# The last chunk and the trailers at the end of a chunked body (RFC 9112, section 7.1).
LAST_CHUNK_RE = re.compile(rb"(?:^|\r\n)0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z")
LAST_CHUNK_SEARCH_BYTES = 1024


class Head(NamedTuple):
    """What the server needs to know about a request before it runs it.

    `length` is the number of bytes of the head. `content_length` is 0 if the header is missing.
    """

    length: int
    method: str
    path: str
    content_length: int
    is_chunked: bool
    expects_continue: bool


def parse_head(buffer: bytearray) -> Head | None:
    """Return the head at the start of the buffer, or None if it has not arrived completely."""
    end = buffer.find(END_OF_HEAD)
    if end < 0:
        return None
    # Keep the end of the last line: the expressions above look for whole lines.
    head = bytes(buffer[: end + 2])
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    content_length = CONTENT_LENGTH_RE.search(head)
    return Head(
        length=end + len(END_OF_HEAD),
        method=method.decode("latin-1"),
        path=_path_of(rest.partition(b" ")[0].decode("latin-1")),
        content_length=int(content_length[1]) if content_length else 0,
        is_chunked=CHUNKED_RE.search(head) is not None,
        expects_continue=EXPECT_RE.search(head) is not None,
    )


def _path_of(target: str) -> str:
    """Return the path of a request target, which may be a complete URL (RFC 9112, section 3.2.2)."""
    if not target.startswith("/") and "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    return target.partition("?")[0]


def remove_expectation(buffer: bytearray, head: Head) -> Head:
    """Remove the header `Expect: 100-continue` from the buffer, because it was answered; return the new head."""
    old = bytes(buffer[: head.length])
    new = EXPECT_RE.sub(b"", old)
    buffer[: head.length] = new
    return head._replace(length=len(new), expects_continue=False)


def has_whole_body(buffer: bytearray, head: Head) -> bool:
    """Return whether the body after the head has arrived completely."""
    if not head.is_chunked:
        return len(buffer) >= head.length + head.content_length
    body_start = max(head.length, len(buffer) - LAST_CHUNK_SEARCH_BYTES)
    return LAST_CHUNK_RE.search(bytes(buffer[body_start:])) is not None
