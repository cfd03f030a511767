"""A database whose clock differs from that of the tests' machine."""

from __future__ import annotations

import pytest

from database import clock

HOUR_SECONDS = 3600


@pytest.fixture
def own_clock(monkeypatch: pytest.MonkeyPatch) -> clock.Clock:
    """The clock of the product in this process, which nothing has set yet."""
    own = clock.Clock()
    monkeypatch.setattr(clock, "_clock", own)
    return own


@pytest.fixture
def database_hour_ahead(own_clock: clock.Clock, monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the database tell a time that is an hour later than that of this machine; the seconds of an hour."""
    statement = clock.READ_CLOCK_SQL.replace("clock_timestamp()", "clock_timestamp() + interval '1 hour'")
    monkeypatch.setattr(clock, "READ_CLOCK_SQL", statement)
    return HOUR_SECONDS
