"""Recognises SKUs that a spreadsheet has turned into numbers or dates, such as `6.93217E+12` and `01.Mar`."""

from __future__ import annotations

import re
from collections.abc import Sequence

# As English and German spreadsheets abbreviate them.
MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Mrz",
    "Mär",
    "Apr",
    "May",
    "Mai",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Okt",
    "Nov",
    "Dec",
    "Dez",
]
MONTH_LETTERS = [tuple(month) for month in MONTHS]
MONTH = f"(?:{'|'.join(MONTHS)})"
ANY_MONTH = re.compile(MONTH)
# The pattern of a whole SKU.
REWRITTEN_SKU = (
    # 6.93217E+12
    r"(?:-?\d+(?:[.,]\d+)?E\+\d{2,3}"
    # 1-Mar, 01. Mrz, 1-Mar-26
    rf"|\d{{1,2}}[-.] ?{MONTH}\.?(?:[-. ]\d{{2,4}})?"
    # Mar-01, Mrz 26
    rf"|{MONTH}\.?[-. ]\d{{2,4}}"
    # 2026-03-01 00:00:00, 01.03.2026 00:00
    r"|(?:\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4})[ T]\d{1,2}:\d\d(?::\d\d(?:\.0+)?)?)"
)
REWRITTEN = re.compile(f"^{REWRITTEN_SKU}$", re.MULTILINE)


def has_rewritten(joined: str) -> bool:
    """Return whether one of the SKUs in a text was rewritten. Each SKU is preceded by a line end.

    This is fast, because the search for a single character is: few texts have all the letters of a month.
    """
    has_month = any(first in joined and second in joined and third in joined for first, second, third in MONTH_LETTERS)
    has_month = has_month and ANY_MONTH.search(joined) is not None
    return (has_month or "+" in joined or ":" in joined) and REWRITTEN.search(joined) is not None


def find_rewritten(skus: Sequence[str]) -> list[int]:
    """Return the indexes of the SKUs that were rewritten."""
    if not has_rewritten("\n" + "\n".join(skus)):
        return []
    return [index for index, sku in enumerate(skus) if REWRITTEN.fullmatch(sku)]
