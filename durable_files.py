"""Makes files and their names survive a power cut.

`os.fsync` writes what a file contains, but not the folder that names it.
"""

from __future__ import annotations

import errno
import io
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# How much a file grows before it is synced for the first time, and again. At the end, at most about twice as much is
# left to write.
EARLY_SYNC_BYTES = 16 << 20

# Some file systems cannot sync folders. PostgreSQL ignores the same errors.
UNSUPPORTED = {errno.EBADF, errno.EINVAL, errno.EACCES, errno.EISDIR}


def sync_folder(folder: Path) -> None:
    """Write the names of the files in a folder to the disk; do nothing where the file system cannot do that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


class EarlySync:
    """Syncs a file in a thread while it grows, so that the last sync finds little to do.

    `size` is how much of the file is on the disk already, in bytes. The methods that sync raise the `OSError` of any
    sync of the file, because the system reports that a block could not be written only once.
    """

    def __init__(self, file: io.FileIO, size: int = 0) -> None:
        self._file = file
        self._begun_at = size
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="file-sync")
        self._syncing: Future[None] | None = None

    def grow(self, size: int) -> None:
        """Begin to sync the file, which has this size now, if it has grown enough and no sync is running."""
        if size - self._begun_at < EARLY_SYNC_BYTES or (self._syncing and not self._syncing.done()):
            return
        self._wait()
        self._begun_at = size
        self._syncing = self._executor.submit(os.fsync, self._file.fileno())

    def finish(self) -> None:
        """Sync the file; return when all of it is on the disk."""
        self._wait()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """End the thread. The file may be closed from now on."""
        self._executor.shutdown()

    def _wait(self) -> None:
        if self._syncing:
            self._syncing.result()
