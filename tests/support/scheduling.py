"""A pytest plugin that decides which tests pytest-xdist runs in the same process (`-n`)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# There are many browser tests, so they form two groups, which two processes can run.
BROWSER_GROUPS = 2
# The tests of a group share something that takes long to make: servers, or the image of the product.
GROUPS = {
    "test_cluster.py": "cluster",
    "test_image.py": "image",
    "test_rabbitmq.py": "rabbitmq",
    "test_resumed_uploads.py": "s3",
    "test_s3_faults.py": "s3",
    "test_s3_imports.py": "s3",
    "test_storages.py": "s3",
    "test_tus_clients.py": "s3",
}


class Scheduler(LoadScopeScheduling):  # type: ignore[misc]
    """Hands out tests singly, except that tests which share an expensive fixture form a group; groups go first.

    `--dist loadgroup` should do this, but it finds no groups with pytest 9.2 (issue 1386 of pytest-xdist).
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of a test's group."""
        folder, _, file = nodeid.partition("::")[0].rpartition("/")
        if folder.endswith("browser"):
            return f"browser {zlib.crc32(nodeid.encode()) % BROWSER_GROUPS}"
        return GROUPS.get(file, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler | None:
    """Return this scheduler, unless the command line chooses another one with `--dist`."""
    return Scheduler(config, log) if config.getvalue("dist") == "load" else None
