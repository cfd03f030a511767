"""The forecast of synthetic runs: how near the time left is to the truth, and what a run teaches later ones."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.jobs.forecast import Forecast, Stage

PHASES = ("reading", "staging", "writing", "finishing")
ROWS = 500_000
SECONDS_PER_ROW = {"reading": 6e-6, "staging": 2e-6, "created": 16e-6, "updated": 30e-6, "finishing": 1e-6}
COUNTED_FROM_SECONDS = 10
STEP_ROWS = 10_000


@dataclass
class Clock:
    """A clock that the test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class SyntheticRun:
    """An import whose phases take the given seconds per row, with noise; it keeps what the forecast said and when."""

    true_seconds_per_row: dict[str, float]
    expected: dict[str, float] = field(default_factory=lambda: dict(SECONDS_PER_ROW))
    writing: str = "created"
    noise: float = 0.0
    seed: int = 1
    clock: Clock = field(default_factory=Clock)
    said: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        shares = {phase: {phase: 1.0} for phase in PHASES} | {"writing": {self.writing: 1.0}}
        self.forecast = Forecast([Stage(phase, shares[phase]) for phase in PHASES], self.expected, clock=self.clock)

    def run(self) -> list[tuple[float, float]]:
        """Run to the end; return each time left that was said after the first 10 s, and the true one."""
        dice = random.Random(self.seed)
        for phase in PHASES:
            self._hear(self.forecast.begin(phase, total=None if phase == "reading" else ROWS).seconds_left)
            work = self.writing if phase == "writing" else phase
            for done in range(STEP_ROWS, ROWS + 1, STEP_ROWS):
                pace = dice.uniform(1 - self.noise, 1 + self.noise)
                self.clock.now += STEP_ROWS * self.true_seconds_per_row[work] * pace
                if phase == "reading":
                    self._hear(self.forecast.report(phase, done, total=ROWS).seconds_left)
                elif phase == "writing":
                    self.forecast.add(phase, STEP_ROWS, {work: STEP_ROWS})
                    self._hear(self.forecast.estimate().seconds_left)
        end = self.clock.now
        return [(left, end - at) for at, left in self.said if at >= COUNTED_FROM_SECONDS]

    def _hear(self, seconds_left: float | None) -> None:
        if seconds_left is not None:
            self.said.append((self.clock.now, seconds_left))


def are_true(said: list[tuple[float, float]]) -> bool:
    """Return whether each time left is off by less than a third, or by less than a second near the end."""
    return all(abs(left - true) < max(true / 3, 1) for left, true in said)


