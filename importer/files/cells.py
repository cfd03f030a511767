"""What the cells of a row say about it: whether it has content, and whether it has the width of the header."""

from __future__ import annotations

from collections.abc import Sequence

Row = list[str]


def has_content(row: Sequence[str]) -> bool:
    """Return whether any cell has more than whitespace. A row of empty cells counts as a blank line."""
    return bool("".join(row).strip())


def has_width(row: Row, width: int) -> bool:
    """Return whether a row has `width` cells, apart from surplus cells that are empty."""
    return len(row) == width or (len(row) > width and not has_content(row[width:]))


def count_fields(count: int) -> str:
    """Return a number of fields in words."""
    return "1 field" if count == 1 else f"{count:,} fields"
