"""The tables of benchmarks: medians, spreads, bars, and the mark of a busy machine."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import psutil
import pytest

from benchmarks.results import Load, LoadMeter, Results, add_rounds_option

QUIET = Load(0.02, 0.01)
BUSY = Load(0.3, 0.04)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Load]:
    """Loads that the rounds of a table find, instead of those of this machine."""
    found: list[Load] = []
    monkeypatch.setattr(LoadMeter, "read", lambda _: found.pop(0))
    return found


@pytest.fixture
def cpu_times(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float, float, float]]:
    """What a meter reads: the time, and the CPU seconds of all processes, of its own ones and of other machines."""
    readings: list[tuple[float, float, float, float]] = []
    monkeypatch.setattr(LoadMeter, "_read_seconds", lambda _: readings.pop(0))
    monkeypatch.setattr(psutil, "cpu_count", lambda: 2)
    return readings


def fill(table: Results, values: dict[str, list[float]]) -> None:
    for name, column in values.items():
        for value in column:
            table.add(name, value)


def read_lines(capsys: pytest.CaptureFixture[str]) -> Iterator[list[str]]:
    return (line.split() for line in capsys.readouterr().out.splitlines() if line)


def test_a_line_has_the_median_the_spread_and_the_bar(loads: list[Load], capsys: pytest.CaptureFixture[str]) -> None:
    loads.append(QUIET)
    table = Results("import", "ratio", {"new": 1.25, "unchanged": 0.8})
    fill(table, {"new": [1.3, 1.1, 1.2], "unchanged": [0.9, 0.81, 0.7]})
    table.end_round()
    table.print_table()
    assert list(read_lines(capsys)) == [
        ["import", "ratio", "min–max", "at", "most"],
        ["new", "1.20", "1.10–1.30", "1.25"],
        ["unchanged", "0.81", "0.70–0.90", "0.80", "MISSED"],
    ]
    assert table.find_missed() == ["unchanged"]


def test_a_median_that_is_shown_as_the_bar_meets_it() -> None:
    table = Results("import", "ratio", {"new": 1.25})
    table.add("new", 1.2549)
    assert table.find_missed() == []


def test_a_rate_must_reach_its_bar() -> None:
    table = Results("worker", "÷ loop", {"slow": 1.5, "fast": 1.5}, at_least=True)
    fill(table, {"slow": [1.4], "fast": [1.6], "other": [0.1]})
    assert table.find_missed() == ["slow"]


def test_only_figures_of_busy_rounds_are_marked(loads: list[Load], capsys: pytest.CaptureFixture[str]) -> None:
    loads += [QUIET, BUSY]
    table = Results("import", "ratio")
    table.add("quiet", 1)
    table.add("both", 1)
    table.end_round()
    table.add("both", 1)
    table.end_round()
    table.print_table()
    _, quiet, both, note = read_lines(capsys)
    assert (quiet[1], both[1]) == ("1.00", "1.00*")
    assert " ".join(note).startswith("* 1 of 2 rounds on a busy machine: other programs used up to 30%")


def test_the_load_is_what_others_use(cpu_times: list[tuple[float, float, float, float]]) -> None:
    # In 10 s, the 2 CPUs worked 15 s, of which 11 s were ours, and gave 1 s to other machines.
    cpu_times += [(0, 100, 50, 7), (10, 115, 61, 8), (20, 115, 61, 8)]
    meter = LoadMeter()
    load = meter.read()
    assert (round(load.others, 6), round(load.stolen, 6), load.is_busy) == (0.2, 0.05, True)
    assert not meter.read().is_busy


def test_clocks_that_disagree_give_no_negative_load(cpu_times: list[tuple[float, float, float, float]]) -> None:
    cpu_times += [(0, 100, 50, 7), (0, 100, 60, 7)]
    assert LoadMeter().read() == (0, 0)


def test_with_a_foreign_server_others_are_unknown(
    cpu_times: list[tuple[float, float, float, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    cpu_times += [(0, 0, 0, 0), (10, 20, 1, 0)]
    table = Results("import", "ratio", counts_others=False)
    table.add("new", 1)
    table.end_round()
    table.print_table()
    shown = capsys.readouterr().out
    assert "*" not in shown and "is unknown. Its load average is" in shown


def test_the_meter_reads_this_machine() -> None:
    load = LoadMeter().read()
    assert load.others >= 0 <= load.stolen


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_rounds_must_be_a_positive_number(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_rounds_option(parser, 5)
    assert parser.parse_args([]).rounds == 5
    with pytest.raises(SystemExit):
        parser.parse_args(["--rounds", text])
    assert "--rounds" in capsys.readouterr().err
