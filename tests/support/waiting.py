"""Wait for a condition instead of sleeping for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

POLL_SECONDS = 0.05


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Call `condition` until its value is true and return that value; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(POLL_SECONDS)
    pytest.fail(f"{seconds} s passed without: {what}")
