"""The request of a worker that ends: its runs stop soon, and other workers continue their jobs."""

from __future__ import annotations

import mmap


class HandOver:
    """Whether runs must leave their jobs to other workers.

    The flag is in memory that this process shares with the processes that it forks later. The pool of a worker forks
    the processes that run its jobs, so its main process can tell them without a signal.
    """

    def __init__(self) -> None:
        self._flag = mmap.mmap(-1, 1)

    def request(self) -> None:
        """Ask all runs to stop. A handler of a signal may call this."""
        self._flag[0] = 1

    @property
    def is_requested(self) -> bool:
        """Whether runs must stop."""
        return bool(self._flag[0])
