"""Finds the delimiter that would give a file a SKU column, for the error message of a file without one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from importer.files.dialect import DELIMITERS, OTHER_DELIMITERS
from importer.files.header_search import MAX_COLUMNS, RateHeader


class Separator(NamedTuple):
    """What seems to be between the columns of a file: a name of `DELIMITERS` or `UNREADABLE_NAMES`, or `other`.

    `text` is how it is written, if it can be shown. An import cannot read one that is no `is_delimiter`.
    """

    name: str
    text: str
    is_delimiter: bool

    def suggest(self) -> str:
        """Return a sentence that says what to do."""
        if self.is_delimiter:
            shown = f"`{self.text}`"
            name = self.name if self.name == "tab" else shown if self.name == "other" else f"{self.name} ({shown})"
            return f"With the delimiter {name} it would have one: choose that delimiter, and import the file again."
        return (
            f"Its columns seem to be separated by {UNREADABLE_NAMES.get(self.name, f'`{self.text}`')}, which cannot be"
            " the delimiter. Save the file with commas, semicolons or tabs between the columns."
        )


# Separators that no import can read.
UNREADABLE = {
    re.compile(r" {2,}"): Separator("spaces", "", is_delimiter=False),
    re.compile(r"\|\|"): Separator("other", "||", is_delimiter=False),
    re.compile(r"::"): Separator("other", "::", is_delimiter=False),
    re.compile(r";;"): Separator("other", ";;", is_delimiter=False),
    re.compile(r"~\|~"): Separator("other", "~|~", is_delimiter=False),
    re.compile("[\x1e\x1f\x01]"): Separator("control_character", "", is_delimiter=False),
    re.compile("[\u00a6\u00a7\u00ac]"): Separator("beyond_ascii", "", is_delimiter=False),
    re.compile(" "): Separator("space", "", is_delimiter=False),
}
UNREADABLE_NAMES = {
    "spaces": "several spaces",
    "control_character": "a control character",
    "beyond_ascii": "a character beyond ASCII",
    "space": "a space",
}


def suggest_delimiter(lines: Sequence[str], delimiter: str, rate_header: RateHeader) -> Separator | None:
    """Return another separator with which one of the lines has a SKU column; None without one.

    `delimiter` is the one of the file.
    """

    best: Separator | None = None
    best_known = 0
    for line in lines:
        for other in (*DELIMITERS, *OTHER_DELIMITERS):
            if other != delimiter and (known := _count_known(line.split(other), rate_header, other)) > best_known:
                best = Separator(DELIMITERS.get(other, "other"), other, is_delimiter=True)
                best_known = known
        for pattern, separator in UNREADABLE.items():
            if (known := _count_known(pattern.split(line), rate_header, "")) > best_known:
                best, best_known = separator, known
    return best


def _count_known(cells: list[str], rate_header: RateHeader, delimiter: str) -> int:
    """Return how many columns of products the cells name; 0 if they are no plausible header."""
    if len(cells) < 2:
        return 0
    rating = rate_header([cell.strip().strip("\"'") for cell in cells[:MAX_COLUMNS]])
    # Names such as `Item-Code` contain other characters, which are no delimiters.
    is_plausible = rating.has_sku and (delimiter in DELIMITERS or rating.is_exact or rating.known_columns > 1)
    return rating.known_columns if is_plausible else 0
