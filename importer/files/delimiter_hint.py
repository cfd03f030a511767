"""Finds the delimiter that would give a file a SKU column, for the error message of a file without one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from importer.files.dialect import DELIMITERS, OTHER_DELIMITERS
from importer.files.header_search import MAX_COLUMNS, RateHeader

# Separators that no import can read.
UNREADABLE = {
    re.compile(r" {2,}"): "several spaces",
    re.compile(r"\|\|"): "`||`",
    re.compile(r"::"): "`::`",
    re.compile(r";;"): "`;;`",
    re.compile(r"~\|~"): "`~|~`",
    re.compile("[\x1e\x1f\x01]"): "a control character",
    re.compile("[\u00a6\u00a7\u00ac]"): "a character beyond ASCII",
    re.compile(" "): "a space",
}


def suggest_delimiter(lines: Sequence[str], delimiter: str, rate_header: RateHeader) -> str | None:
    """Return a sentence that names another delimiter with which one of the lines has a SKU column; None without one.

    `delimiter` is the one of the file.
    """

    best, best_known = None, 0
    for line in lines:
        for other in (*DELIMITERS, *OTHER_DELIMITERS):
            if other != delimiter and (known := _count_known(line.split(other), rate_header, other)) > best_known:
                name = f"{DELIMITERS[other]} (`{other}`)" if other in ",;|" else DELIMITERS.get(other, f"`{other}`")
                best = f"With the delimiter {name} it would have one: choose that delimiter, and import the file again."
                best_known = known
        for pattern, name in UNREADABLE.items():
            if (known := _count_known(pattern.split(line), rate_header, "")) > best_known:
                best = (
                    f"Its columns seem to be separated by {name}, which cannot be the delimiter. Save the file with"
                    " commas, semicolons or tabs between the columns."
                )
                best_known = known
    return best


def _count_known(cells: list[str], rate_header: RateHeader, delimiter: str) -> int:
    """Return how many columns of products the cells name; 0 if they are no plausible header."""
    if len(cells) < 2:
        return 0
    rating = rate_header([cell.strip().strip("\"'") for cell in cells[:MAX_COLUMNS]])
    # Names such as `Item-Code` contain other characters, which are no delimiters.
    is_plausible = rating.has_sku and (delimiter in DELIMITERS or rating.is_exact or rating.known_columns > 1)
    return rating.known_columns if is_plausible else 0