def slower(factor: float) -> dict[str, float]:
    return {work: seconds * factor for work, seconds in SECONDS_PER_ROW.items()}


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (SyntheticRun(slower(2)), "a machine that is half as fast as the first run expects"),
        (SyntheticRun(slower(6)), "a machine that is much slower"),
        (SyntheticRun(slower(4), expected=slower(4)), "a later run"),
        (SyntheticRun(slower(3), noise=0.5), "a busy machine, whose steps take half to one and a half times as long"),
        (SyntheticRun(slower(4), writing="updated", noise=0.3), "a file of changes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_after_ten_seconds_the_time_left_is_off_by_less_than_a_third(run: SyntheticRun, what: str) -> None:
    said = run.run()
    assert len(said) > 10
    assert are_true(said), what


def test_a_phase_that_turns_out_slower_than_expected_counts_with_its_own_speed() -> None:
    true = slower(2) | {"created": 64e-6}
    said = SyntheticRun(true).run()
    # The last half of the run is in the phase of writing.
    assert are_true(said[len(said) // 2 :])


def test_a_run_teaches_the_next_one() -> None:
    first = SyntheticRun(slower(2) | {"created": 80e-6})
    first.run()
    learned = first.forecast.learned()
    assert learned["created"] == pytest.approx(80e-6, rel=0.01)
    assert learned["reading"] == pytest.approx(12e-6, rel=0.01)
    second = SyntheticRun(first.true_seconds_per_row, expected=SECONDS_PER_ROW | learned)
    assert are_true(second.run())


def test_work_that_takes_little_of_a_phase_is_not_learned_from_it() -> None:
    clock = Clock()
    forecast = Forecast([Stage("writing", {"created": 1.0})], SECONDS_PER_ROW, total=100_000, clock=clock)
    forecast.begin("writing")
    clock.now = 6.0
    forecast.add("writing", 100_000, {"created": 1000, "updated": 99_000})
    assert set(forecast.learned()) == {"updated"}


def test_a_short_run_teaches_nothing() -> None:
    clock = Clock()
    forecast = Forecast([Stage("reading", {"reading": 1.0})], SECONDS_PER_ROW, total=4000, clock=clock)
    forecast.begin("reading")
    clock.now = 60.0
    forecast.report("reading", 4000)
    assert forecast.learned() == {}


def test_nothing_is_said_while_the_number_of_rows_or_the_speed_of_a_phase_is_unknown() -> None:
    clock = Clock()
    forecast = Forecast([Stage("finding", {"unheard of": 1.0}), Stage("writing", {"created": 1.0})], SECONDS_PER_ROW)
    assert forecast.estimate().seconds_left is None
    forecast = Forecast([Stage("finding", {"unheard of": 1.0})], SECONDS_PER_ROW, total=100, clock=clock)
    assert forecast.begin("finding").seconds_left is None
    clock.now = 2.0
    forecast.report("finding", 10)
    clock.now = 4.0
    # 10 rows took 2 seconds: the time before the first rows does not count.
    estimate = forecast.report("finding", 20)
    assert estimate.seconds_left == pytest.approx(16)
    assert estimate.rows_per_second == pytest.approx(5)


def test_the_preparation_of_a_phase_is_no_part_of_its_speed() -> None:
    clock = Clock()
    forecast = Forecast([Stage("writing", {"created": 1.0})], SECONDS_PER_ROW, total=100_000, clock=clock)
    forecast.begin("writing")
    clock.now = 9.0
    forecast.report("writing", 0)
    for _ in range(4):
        clock.now += 1
        forecast.add("writing", 10_000)
    assert forecast.estimate().seconds_left == pytest.approx(6, rel=0.1)


def test_phases_of_no_known_kind_are_ignored() -> None:
    forecast = Forecast([], {})
    for estimate in (forecast.begin("writing"), forecast.report("writing", 5), forecast.begin_next()):
        assert (estimate.seconds_left, estimate.rows_per_second) == (None, None)
    forecast.add("writing", 5)
    assert forecast.learned() == {}


def test_a_phase_never_begins_again_after_a_later_one() -> None:
    forecast = Forecast([Stage("reading", {"reading": 1.0}), Stage("staging", {"staging": 1.0})], SECONDS_PER_ROW)
    forecast.begin("staging", total=1000)
    before = forecast.estimate()
    # The heartbeat may report a little late.
    assert forecast.report("reading", 900, total=5000) == before
    assert forecast.begin("reading") == before


@given(
    observations=st.lists(st.tuples(st.floats(0.001, 30), st.integers(0, 50_000)), max_size=30),
    ahead=st.lists(st.integers(0, ROWS), min_size=2, max_size=5).map(sorted),
)
def test_the_time_left_is_never_negative_and_falls_with_the_rows_that_are_left(
    observations: list[tuple[float, int]], ahead: list[int]
) -> None:
    clock = Clock()
    stages = [Stage("writing", {"created": 0.5, "updated": 0.5}), Stage("finishing", {"finishing": 1.0})]
    forecast = Forecast(stages, SECONDS_PER_ROW, total=ROWS, clock=clock)
    forecast.begin("writing")
    for seconds, rows in observations:
        clock.now += seconds
        forecast.add("writing", rows)
    said = [forecast.advance("writing", rows).seconds_left for rows in ahead]
    known = [seconds for seconds in said if seconds is not None]
    assert len(known) == len(said)
    assert all(seconds >= 0 for seconds in known)
    assert known == sorted(known, reverse=True)
