"""Classes of requests. Each class has its own threads, so requests of one class never wait for those of another."""

from __future__ import annotations

import re
from typing import NamedTuple

from server.request_head import Head

QUEUE_SECONDS = 5
RETRY_AFTER_SECONDS = 5
# Above MAX_STREAMS the application itself refuses a stream. It needs threads to say so.
THREADS_FOR_REFUSALS = 4
# The application runs four exports at a time, and refuses the others.
EXPORT_THREADS = 8
TLS_THREADS = 40


class RequestClass(NamedTuple):
    """Requests that share `threads`. At most `queue_length` of them wait for a thread, for at most QUEUE_SECONDS.

    `reads_body` says that the application reads the body itself while it arrives. The bodies of other classes are
    small, and the server collects them before it runs the request. `streams` says that the response may take long
    because of what the application does, so a slow client may hold the thread.
    """

    name: str
    threads: int
    queue_length: int
    reads_body: bool = False
    streams: bool = False


class RequestClasses:
    """The classes of a web process, and which requests belong to which."""

    def __init__(self, *, max_uploads: int, max_streams: int) -> None:
        self.health = RequestClass("health", threads=2, queue_length=50)
        self.metrics = RequestClass("metrics", threads=2, queue_length=8)
        self.upload = RequestClass("upload", threads=max_uploads, queue_length=16, reads_body=True)
        self.stream = RequestClass("stream", max_streams + THREADS_FOR_REFUSALS, queue_length=32, streams=True)
        self.export = RequestClass("export", EXPORT_THREADS, queue_length=8, streams=True)
        # Lists of an import and the audit log, as files.
        self.download = RequestClass("download", threads=8, queue_length=8, streams=True)
        # Changes of many products, actions on an import, and test requests to a receiver, which may take 15 seconds.
        self.long = RequestClass("long", threads=8, queue_length=16)
        self.page = RequestClass("page", threads=4, queue_length=100)
        self.other = RequestClass("other", threads=16, queue_length=50)
        # With TLS nothing is known about a request before a thread has decrypted it.
        tls_threads = max_streams + max_uploads + TLS_THREADS
        self.encrypted = RequestClass("encrypted", tls_threads, queue_length=50, reads_body=True, streams=True)

    def all(self) -> list[RequestClass]:
        """Return every class."""
        return list(vars(self).values())

    def of(self, head: Head) -> RequestClass:
        """Return the class of a request."""
        if head.method in APPENDING_METHODS and APPENDING_PATH.fullmatch(head.path):
            return self.upload
        rules = READING_RULES if head.method in {"GET", "HEAD"} else WRITING_RULES
        for name, pattern in rules:
            if pattern.fullmatch(head.path):
                request_class: RequestClass = getattr(self, name)
                return request_class
        return self.other


# The next bytes of a resumable upload. A client that cannot send PATCH sends POST in its place.
APPENDING_METHODS = {"PATCH", "POST"}
APPENDING_PATH = re.compile(r"/api/uploads/[^/]+")
READING_RULES = [
    ("health", re.compile(r"/api/health|/healthz|/readyz")),
    ("metrics", re.compile(r"/metrics")),
    ("stream", re.compile(r"/api/events|/api/upload/progress/[^/]+/stream|/api/(products|webhooks)/changes")),
    ("export", re.compile(r"/api/products/export")),
    ("download", re.compile(r"/api/imports/[^/]+/(rejects|duplicates|rows)\.csv|/api/audit/export")),
    ("page", re.compile(r"/|/static/.*|/favicon\.ico|/api/docs|/api/openapi\.json")),
]
WRITING_RULES = [
    ("export", re.compile(r"/api/products/export")),
    ("upload", re.compile(r"/api/upload")),
    ("long", re.compile(r"/api/products/(bulk|bulk-delete)|/api/webhooks/\d+/test")),
    ("long", re.compile(r"/api/imports/[^/]+(/(confirm|cancel|retry|undo))?")),
]
