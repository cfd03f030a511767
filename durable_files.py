"""Makes file names survive a power cut: `os.fsync` writes what a file contains, but not the folder that names it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

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
