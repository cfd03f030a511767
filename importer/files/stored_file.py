"""The stored file of a job, which must still be the one that was uploaded.

A file may be truncated or replaced between its upload and its import: by a power cut, a copying tool, or another
machine that shares the storage. The checksum is computed from the bytes that the readers get, so that the file is read
only once.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterator

from importer.errors import FailureKind, ImportFailure, Interruption, UnusableFile
from importer.storage.storage import FileReplaced, Storage

HASHED_BLOCK_BYTES = 1 << 20
MISSING = FailureKind("stored_file_missing", "The uploaded file no longer exists on the server. Upload it again.")
CHANGED = FailureKind(
    "stored_file_changed",
    "The stored file is not the one that was uploaded: its content has changed. Upload it again.",
)
RESIZED = FailureKind(
    "stored_file_resized",
    "The stored file is not the one that was uploaded: it has {bytes:,} bytes instead of {uploaded_bytes:,}. Upload it"
    " again.",
)
UNREADABLE = FailureKind("stored_file_unreadable", "The storage of uploaded files does not give the file: {text}.")


class StoredFile:
    """The file `name` in `storage`, which had `size` bytes and this SHA-256 (in hex) when it was uploaded.

    Jobs of earlier versions have no checksum. Without one, neither the size nor the content is checked.
    """

    def __init__(self, storage: Storage, name: str, size: int, sha256: str | None) -> None:
        self._storage = storage
        self._name = name
        self._size = size
        self._sha256 = sha256
        self._hash = hashlib.sha256()
        self._hashed_bytes = 0

    def open(self) -> io.RawIOBase:
        """Open the file for reading. Raise `UnusableFile` if it is missing or has another size.

        The reader must pass what it reads to `add`, and read within `reading`.
        """
        self._hash = hashlib.sha256()
        self._hashed_bytes = 0
        with self.reading():
            file = self._storage.open(self._name)
            try:
                self._check_size(file)
            except BaseException:
                file.close()
                raise
            return file

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Explain errors of the storage: raise `UnusableFile` or `Interruption` instead of them."""
        try:
            yield
        except FileNotFoundError:
            raise UnusableFile(MISSING) from None
        except FileReplaced:
            raise UnusableFile(CHANGED) from None
        except OSError as error:
            raise Interruption(ImportFailure(UNREADABLE, text=str(error))) from error

    def verify(self, *, after_read: Callable[[], None] = lambda: None) -> None:
        """Raise `UnusableFile` unless the readers read the file that was uploaded.

        Reads the part of the file that they did not read, and calls `after_read` after each read.
        """
        if self._sha256 is None:
            return
        if self._hashed_bytes != self._size:
            self._read_rest(after_read)
        if self._hash.hexdigest() != self._sha256:
            raise UnusableFile(CHANGED)

    def add(self, position: int, data: bytes) -> None:
        """Add data that was read at `position` to the checksum. Ignores bytes added before, and data after a gap."""
        start = self._hashed_bytes - position
        if 0 <= start < len(data):
            self._hash.update(memoryview(data)[start:])
            self._hashed_bytes += len(data) - start

    def _read_rest(self, after_read: Callable[[], None]) -> None:
        with self.reading(), contextlib.closing(self._storage.open(self._name)) as rest:
            self._check_size(rest)
            rest.seek(self._hashed_bytes)
            while data := rest.read(HASHED_BLOCK_BYTES):
                self.add(self._hashed_bytes, data)
                after_read()

    def _check_size(self, file: io.RawIOBase) -> None:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if self._sha256 is not None and size != self._size:
            raise UnusableFile(RESIZED, bytes=size, uploaded_bytes=self._size)
