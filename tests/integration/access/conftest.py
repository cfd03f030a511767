"""Fixtures of the tests of access control."""

from __future__ import annotations

import pytest

from access import throttle


@pytest.fixture
def long_waits(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let an account or address wait for a minute at once, so that a busy machine does not outlast the wait."""
    monkeypatch.setattr(throttle, "FIRST_WAIT_SECONDS", 60)
    return 60
