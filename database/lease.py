"""Leases: which process works on a row, and until when.

A row with the columns `lease_token`, `lease_holder` and `lease_expires_at` can be leased. The token is a fencing token:
every write of the holder names it, so a holder that lost its lease cannot write. `lease_holder` describes the process
that holds the lease. Another process on the same machine can see whether the holder has ended. If it has, the other
process can take over the lease before the lease expires.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

# Assignments of an UPDATE. Parameters: token, holder (see `current_holder`) and lease_seconds.
EXTEND_LEASE_SQL = "lease_expires_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)"
ACQUIRE_LEASE_SQL = f"lease_token = %(token)s, lease_holder = %(holder)s, {EXTEND_LEASE_SQL}"
RELEASE_LEASE_SQL = "lease_token = NULL, lease_holder = NULL, lease_expires_at = NULL"
# Whether a row has a lease that has not expired.
LEASE_IS_VALID_SQL = "coalesce(lease_expires_at > clock_timestamp(), false)"

HAS_ENDED = "ended"


def current_holder() -> str:
    """Return this process as the holder of a lease: machine and PID namespace, process id, start time."""
    return f"{_pid_namespace()} {os.getpid()} {_start_time(os.getpid())}"


def holder_has_ended(holder: str | None) -> bool:
    """Return whether the process that holds a lease is known to have ended.

    That can only be known of a process on this machine. Returns True for a lease without a holder.
    """
    if not holder:
        return True
    namespace, _, process = holder.partition(" ")
    pid, _, start_time = process.partition(" ")
    if not namespace or namespace != _pid_namespace() or not start_time:
        return False
    return _start_time(int(pid)) not in {start_time, ""}


def _pid_namespace() -> str:
    """Return a name for the machine and PID namespace in which the id of this process is valid; "" if unknown.

    Two containers on one machine may share its host name and boot id, but each has its own PID namespace.
    """
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{socket.gethostname()}/{boot_id}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _start_time(pid: int) -> str:
    """Return when a process started, in clock ticks since boot: field 22 of `/proc/<pid>/stat`, see proc(5).

    The start time distinguishes processes that had the same id one after the other. Returns `HAS_ENDED` if there is no
    such process or it is a zombie, and "" if the system does not reveal the start time.
    """
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            fields = file.read().rpartition(")")[2].split()
    except ProcessLookupError:
        return HAS_ENDED
    except OSError:
        return ""
    return HAS_ENDED if fields[0] in "ZX" else fields[19]
