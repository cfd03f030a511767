"""Child processes that end together with this process."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import Any

PR_SET_PDEATHSIG = 1  # From <linux/prctl.h>.


def spawn(command: Sequence[str], death_signal: signal.Signals, **options: Any) -> subprocess.Popen[bytes]:
    """Start `command` in a new session, where Ctrl-C in the terminal does not reach it, with an empty stdin.

    `options` are those of `subprocess.Popen`. On Linux the kernel sends the child `death_signal` when this process ends
    for any reason (PR_SET_PDEATHSIG of prctl(2)). The kernel watches the calling thread, so the thread must live as
    long as the process. Raises `OSError` if the command cannot be started.
    """
    parent_pid = os.getpid()
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def set_death_signal() -> None:
        # subprocess calls this after it has changed the user. A later change of the user would reset the death signal.
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent_pid:  # The parent ended before prctl took effect.
            os.kill(os.getpid(), death_signal)

    with warnings.catch_warnings():
        # Python 3.12 warns about every fork of a process with threads, because a thread may hold a lock that the child
        # waits for. `set_death_signal` acquires no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=set_death_signal, **options
        )
