"""Compressed responses: files of the page, and long lists of the API.

A file is compressed once and kept. Each of its codings has an ETag of its own (RFC 9110, section 8.8.3). A request for
a range gets the plain bytes, so that ranges of one file always fit together.

Lists are compressed when they are sent. Not compressed are streams; whatever has an ETag, because clients send it back
as `If-Match`; and the calls that are not in `COMPRESSED_PATHS`: they return secrets, and the length of a compressed
text can reveal a secret that stands beside a text of an attacker (BREACH).
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import threading

from flask import Flask, Response, request
from isal import igzip
from werkzeug.datastructures import Accept

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# The codings (RFC 9110, section 8.4.1, and RFC 8878), the one with the smallest results first.
ZSTD, GZIP = "zstd", "gzip"
CODINGS = (ZSTD, GZIP)
# Of files, which are compressed once. Browsers accept windows of 8 MiB, and these levels use smaller ones.
ZSTD_FILE_LEVEL = 16
GZIP_FILE_LEVEL = 9
# Of lists. It takes a tenth of a millisecond for 20 KB.
GZIP_LIST_LEVEL = 2
# A shorter response fits in one packet, whether it is compressed or not.
MIN_LIST_BYTES = 1_200
COMPRESSED_PATHS = ("/api/products", "/api/imports", "/api/views")
DIGEST_CHARACTERS = 16


class Body:
    """The content of a response that does not change, with its compressed forms."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]
        self._lock = threading.Lock()
        self._encoded: dict[str, bytes] = {}

    def encode(self, coding: str | None) -> bytes:
        """Return the content in a coding; None means as it is."""
        if coding is None:
            return self.content
        with self._lock:
            if coding not in self._encoded:
                self._encoded[coding] = _compress_file(self.content, coding)
            return self._encoded[coding]


def _compress_file(content: bytes, coding: str) -> bytes:
    if coding == ZSTD:
        return zstd.compress(content, level=ZSTD_FILE_LEVEL)
    # The standard library compresses better than isal, and takes longer.
    return gzip.compress(content, GZIP_FILE_LEVEL, mtime=0)


def choose_coding(accepted: Accept) -> str | None:
    """Return the coding that the client prefers; None if it gets the content as it is."""
    quality, coding = max(((accepted[name], name) for name in CODINGS), key=lambda pair: pair[0])
    return coding if quality > 0 else None


def send_body(body: Body, mimetype: str) -> Response:
    """Return a response with this content to the current request: 200, 206 of a range, or 304 if the client has it."""
    coding = None if request.range else choose_coding(request.accept_encodings)
    content = body.encode(coding)
    response = Response(content, mimetype=mimetype)
    if coding:
        response.content_encoding = coding
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{body.digest}-{coding}" if coding else body.digest)
    response.make_conditional(request, accept_ranges=True, complete_length=len(content))
    return response


def register(app: Flask) -> None:
    """Compress the long lists of the API for clients that accept it."""

    @app.after_request
    def _compress_list(response: Response) -> Response:
        if (
            response.status_code != 200
            or response.mimetype != "application/json"
            or response.is_streamed
            or "ETag" in response.headers
            or not request.path.startswith(COMPRESSED_PATHS)
        ):
            return response
        response.vary.add("Accept-Encoding")
        content = response.get_data()
        if len(content) >= MIN_LIST_BYTES and request.accept_encodings[GZIP] > 0:
            response.set_data(igzip.compress(content, GZIP_LIST_LEVEL))
            response.content_encoding = GZIP
        return response
