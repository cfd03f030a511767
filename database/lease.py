"""Who holds a lease: a process, named so that others of the same machine can tell that it is gone."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def _place() -> str:
    """Where process numbers mean what they mean here; containers of one machine may share its name, not these."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def present_holder() -> str:
    """This process, as the holder of a lease."""
    return f"{_place()} {os.getpid()} {_started(os.getpid())}"


def _started(pid: int) -> str:
    """When a process started, in ticks since boot, so that a number used again is not taken for the same process.

    "gone" for one that has ended, "" where this cannot be found out.
    """
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
    except ProcessLookupError:
        return "gone"
    except OSError:
        return ""
    return "gone" if fields[0] in "ZX" else fields[19]


def holder_is_gone(holder: str | None) -> bool:
    """Whether the process that holds a lease is known to have ended: on this machine only, else False."""
    if not holder:
        return True
    place, _, process = holder.partition(" ")
    pid, _, started = process.partition(" ")
    if not place or place != _place() or not started:
        return False
    return _started(int(pid)) not in {started, ""}
