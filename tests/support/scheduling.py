"""A pytest plugin that decides which tests pytest-xdist runs in the same process (`-n`)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# There are many browser tests, so they form two groups, which two processes can run.
BROWSER_GROUPS = 2
# The tests of these files share something that takes long to make: a server, or the image of the product.
FILES_WITH_A_FIXTURE = {"test_image.py", "test_rabbitmq.py"}


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out tests singly, except that tests which share an expensive fixture form a group; groups go first.

    `--dist loadgroup` should do this, but it finds no groups with pytest 9.2 (issue 1386 of pytest-xdist).
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of a test's group."""
        folder, _, file = nodeid.partition("::")[0].rpartition("/")
        if folder.endswith("browser"):
            return f"browser {zlib.crc32(nodeid.encode()) % BROWSER_GROUPS}"
        return file if file in FILES_WITH_A_FIXTURE else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    """Return this scheduler, unless the command line chooses another one with `--dist`."""
    return Scheduler(config, log) if config.getvalue("dist") == "load" else None
