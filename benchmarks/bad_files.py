"""Files with many rejected rows, or rows that are slow to read, derived from a file of good rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

Row = list[str]

TOO_LONG_SKU_SUFFIX = "x" * 256
ZERO_WIDTH_SPACE = "\u200b"


def _format_row(row: Row) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue()


def _simplify(row: Row) -> Row:
    # A malformed row may be rejected line by line, so a row of several lines would count as several rejects.
    return [cell.replace("\n", " ").replace('"', "'") for cell in row]


def _format_row_with_raw_description(row: Row, description: str) -> str:
    return _format_row([*_simplify(row)[:2], "DESCRIPTION"]).replace("DESCRIPTION", description)


# The kinds of bad rows, each with the function that writes a row of name, SKU and description.
KINDS: dict[str, Callable[[Row], str]] = {
    "no SKU": lambda row: _format_row([row[0], "", row[2]]),
    "wrong number of fields": lambda row: _format_row([*_simplify(row), "more"]),
    "text after a quote": lambda row: _format_row_with_raw_description(row, f'"{_simplify(row)[2]}" more'),
    "unclosed quote": lambda row: _format_row_with_raw_description(row, f'"{_simplify(row)[2]}'),
    "undecodable": lambda row: _format_row([f"{row[0]} \udce9t\udce9", *row[1:]]),
    "SKU too long": lambda row: _format_row([row[0], f"{row[1]}{TOO_LONG_SKU_SUFFIX}", row[2]]),
}
# The options of the import of a kind. Without one, undecodable bytes are read in another encoding.
OPTIONS: dict[str, dict[str, str]] = {"undecodable": {"encoding": "utf-8"}}
# The kinds that are also measured with a good row after each bad one.
MIXED_KINDS = ("no SKU", "wrong number of fields", "text after a quote")
# The kinds of rows that are imported, but not as they are in the file.
REPAIRED_KINDS: dict[str, Callable[[Row], str]] = {
    "space before the SKU": lambda row: _format_row([row[0], f" {row[1]}", row[2]]),
    "space before a quote": lambda row: _format_row([*row[:2], "DESCRIPTION"]).replace(
        "DESCRIPTION", ' "' + row[2].replace('"', '""') + '"'
    ),
    "surplus empty cell": lambda row: _format_row([*row, ""]),
    "invisible character in the SKU": lambda row: _format_row([row[0], f"{row[1]}{ZERO_WIDTH_SPACE}", row[2]]),
}
# The rows that a fast import cannot take as they are.
SLOW_KINDS = {**REPAIRED_KINDS, **{kind: KINDS[kind] for kind in MIXED_KINDS}}


def write_bad_catalogue(good: Path, path: Path, kind: str, every: int = 1) -> int:
    """Copy the file `good` and make every `every`th row bad; return the number of bad rows."""
    bad_rows = 0
    with (
        good.open(newline="", encoding="utf-8") as old,
        path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as new,
    ):
        rows = csv.reader(old)
        new.write(_format_row(next(rows)))
        for number, row in enumerate(rows):
            if number % every == 0:
                bad_rows += 1
                new.write(KINDS[kind](row))
            else:
                new.write(_format_row(_simplify(row)))
    return bad_rows


def write_slow_catalogue(good: Path, path: Path, kind: str, every: int) -> int:
    """Copy the file `good` and make every `every`th row slow to read; return the number of rows to be rejected."""
    rejected_rows = 0
    with good.open(newline="", encoding="utf-8") as old, path.open("w", newline="", encoding="utf-8") as new:
        rows = csv.reader(old)
        new.write(_format_row(next(rows)))
        for number, row in enumerate(rows):
            if number % every:
                new.write(_format_row(row))
            else:
                rejected_rows += kind in KINDS
                new.write(SLOW_KINDS[kind](_simplify(row)))
    return rejected_rows
