"""Metrics that several processes share: a worker with its child processes and its dispatcher, or several web processes
of one gunicorn.

Each process writes its numbers to files of its own in a folder, and whoever serves the metrics adds them up. That is
the multiprocess mode of prometheus_client, which the variable PROMETHEUS_MULTIPROC_DIR turns on. This module must not
import prometheus_client, because that reads the variable when it is imported.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "acme-metrics-"
LOCK_NAME = "lock"

# The open files whose locks say that their folders are in use.
_locks: list[IO[bytes]] = []


def share_metrics() -> Path:
    """Create an empty folder for the metrics of this process and of those that it starts; return it.

    Call this before anything imports `monitoring.metrics`. The folder is removed at the end of this process. If the
    process is killed, the next call of any process removes the folder. Raises `OSError` if it cannot be created.
    """
    if "prometheus_client" in sys.modules:
        raise RuntimeError("share_metrics() must come before the first import of prometheus_client")
    _remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    _lock(folder)
    os.environ[VARIABLE] = str(folder)
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def shared_folder() -> Path | None:
    """Return the folder of shared metrics, or None if the metrics of this process are in its memory."""
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def _lock(folder: Path) -> None:
    """Lock a folder until this process and the processes that it forks have ended."""
    path = folder / f"new-{LOCK_NAME}"
    lock = path.open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    # From now on, another process that starts can see the lock.
    path.rename(folder / LOCK_NAME)
    _locks.append(lock)


def _remove_abandoned() -> None:
    """Remove the folders of this user whose processes were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), (folder / LOCK_NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
