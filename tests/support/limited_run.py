"""Run one import in a process that may use only a little more memory than it has now.

    python -m support.limited_run <task id> <megabytes>

The settings come from the environment.
"""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

import config
from support.jobs import create_runner


def limit_memory(pid: int, megabytes: int) -> None:
    """Limit the address space of a process to what it has now and `megabytes` more."""
    match = re.search(r"VmSize:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    limit = (int(match[1]) << 10) + (megabytes << 20)
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))


def remove_memory_limit(pid: int) -> None:
    """Undo `limit_memory`."""
    resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def main() -> None:
    """Run the import that the command line names."""
    task_id, megabytes = sys.argv[1:]
    runner = create_runner(config.load())
    limit_memory(os.getpid(), int(megabytes))
    runner.run(task_id)


if __name__ == "__main__":
    main()
