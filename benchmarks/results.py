"""The results of a benchmark: the values of each figure, their median and spread, and how busy the machine was.

A round was busy if programs other than the benchmark and the processes that it started used `BUSY_SHARE` of the CPU
time or more, or if a hypervisor gave as much to other machines. Figures with such a round are marked, because their
seconds say little, and their ratios vary. Only Linux tells all this. Elsewhere, and if the database server is not that
of the benchmark, there is only the load average.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import psutil

# Kernel threads, which write what the benchmark has changed to the disk, count as other programs.
BUSY_SHARE = 0.1
BUSY_LOAD_PER_CPU = 0.5
FIRST_LOOK_SECONDS = 1.0
MIN_NAME_WIDTH = 28
MISSED = "  MISSED"


class Load(NamedTuple):
    """The shares of the machine's CPU time that other programs and other machines used, from 0 to 1."""

    others: float
    stolen: float

    @property
    def is_busy(self) -> bool:
        """Return whether figures from this time need a mark."""
        return self.others + self.stolen >= BUSY_SHARE


class LoadMeter:
    """Tells what else the machine did between two readings.

    `counts_others` is false if the benchmark cannot know which programs work for it, as with a foreign database server.
    """

    def __init__(self, *, counts_others: bool = True) -> None:
        self._counts_others = counts_others
        self._last = self._read_seconds()

    def read(self) -> Load:
        """Return the load since the previous call, or since the meter was created."""
        before, self._last = self._last, self._read_seconds()
        at, busy, own, stolen = (new - old for new, old in zip(self._last, before, strict=True))
        capacity = max(at, 1e-6) * (psutil.cpu_count() or 1)
        others = max(0.0, busy - own) / capacity if self._counts_others else 0.0
        return Load(others, max(0.0, stolen) / capacity)

    def _read_seconds(self) -> tuple[float, float, float, float]:
        """Return the time, and the CPU seconds of all processes, of our own ones, and of other machines."""
        times = psutil.cpu_times()
        busy = times.user + times.system + times.nice
        return time.perf_counter(), busy, read_own_cpu_seconds(), getattr(times, "steal", 0.0)


def read_own_cpu_seconds() -> float:
    """Return the CPU seconds of this process and of all processes that it has started, also of those that ended."""
    own = psutil.Process()
    seconds = 0.0
    for process in [own, *own.children(recursive=True)]:
        # The process has just ended, or belongs to another user on macOS.
        with suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def warn_if_busy() -> None:
    """Print a warning if other programs already use the machine."""
    load, cpus = os.getloadavg()[0], psutil.cpu_count() or 1
    share = psutil.cpu_percent(FIRST_LOOK_SECONDS) / 100
    if share >= BUSY_SHARE or load >= BUSY_LOAD_PER_CPU * cpus:
        print(f"WARNING: the machine is busy: {share:.0%} of its CPU time is in use, load average {load:.1f}.\n")


def add_rounds_option(parser: argparse.ArgumentParser, default: int) -> None:
    """Give a benchmark the option `--rounds`."""
    parser.add_argument("--rounds", type=_parse_count, default=default, help="how often each figure is measured")


def _parse_count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return count


class Results:
    """A table of figures, one line each.

    `subject` is the heading of the first column, and `unit` that of the values. `bars` has the value that the median of
    a figure must not exceed, or must reach with `at_least`. Figures without a bar are only shown.
    """

    def __init__(
        self,
        subject: str,
        unit: str,
        bars: Mapping[str, float] | None = None,
        *,
        at_least: bool = False,
        decimals: int = 2,
        counts_others: bool = True,
    ) -> None:
        self._subject, self._unit, self._bars, self._at_least = subject, unit, bars or {}, at_least
        self._decimals = decimals
        # macOS does not tell what processes used that have ended.
        self._counts_others = counts_others and sys.platform == "linux"
        self._meter = LoadMeter(counts_others=self._counts_others)
        self._loads: list[Load] = []
        self._values: dict[str, list[float]] = {}
        self._rounds: dict[str, set[int]] = {}
        self._notes: dict[str, str] = {}

    def add(self, name: str, value: float, note: str = "") -> None:
        """Add a value of the present round to a figure. The last note is shown at the end of the line."""
        self._values.setdefault(name, []).append(value)
        self._rounds.setdefault(name, set()).add(len(self._loads))
        self._notes[name] = note

    def end_round(self) -> None:
        """End the present round, and find out whether it was busy."""
        self._loads.append(self._meter.read())

    def median(self, name: str) -> float:
        """Return the median of a figure."""
        return statistics.median(self._values[name])

    def find_missed(self) -> list[str]:
        """Return the figures whose median misses its bar."""
        return [name for name in self._values if self._is_missed(name)]

    def _is_missed(self, name: str) -> bool:
        bar = self._bars.get(name)
        if bar is None:
            return False
        # What the table shows decides, so that no line contradicts itself.
        median = round(self.median(name), self._decimals)
        return median < bar if self._at_least else median > bar

    def print_table(self) -> None:
        """Print the figures, and what else the machine did."""
        bar_heading = ("at least" if self._at_least else "at most") if self._bars else ""
        width = max(MIN_NAME_WIDTH, *map(len, [self._subject, *self._values]))
        print(f"{self._subject:<{width}}{self._unit:>14} {'min–max':>15}{bar_heading:>10}".rstrip())
        for name in self._values:
            print(f"{name:<{width}}{self._format_figure(name)}".rstrip())
        busy = [load for load in self._loads if load.is_busy]
        if busy:
            print(
                f"* {len(busy)} of {len(self._loads)} rounds on a busy machine: other programs used up to"
                f" {max(load.others for load in busy):.0%} of the CPU time, other machines up to"
                f" {max(load.stolen for load in busy):.0%}"
            )
        if not self._counts_others:
            print(f"Whether other programs used the machine is unknown. Its load average is {os.getloadavg()[0]:.1f}.")
        print(flush=True)

    def _format_figure(self, name: str) -> str:
        values, bar = self._values[name], self._bars.get(name)
        is_busy = any(load.is_busy for number, load in enumerate(self._loads) if number in self._rounds[name])
        low, high = (f"{value:.{self._decimals}f}" for value in (min(values), max(values)))
        shown_bar = "" if bar is None else f"{bar:.{self._decimals}f}"
        missed = MISSED if self._is_missed(name) else ""
        return (
            f"{self.median(name):>14.{self._decimals}f}{'*' if is_busy else ' '}{f'{low}–{high}':>15}{shown_bar:>10}"
            f"{missed}  {self._notes[name]}"
        )
