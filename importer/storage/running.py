"""What a process knows about the resumable uploads that it receives: who writes them, and their checksums so far."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator

from importer.storage.storage import Hasher

# How long a request waits for an older one of the same upload to save what it has received.
TAKEOVER_SECONDS = 5
# Each has a thread that waits. An upload whose checksum is gone is read once more at its end.
MAX_HASHERS = 64


class Run:
    """A request that writes an upload, until it ends or a newer one interrupts it.

    `reaches_end` says that an interrupted request soon sees the end of what its client has sent.
    """

    def __init__(self, wake: Callable[[], None] | None) -> None:
        self.is_interrupted = False
        self.reaches_end = wake is not None
        self._ended = threading.Event()
        self._wake = wake

    def interrupt(self) -> None:
        """Ask the request to save what it has and to end; wait until it has, or for TAKEOVER_SECONDS."""
        self.request_end()
        self._ended.wait(TAKEOVER_SECONDS)

    def request_end(self) -> None:
        """Ask the request to save what it has and to end, without waiting for that."""
        if not self.is_interrupted:
            self.is_interrupted = True
            if self._wake:
                self._wake()

    def end(self) -> None:
        """Let requests go on that wait for the end of this one."""
        self._ended.set()


class RunningUploads:
    """The uploads that this process receives, and the checksums of those that may go on.

    `is_stopping` says that the process is about to end.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._hashers: OrderedDict[str, Hasher] = OrderedDict()

    @contextlib.contextmanager
    def run(self, upload_id: str, wake: Callable[[], None] | None) -> Iterator[Run]:
        """Interrupt the request that writes an upload, and write it in its place.

        `wake` lets the new request see the end of its body as soon as it is interrupted, if that is possible.
        """
        run = Run(wake)
        with self._lock:
            older = self._runs.get(upload_id)
            self._runs[upload_id] = run
            run.is_interrupted = self.is_stopping
        try:
            if older:
                older.interrupt()
            yield run
        finally:
            with self._lock:
                if self._runs.get(upload_id) is run:
                    del self._runs[upload_id]
            run.end()

    def interrupt(self, upload_id: str) -> None:
        """Interrupt the request that writes an upload, if there is one in this process."""
        with self._lock:
            run = self._runs.get(upload_id)
        if run:
            run.interrupt()

    def stop(self) -> None:
        """Interrupt the requests that write uploads, and those that come; their clients go on with another process."""
        with self._lock:
            self.is_stopping = True
            runs = list(self._runs.values())
        for run in runs:
            run.request_end()

    def take_hasher(self, upload_id: str) -> Hasher | None:
        """Return the checksum of an upload, which the caller now owns; None if it is not known."""
        with self._lock:
            return self._hashers.pop(upload_id, None)

    def keep_hasher(self, upload_id: str, hasher: Hasher | None) -> None:
        """Keep the checksum of an upload. The one that was kept for the longest time may be forgotten."""
        if hasher is None:
            return
        with self._lock:
            replaced = self._hashers.pop(upload_id, None)
            self._hashers[upload_id] = hasher
            oldest = self._hashers.popitem(last=False)[1] if len(self._hashers) > MAX_HASHERS else None
        for unused in (replaced, oldest):
            if unused:
                unused.close()

    def close(self) -> None:
        """Forget all checksums, and end their threads."""
        with self._lock:
            hashers, self._hashers = list(self._hashers.values()), OrderedDict()
        for hasher in hashers:
            hasher.close()
