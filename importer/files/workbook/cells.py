"""Cells of a sheet as text, as a person expects them in a CSV file."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# Spreadsheets keep this many digits of a number; they replace further ones by zeros.
EXACT_DIGITS = 15
FIRST_INEXACT_INTEGER = 10**EXACT_DIGITS
# Larger and smaller numbers stay in scientific notation: nobody writes all of their zeros.
MAX_PLAIN_INTEGER = 1e21
MIN_PLAIN_FRACTION = 1e-10


def format_number(number: float) -> str:
    """Return a number in decimal notation, with the digits that a spreadsheet keeps.

    An integer has no decimal point. Fractions are rounded to 15 digits, as spreadsheets show them.
    """
    if number.is_integer() and abs(number) < FIRST_INEXACT_INTEGER:
        return str(int(number))
    text = repr(number) if number.is_integer() else f"{number:.{EXACT_DIGITS}g}"
    if "e" in text and MIN_PLAIN_FRACTION <= abs(number) < MAX_PLAIN_INTEGER:
        return f"{Decimal(text):f}"
    return text.removesuffix(".0")


def format_duration(duration: datetime.timedelta) -> str:
    """Return a duration as hours, minutes and seconds, as spreadsheets show it."""
    seconds = round(abs(duration.total_seconds()))
    sign = "-" if duration < datetime.timedelta() else ""
    return f"{sign}{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


FORMATS: Mapping[type, Callable[[Any], str]] = {
    str: str,
    bool: lambda value: "true" if value else "false",
    int: str,
    float: format_number,
    datetime.datetime: datetime.datetime.isoformat,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.timedelta: format_duration,
}


def format_row(cells: Sequence[Any]) -> list[str]:
    """Return the texts of the cells of a row. An empty cell is ""."""
    return [cell if cell.__class__ is str else FORMATS[cell.__class__](cell) for cell in cells]


def has_long_number(cells: Sequence[Any]) -> bool:
    """Return whether a number has more digits than spreadsheets keep, so that the last ones may be wrong."""
    return any(
        cell.__class__ in {float, int} and abs(cell) >= FIRST_INEXACT_INTEGER and float(cell).is_integer()
        for cell in cells
    )


DATE_TYPES = frozenset({datetime.date, datetime.datetime, datetime.time, datetime.timedelta})


def has_date(cells: Sequence[Any]) -> bool:
    """Return whether any cell is a date, a time or a duration."""
    return not DATE_TYPES.isdisjoint(map(type, cells))


def find_dates(cells: Sequence[Any]) -> list[int]:
    """Return the columns of the cells that are a date, a time or a duration."""
    return [column for column, cell in enumerate(cells) if type(cell) in DATE_TYPES]


@dataclass(frozen=True)
class PaddedFormat:
    """A number format with a fixed number of digits, such as `00000` or `"A-"000-000`.

    `parts` are the literal texts and, as None, the places of digits.
    """

    parts: tuple[str | None, ...]

    def apply(self, number: float) -> str | None:
        """Return what a spreadsheet shows, or None if the number is negative or no integer."""
        if number < 0 or not number.is_integer() or number >= FIRST_INEXACT_INTEGER:
            return None
        places = self.parts.count(None)
        digits = str(int(number)).zfill(places)
        # The first place takes all digits for which there is no place of their own.
        values = iter([digits[: len(digits) - places + 1], *digits[len(digits) - places + 1 :]])
        return "".join(next(values) if part is None else part for part in self.parts)


LITERALS = frozenset("-+ /():")
MIN_PADDED_DIGITS = 2


def parse_padded_format(code: str) -> PaddedFormat | None:
    """Return the padded format for a format code of Excel; None if numbers in this format need no padding."""
    parts: list[str | None] = []
    characters = iter(code)
    for character in characters:
        if character == "0":
            parts.append(None)
        elif character == '"':
            literal = ""
            while (character := next(characters, '"')) != '"':
                literal += character
            parts.append(literal)
        elif character == "\\":
            parts.append(next(characters, ""))
        elif character in LITERALS:
            parts.append(character)
        elif character == "[":
            section = "".join(iter(lambda: next(characters, "]"), "]"))
            # A language or a colour, such as [$-407] and [Red], does not change the digits. A condition does.
            if section.startswith(("<", ">", "=")) or (section.startswith("$") and not section.startswith("$-")):
                return None
        elif character in "_*":
            # The next character is a space of its width, or fills the cell.
            next(characters, "")
        elif character in "#?" and None not in parts:
            # A place for further digits before those that are always shown.
            continue
        elif character == ";":
            # The next sections are for negative numbers, zero and texts.
            break
        else:
            return None
    return PaddedFormat(tuple(parts)) if parts.count(None) >= MIN_PADDED_DIGITS else None
