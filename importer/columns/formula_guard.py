"""The formula guard: an apostrophe before texts that a spreadsheet would run as formulas.

A guarded export (catalogue/export.py) puts it there and marks the file with a column of its own. An import of such a
file removes it, so the file gives the same products as an unguarded one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from importer.columns.column_mapping import normalise
from importer.files.cells import Row

GUARD_COLUMN = "formula_guard"
# Matches a guarded text. The export guards each text that starts with one of these characters, with or without
# apostrophes before it.
GUARDED_RE = re.compile("'+[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")


def is_guarded(header: Row) -> bool:
    """Return whether a header has the column of a guarded export."""
    return normalise(GUARD_COLUMN) in map(normalise, header)


def remove_guard(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the original texts of a guarded column. A text without a guard stays as it is."""
    return tuple(text[1:] if text[:1] == "'" and GUARDED_RE.match(text) else text for text in texts)
