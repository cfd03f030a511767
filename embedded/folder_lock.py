"""A lock that lets only one run use a data folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from embedded.errors import LaunchError


def lock_folder(folder: Path) -> IO[str]:
    """Lock `folder` with flock(2) and return its empty lock file; closing the file releases the lock.

    The holder writes its address into the file. Raises `LaunchError`, with that address, if another run holds the lock,
    and if the file system has no locks.
    """
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        address = file.read()
        file.close()
        raise LaunchError(f"already running in {folder}" + (f": {address}" if address else "")) from None
    except OSError as error:
        file.close()
        raise LaunchError(
            f"{folder}/lock cannot be locked ({error.strerror}); set DATA_DIR to a local folder"
        ) from None
    file.truncate(0)
    return file
