"""Files in which many rows are bad, made of a good one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

Row = list[str]


def _as_csv(row: Row) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue()


def _flat(row: Row) -> Row:
    # A malformed quote costs one line, so that rows of several lines would be several rejects.
    return [cell.replace("\n", " ").replace('"', "'") for cell in row]


# How each kind writes a row of name, sku and description.
KINDS: dict[str, Callable[[Row], str]] = {
    "no SKU": lambda row: _as_csv([row[0], "", row[2]]),
    "wrong number of fields": lambda row: _as_csv([*row, "more"]),
    "text behind a quote": lambda row: _as_csv([*_flat(row)[:2], "DESCRIPTION"]).replace(
        "DESCRIPTION", f'"{_flat(row)[2]}" more'
    ),
    "quote never closed": lambda row: _as_csv([*_flat(row)[:2], "DESCRIPTION"]).replace(
        "DESCRIPTION", f'"{_flat(row)[2]}'
    ),
    "undecodable": lambda row: _as_csv([f"{row[0]} \udce9t\udce9", *row[1:]]),
    "SKU too long": lambda row: _as_csv([row[0], f"{row[1]}{'x' * 256}", row[2]]),
}
# Those that are also measured among good rows.
EVERY_OTHER = ("no SKU", "wrong number of fields", "text behind a quote")


def write_bad(good: Path, path: Path, kind: str, every: int = 1) -> int:
    """Writes `good` with every `every`th row made bad; returns how many are."""
    bad = 0
    with (
        good.open(newline="", encoding="utf-8") as old,
        path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as new,
    ):
        rows = csv.reader(old)
        # The mark says UTF-8, whatever follows.
        new.write("\ufeff" + _as_csv(next(rows)))
        for number, row in enumerate(rows):
            if number % every == 0:
                bad += 1
                new.write(KINDS[kind](row))
            else:
                new.write(_as_csv(_flat(row)))
    return bad
