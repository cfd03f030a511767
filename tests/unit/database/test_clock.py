"""How the clock of the product counts on, and what an answer of the database changes."""

from __future__ import annotations

import time

import pytest

from database.clock import ELAPSED_CLOCK, Clock

# Far from the time of any machine.
SERVER_TIME = 1_000_000.0


def elapsed() -> float:
    return time.clock_gettime(ELAPSED_CLOCK)


def test_a_clock_that_was_not_set_shows_the_time_of_the_machine() -> None:
    before = time.time()
    clock = Clock()
    assert before <= clock.unix_time() <= time.time()
    assert clock.age_seconds == float("inf")


def test_a_clock_that_was_set_counts_on_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    now = elapsed()
    clock.set(SERVER_TIME, now, now)
    # Somebody sets the clock of the machine.
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert SERVER_TIME <= clock.unix_time() <= SERVER_TIME + elapsed() - now
    assert clock.age_seconds <= elapsed() - now


def test_a_slow_answer_corrects_only_what_it_contradicts() -> None:
    clock = Clock()
    now = elapsed()
    clock.set(SERVER_TIME, now, now)

    def error() -> float:
        return clock.unix_time() - (SERVER_TIME + elapsed() - now)

    # The server told its time at any moment of this minute.
    clock.set(SERVER_TIME, now - 50, now + 10)
    assert error() == pytest.approx(0, abs=0.5)
    clock.set(SERVER_TIME + 70, now - 50, now + 10)
    assert error() == pytest.approx(60, abs=0.5)
    clock.set(SERVER_TIME - 70, now - 50, now + 10)
    assert error() == pytest.approx(-20, abs=0.5)
