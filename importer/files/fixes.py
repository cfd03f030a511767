"""Fixes: corrections of values and of rows that are made while a file is read; see `importer.columns.row_fixer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class ValueFix(NamedTuple):
    """A value of a column, as the rejects show it, and what replaces it in every row."""

    column: str
    value: str
    replacement: str


class RowFix(NamedTuple):
    """The cells that replace the row that begins on a line, as the rejects show it."""

    line: int
    row: list[str]


@dataclass(frozen=True)
class Fixes:
    """The fixes of a file: at most one for each value of a column, and for each line."""

    values: Sequence[ValueFix] = ()
    rows: Sequence[RowFix] = ()

    def __bool__(self) -> bool:
        return bool(self.values or self.rows)
