"""What a storage can do. `importer.storage.locations` opens the one that a URL names."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from monitoring.context import carry

HASHED_BLOCK_BYTES = 1 << 20
FULL = {errno.ENOSPC, errno.EDQUOT}


class StorageUnavailable(OSError):
    """The storage does not answer, or refuses what it should do. Trying again later may help."""


class UnusableStorage(Exception):
    """The storage cannot be used with these settings. The message says why and what to do."""


class FileReplaced(Exception):
    """A file was replaced while it was read."""


class StoredUpload(NamedTuple):
    """A stored file: its name in the storage, its size in bytes, and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class ListedFile(NamedTuple):
    """A file in the storage, and when it was last written, in Unix seconds."""

    name: str
    modified_at: float


class Hasher:
    """SHA-256 of a stream, computed by a thread while the caller stores the data.

    On processors with instructions for it, as those of servers have, it is the fastest strong hash of hashlib: twice as
    fast as BLAKE2b.
    """

    def __init__(self) -> None:
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="upload-hash")
        self._hashing: Future[None] | None = None

    def add(self, data: bytes | bytearray) -> None:
        """Add the next bytes, which must not change. Wait until those before them are hashed."""
        self._wait()
        self.size += len(data)
        self._hashing = self._executor.submit(carry(self._sha256.update), data)

    def hexdigest(self) -> str:
        """Return the checksum of what was added, in hex."""
        self._wait()
        return self._sha256.hexdigest()

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown()

    def _wait(self) -> None:
        if self._hashing:
            self._hashing.result()


class Upload(Protocol):
    """A file that is being stored, from its start to its end. Every method may raise `OSError`."""

    @property
    def size(self) -> int:
        """How many bytes were written."""

    @property
    def hasher(self) -> Hasher | None:
        """The checksum of what was written; None if another process began the upload."""

    def write(self, data: bytes) -> None:
        """Write the next bytes."""

    def checkpoint(self) -> dict[str, Any]:
        """Make everything durable that was written. Return what `Storage.resume` needs, as JSON."""

    def finish(self) -> StoredUpload:
        """End the upload. From now on the file has its name, and survives a power cut."""

    def abort(self) -> None:
        """End the upload, and leave nothing behind. Errors are logged: the reaper removes what is left."""

    def release(self) -> None:
        """Leave the upload as its last checkpoint has it, for `Storage.resume`."""


class Storage(Protocol):
    """Files by name. A name has no slash. Every method may raise `OSError`."""

    @property
    def location(self) -> str:
        """Where the files are, for messages: never with a password."""

    def check(self) -> None:
        """Raise `UnusableStorage` if the settings of the storage are wrong."""

    def now(self) -> float:
        """Return the time, in Unix seconds, by the clock that gives files their times."""

    def require_space(self, size: int) -> None:
        """Raise an `OSError` with one of the numbers in `FULL` if a file of this size does not fit, as far as known."""

    def create(self, name: str) -> Upload:
        """Begin to store a file."""

    def resume(self, name: str, size: int, state: dict[str, Any], hasher: Hasher | None = None) -> Upload:
        """Go on with an upload at a checkpoint: `size` is what it had written, `state` what it returned.

        `hasher` is that of the earlier `Upload`, if this process has it.
        """

    def open(self, name: str) -> io.RawIOBase:
        """Open a file for reading; it can seek. Raise `FileNotFoundError` if it does not exist.

        A read raises `FileReplaced` where the storage notices that the file was replaced since it was opened.
        """

    def exists(self, name: str) -> bool:
        """Return whether a file exists."""

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""

    def list_files(self) -> Iterator[ListedFile]:
        """Yield the files, and what uploads that have not ended have stored."""

    def discard(self, name: str, state: dict[str, Any]) -> None:
        """Remove what an upload has stored up to its last checkpoint, whose `state` this is, and its finished file."""

    def delete_unfinished(self, before: float, keep: Callable[[str], bool] = lambda _name: False) -> None:
        """Remove uploads that ended without `finish` or `abort` and were begun before a time, in Unix seconds.

        Those for whose name `keep` returns true may still go on.
        """


def read_back(storage: Storage, name: str) -> StoredUpload:
    """Read a stored file, and return it with its size and checksum."""
    with contextlib.closing(Hasher()) as hasher, contextlib.closing(storage.open(name)) as file:
        while data := file.read(HASHED_BLOCK_BYTES):
            hasher.add(data)
        return StoredUpload(name, hasher.size, hasher.hexdigest())
