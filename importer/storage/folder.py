"""A folder of the machine, or one that several machines share, as a storage."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from durable_files import EarlySync, sync_folder
from importer.storage.storage import Hasher, ListedFile, StoredUpload, read_back

log = logging.getLogger(__name__)

BUFFER_BYTES = 1 << 20
# How much an upload writes between two looks at the free space.
SPACE_CHECK_BYTES = 64 << 20
STORED_SUFFIXES = (".upload", ".part")
# How often a writer looks for a file that other writers rename or replace.
MAX_ATTEMPTS = 10


class FolderUpload:
    """A file that is written with the suffix `.part`. It gets its name once it is complete.

    An upload that goes on renames the file, and one that begins again replaces it. An older writer that still has the
    file open notices this before its next write, so only the newest writer writes.
    """

    def __init__(self, storage: FolderStorage, name: str, *, size: int = 0, hasher: Hasher | None) -> None:
        self.hasher = hasher
        self._storage = storage
        self._name = name
        self._buffer = bytearray()
        self._stored = size
        self._looks_at = size
        self._path = (storage.folder / name).with_suffix(".part")
        self._file = self._find() if size else self._begin()
        self._file.seek(size)
        self._sync = EarlySync(self._file, size)

    def _begin(self) -> io.FileIO:
        """Return a new file, open for writing. An older writer keeps its own."""
        for _ in range(MAX_ATTEMPTS):
            self._path.unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                return io.FileIO(self._path, "x")
        raise OSError(errno.EBUSY, "Other writers begin the file", str(self._path))

    def _find(self) -> io.FileIO:
        """Return the file of an upload that goes on, open for writing; raise `FileNotFoundError` if there is none."""
        # A folder that is listed while a file is renamed may show neither name.
        for _ in range(MAX_ATTEMPTS):
            for path in self._storage.find_parts(self._name):
                if file := self._acquire(path):
                    return file
        raise FileNotFoundError(errno.ENOENT, "The end of the file is not there", str(self._path))

    def _acquire(self, path: Path) -> io.FileIO | None:
        """Rename a file, and return it open for writing, cut to its last checkpoint.

        Return None if the file is too short, or if another writer has renamed it.
        """
        try:
            file = io.FileIO(path, "r+")
        except FileNotFoundError:
            return None
        try:
            with self._locked(file):
                if _is_at(path, file) and file.seek(0, io.SEEK_END) >= self._stored:
                    self._path = path.rename(self._path.with_suffix(f".{uuid.uuid4().hex}.part"))
                    file.truncate(self._stored)
                    return file
        except BaseException:
            file.close()
            raise
        file.close()
        return None

    @contextlib.contextmanager
    def _locked(self, file: io.FileIO) -> Iterator[None]:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    @property
    def size(self) -> int:
        """How many bytes were written."""
        return self._stored + len(self._buffer)

    def write(self, data: bytes) -> None:
        """Write the next bytes."""
        self._buffer += data
        if len(self._buffer) >= BUFFER_BYTES:
            self._flush()

    def checkpoint(self) -> dict[str, Any]:
        """Write what is buffered to the disk."""
        self._flush()
        self._sync.finish()
        sync_folder(self._storage.folder)
        return {}

    def finish(self) -> StoredUpload:
        """Give the file its name, after its content is on the disk."""
        self._flush()
        self._sync.finish()
        self._sync.close()
        self._file.close()
        self._path = self._path.rename(self._storage.folder / self._name)
        sync_folder(self._storage.folder)
        if self.hasher is None:
            return read_back(self._storage, self._name)
        with contextlib.closing(self.hasher):
            return StoredUpload(self._name, self._stored, self.hasher.hexdigest())

    def abort(self) -> None:
        """Remove the file."""
        self._buffer.clear()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self.release()
        if self.hasher:
            self.hasher.close()

    def release(self) -> None:
        """Close the file."""
        self._buffer.clear()
        self._sync.close()
        try:
            self._file.close()
        except OSError:
            log.debug("The end of %s did not fit on the disk", self._path)

    def _flush(self) -> None:
        if self._stored >= self._looks_at:
            # The client may not have said how large the file is, and other files are written, too.
            self._storage.require_space(0)
            self._looks_at = self._stored + SPACE_CHECK_BYTES
        data, self._buffer = self._buffer, bytearray()
        if self.hasher and data:
            self.hasher.add(data)
        view = memoryview(data)
        with self._locked(self._file):
            if not _is_at(self._path, self._file):
                raise OSError(errno.ESTALE, "Another writer has the file", str(self._path))
            # Near the end of a full disk, the system may write only a part of the data; the next call says why.
            while view:
                written = self._file.write(view)
                self._stored += written
                view = view[written:]
        self._sync.grow(self._stored)


def _is_at(path: Path, file: io.FileIO) -> bool:
    """Return whether an open file has this path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


class FolderStorage:
    """The files of a folder. Web processes and workers on other machines must share it.

    Uploads leave `reserve_bytes` of its disk free.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int = 0) -> None:
        self.folder = folder
        self._reserve_bytes = reserve_bytes

    @property
    def location(self) -> str:
        """The path of the folder."""
        return str(self.folder)

    def check(self) -> None:
        """Do nothing: `config.make_folder` checks the folder."""

    def now(self) -> float:
        """Return the time that a new file gets. Of a shared folder, that is often the time of the file server."""
        with tempfile.TemporaryFile(dir=self.folder) as file:
            return os.fstat(file.fileno()).st_mtime

    def require_space(self, size: int) -> None:
        """Raise an `OSError` if a file of this size would use the reserve of the disk."""
        if self._reserve_bytes and shutil.disk_usage(self.folder).free - size < self._reserve_bytes:
            raise OSError(errno.ENOSPC, "The rest of the disk is reserved", self.location)

    def create(self, name: str) -> FolderUpload:
        """Begin to store a file."""
        return FolderUpload(self, name, hasher=Hasher())

    def resume(self, name: str, size: int, _state: dict[str, Any], hasher: Hasher | None = None) -> FolderUpload:
        """Go on with an upload at a checkpoint; raise `FileNotFoundError` if its file was removed."""
        if not size:
            return self.create(name)
        return FolderUpload(self, name, size=size, hasher=hasher if hasher and hasher.size == size else None)

    def open(self, name: str) -> io.FileIO:
        """Open a file for reading."""
        return io.FileIO(self.folder / name)

    def exists(self, name: str) -> bool:
        """Return whether a file exists."""
        return (self.folder / name).exists()

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""
        (self.folder / name).unlink(missing_ok=True)

    def list_files(self) -> Iterator[ListedFile]:
        """Yield the files that uploads have stored. Other files are not touched: the folder may have a `.gitkeep`."""
        for path in self.folder.iterdir():
            # Another worker may delete it meanwhile.
            if path.suffix in STORED_SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    yield ListedFile(path.name, path.stat().st_mtime)

    def discard(self, name: str, _state: dict[str, Any]) -> None:
        """Remove what an upload has stored, complete or not."""
        for part in self.find_parts(name):
            part.unlink(missing_ok=True)
        self.delete(name)

    def find_parts(self, name: str) -> Iterator[Path]:
        """Yield the file of an upload that has not ended."""
        return self.folder.glob(f"{Path(name).stem}*.part")

    def delete_unfinished(self, before: float, keep: Callable[[str], bool] = lambda _name: False) -> None:
        """Do nothing: `list_files` yields the files of uploads that did not end."""
