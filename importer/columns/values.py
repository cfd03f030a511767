"""Repairs values: SKUs with invisible characters, and texts in formulas with which spreadsheets keep digits as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from database.skus import INVISIBLE, are_clean, clean_sku
from importer.files.rows import make_printable

# `="00123"`: a formula that is nothing but a text. Quotes within the text are doubled.
TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*)"')
TEXT_FORMULA_START = '="'


class Repair(NamedTuple):
    """A value that was repaired: the number of its row, from 0, and the value before and after."""

    number: int
    before: str
    after: str

    @property
    def sample(self) -> dict[str, str]:
        """The sample for a notice; invisible characters are shown by their code."""
        before = make_printable(self.before)
        before = INVISIBLE.sub(lambda match: "".join(f"<U+{ord(letter):04X}>" for letter in match[0]), before)
        after = make_printable(self.after)
        return {"text": f"{before} → {after}", "before": before, "after": after}


def repair_values(
    values: Mapping[str, Sequence[str]], *, guarded: bool
) -> tuple[dict[str, Sequence[str]], list[Repair]]:
    """Return the columns of rows with repaired values, and the repairs, in the order of the rows.

    SKUs are trimmed, which is no repair. In a `guarded` file, formulas are texts; see `formula_guard`.
    """
    repaired: dict[str, Sequence[str]] = {**values, "sku": list(map(str.strip, values["sku"]))}
    repairs: list[Repair] = []
    if not guarded:
        for field, column in repaired.items():
            if TEXT_FORMULA_START in "".join(column):
                repaired[field] = list(map(take_text, column))
                repairs += _find_repairs(column, repaired[field])
    skus = repaired["sku"]
    if not are_clean("".join(skus)):
        repaired["sku"] = list(map(clean_sku, skus))
        repairs += _find_repairs(skus, repaired["sku"])
    elif repairs:
        repaired["sku"] = list(map(str.strip, skus))
    return repaired, sorted(repairs)


def take_text(value: str) -> str:
    """Return the text in a formula such as `="00123"`; any other value as it is."""
    if not value.startswith(TEXT_FORMULA_START):
        return value
    match = TEXT_FORMULA.fullmatch(value)
    return match[1].replace('""', '"') if match else value


def _find_repairs(before: Sequence[str], after: Sequence[str]) -> list[Repair]:
    pairs = zip(before, after, strict=True)
    return [Repair(index, old, new) for index, (old, new) in enumerate(pairs) if old != new]
