"""Which tests pytest-xdist gives to the same process, where they run side by side (`-n`)."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives out tests one by one, but those that share what takes long to start together, and first.

    `--dist loadgroup` is meant for that, but finds no groups with pytest 9.2 (issue 1386 of pytest-xdist).
    """

    def _split_scope(self, nodeid: str) -> str:
        """The name of the test's group; tests in a browser, which are many, have two."""
        folder, _, file = nodeid.partition("::")[0].rpartition("/")
        if folder.endswith("browser"):
            return f"browser {zlib.crc32(nodeid.encode()) % 2}"
        return file if file == "test_rabbitmq.py" else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Ours, unless another one is asked for."""
    return Scheduling(config, log) if config.getvalue("dist") == "load" else None
