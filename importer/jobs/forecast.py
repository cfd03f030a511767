"""The forecast of a run: how fast its current phase is, and how long the rest of the run takes.

The time left is the rest of the current phase at its current speed, plus the expected durations of the phases that
follow. The expected durations come from the seconds that a row took in earlier runs (`importer.jobs.speeds`). If the
phases of this run have been slower or faster than expected, the phases that follow are expected to be so, too.

Nothing here knows what a phase does: kinds of jobs describe theirs as a list of stages.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# The speed that clients see is that of the last seconds.
SPEED_WINDOW_SECONDS = 5.0
# The time left follows from the speed over as long a time as is left: near the end only the last seconds count, before
# that the ups and downs of a busy machine even out.
MIN_WINDOW_SECONDS, MAX_WINDOW_SECONDS = 5.0, 30.0
# Observations that are closer to each other say nothing more.
OBSERVATION_GAP_SECONDS = 0.2
# While a phase has been observed for less than this, its expected speed counts, too, the less the longer.
TRUSTED_SECONDS = 3.0
# A pace counts in full after many times this long; after this long, it counts half.
PACE_SECONDS = 2.0
MAX_PACE = 8.0
# How much of the pace of earlier phases the next ones are expected to have. The defaults are those of another machine,
# so all of it; learned speeds are those of this one, and a pace may be about the file or pass.
DEFAULT_TRANSFER = 1.0
LEARNED_TRANSFER = 0.5
# A shorter observation says more about the fixed costs of a phase than about its rows.
MIN_LEARNED_SECONDS = 0.25
MIN_LEARNED_ROWS = 5_000
# The speed of a kind of work is learned from a phase if that work takes at least this share of its time.
MIN_LEARNED_SHARE = 0.3


@dataclass(frozen=True)
class Estimate:
    """What is expected of the rest of a run; None while too little is known."""

    seconds_left: float | None = None
    rows_per_second: float | None = None


@dataclass
class Stage:
    """A phase of a run: how many rows it has, and what kinds of work they are.

    `shares` has the share of the rows that each kind of work takes; they add up to 1. `rows` is None if it is the total
    of the run, which may be unknown at first. `extra_rows` are added to it.
    """

    phase: str
    shares: Mapping[str, float]
    rows: float | None = None
    extra_rows: float = 0
    # What has been observed so far: when the stage began, the rows at its beginning and now, and the rows per work.
    began_at: float | None = None
    ended_at: float | None = None
    first_done: float = 0
    done: float = 0
    counts: dict[str, float] = field(default_factory=dict)


class Forecast:
    """The forecast of one worker's run of a job. Threads may share it.

    `stages` are the phases of the job in their order. `seconds_per_row` maps each kind of work to the seconds that a
    row is expected to take; `is_learned` says whether earlier runs have measured them. `clock` returns seconds.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        seconds_per_row: Mapping[str, float],
        *,
        is_learned: bool = False,
        total: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stages = list(stages)
        self._seconds_per_row = seconds_per_row
        self._transfer = LEARNED_TRANSFER if is_learned else DEFAULT_TRANSFER
        self._total = total
        self._clock = clock
        self._lock = threading.Lock()
        self._index = -1
        # When the current stage had done how many rows.
        self._observations: deque[tuple[float, float]] = deque()
        self._window_seconds = MIN_WINDOW_SECONDS

    def begin(self, phase: str, *, done: float = 0, total: float | None = None) -> Estimate:
        """Begin a phase, of which `done` rows were done before. A phase that has begun already goes on.

        Earlier phases have ended. A phase that the stages do not name, or name before the current one, changes nothing.
        """
        with self._lock:
            self._total = self._total if total is None else total
            index = next((i for i, stage in enumerate(self._stages) if stage.phase == phase and i >= self._index), None)
            if index is not None:
                self._begin(index, done)
            return self._estimate()

    def begin_next(self, *, done: float = 0) -> Estimate:
        """Begin the phase after the current one."""
        with self._lock:
            if self._index + 1 < len(self._stages):
                self._begin(self._index + 1, done)
            return self._estimate()

    def report(self, phase: str, done: float, *, total: float | None = None) -> Estimate:
        """Record that `done` rows of the current phase are done now; ignore a phase that is not the current one."""
        with self._lock:
            if self._is_current(phase):
                self._total = self._total if total is None else total
                self._observe(done)
            return self._estimate()

    def add(self, phase: str, rows: float, counts: Mapping[str, float] | None = None) -> None:
        """Record that the current phase has committed `rows` more rows; `counts` has those of each kind of work."""
        with self._lock:
            if self._is_current(phase):
                stage = self._stages[self._index]
                self._observe(stage.done + rows)
                for work, count in (counts or {}).items():
                    stage.counts[work] = stage.counts.get(work, 0) + count

    def advance(self, phase: str, rows: float) -> Estimate:
        """Return the estimate for the time after `rows` more rows, which are about to be committed."""
        with self._lock:
            return self._estimate(ahead=rows if self._is_current(phase) else 0)

    def estimate(self) -> Estimate:
        """Return the current estimate."""
        with self._lock:
            return self._estimate()

    def expect(self, phase: str, *, shares: Mapping[str, float] | None = None, extra_rows: float | None = None) -> None:
        """Set what the rows of a phase are, or how many it has besides the total of the run."""
        with self._lock:
            for stage in self._stages:
                if stage.phase == phase:
                    stage.shares = stage.shares if shares is None else shares
                    stage.extra_rows = stage.extra_rows if extra_rows is None else extra_rows

    def learned(self) -> dict[str, float]:
        """Return the seconds per row of each kind of work that took long enough to be measured in this run."""
        with self._lock:
            self._end_stage()
            learned: dict[str, float] = {}
            for stage in self._stages:
                rows, seconds = self._observed(stage)
                if rows < MIN_LEARNED_ROWS or seconds < MIN_LEARNED_SECONDS:
                    continue
                shares = self._observed_shares(stage)
                expected = {work: share * self._seconds_per_row.get(work, 0) for work, share in shares.items()}
                for work, part in expected.items():
                    if part and part >= MIN_LEARNED_SHARE * sum(expected.values()):
                        learned[work] = self._seconds_per_row[work] * seconds / (rows * sum(expected.values()))
            return learned

    def _is_current(self, phase: str) -> bool:
        return self._index >= 0 and self._stages[self._index].phase == phase

    def _begin(self, index: int, done: float) -> None:
        now = self._clock()
        if index != self._index:
            self._end_stage()
            self._index = index
            self._stages[index].began_at = now
        elif len(self._observations) > 1:
            return
        stage = self._stages[index]
        stage.first_done = stage.done = done
        self._observations = deque([(stage.began_at or now, done)])

    def _end_stage(self) -> None:
        if self._index >= 0:
            self._stages[self._index].ended_at = self._clock()

    def _observe(self, done: float) -> None:
        now = self._clock()
        self._stages[self._index].done = done
        if self._observations[-1][1] == self._stages[self._index].first_done == done:
            # A phase prepares its work before its first row. That takes no part in the speed of its rows.
            self._observations.pop()
        elif len(self._observations) > 1 and now - self._observations[-2][0] < OBSERVATION_GAP_SECONDS:
            self._observations.pop()
        self._observations.append((now, done))
        # The first observation is the last one before the window.
        while len(self._observations) > 2 and now - self._observations[1][0] >= MAX_WINDOW_SECONDS:
            self._observations.popleft()
        self._window_seconds = min(MAX_WINDOW_SECONDS, max(MIN_WINDOW_SECONDS, self._rest_of_stage() or 0))

    def _estimate(self, ahead: float = 0) -> Estimate:
        if self._index < 0:
            return Estimate()
        span, rows = self._window(SPEED_WINDOW_SECONDS)
        speed = rows / span if span > 0 and rows > 0 else None
        rest = self._rest_of_stage(ahead)
        later = [self._expected_seconds(stage) for stage in self._stages[self._index + 1 :]]
        if rest is None or None in later:
            return Estimate(None, speed)
        return Estimate(rest + self._pace_of(self._index + 1) * sum(seconds or 0 for seconds in later), speed)

    def _rest_of_stage(self, ahead: float = 0) -> float | None:
        """Return the seconds that the current stage takes after `ahead` more rows."""
        stage = self._stages[self._index]
        seconds_per_row, rows = self._current_seconds_per_row(stage), self._rows(stage)
        if seconds_per_row is None or rows is None:
            return None
        return max(0.0, rows - stage.done - ahead) * seconds_per_row

    def _current_seconds_per_row(self, stage: Stage) -> float | None:
        """Return the seconds per row over the last seconds; the expected ones if there are too few observations."""
        span, rows = self._window(self._window_seconds)
        prior = self._expected_seconds_per_row(stage)
        if prior is None:
            return span / rows if rows > 0 and span >= 1 else None
        prior *= self._pace_of(self._index)
        if rows <= 0 or span <= 0:
            return prior
        trust = min(1.0, span / TRUSTED_SECONDS)
        return float((span / rows) ** trust * prior ** (1 - trust))

    def _window(self, seconds: float) -> tuple[float, float]:
        """Return the seconds and the rows between the last observation and one that is about `seconds` older."""
        last_at, last_done = self._observations[-1]
        first_at, first_done = next(
            (point for point in reversed(self._observations) if last_at - point[0] >= seconds), self._observations[0]
        )
        return last_at - first_at, last_done - first_done

    def _pace_of(self, count: int) -> float:
        """Return how much longer the first `count` stages of this run have taken than expected, as a factor."""
        seconds = expected = 0.0
        for stage in self._stages[:count]:
            stage_rows, stage_seconds = self._observed(stage)
            shares = self._observed_shares(stage)
            per_row = sum(share * self._seconds_per_row.get(work, 0) for work, share in shares.items())
            if stage_rows > 0 and per_row > 0:
                seconds += stage_seconds
                expected += stage_rows * per_row
        if not seconds or not expected:
            return 1.0
        trust = self._transfer * seconds / (seconds + PACE_SECONDS)
        return float(min(MAX_PACE, max(1 / MAX_PACE, seconds / expected)) ** trust)

    def _observed(self, stage: Stage) -> tuple[float, float]:
        """Return how many rows a stage has done in this run, and in how many seconds."""
        if stage.began_at is None:
            return 0, 0
        if stage.ended_at is not None:
            rows = self._rows(stage)
            # A stage that reports no rows has done all of them at its end.
            done = rows if rows is not None and stage.done == stage.first_done else stage.done
            return done - stage.first_done, stage.ended_at - stage.began_at
        last_at, last_done = self._observations[-1]
        return last_done - stage.first_done, last_at - stage.began_at

    def _observed_shares(self, stage: Stage) -> Mapping[str, float]:
        counted = sum(stage.counts.values())
        return {work: rows / counted for work, rows in stage.counts.items()} if counted else stage.shares

    def _rows(self, stage: Stage) -> float | None:
        rows = self._total if stage.rows is None else stage.rows
        return None if rows is None else rows + stage.extra_rows

    def _expected_seconds_per_row(self, stage: Stage) -> float | None:
        if any(share and work not in self._seconds_per_row for work, share in stage.shares.items()):
            return None
        return sum(share * self._seconds_per_row.get(work, 0) for work, share in stage.shares.items()) or None

    def _expected_seconds(self, stage: Stage) -> float | None:
        rows, seconds_per_row = self._rows(stage), self._expected_seconds_per_row(stage)
        return None if rows is None or seconds_per_row is None else rows * seconds_per_row
