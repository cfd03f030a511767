"""Cells whose text is not what python-calamine tells: numbers with a padded format, and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from importer.files.workbook.cells import PaddedFormat

# The errors of binary cells ([MS-XLS] BErr, [MS-XLSB] BErr).
ERROR_CODES: Mapping[int, str] = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}
UNKNOWN_ERROR = "#UNKNOWN!"


class SpecialCell(NamedTuple):
    """A cell by its row and column, counted from 0, with the text to import, or the padded format of its number."""

    row: int
    column: int
    text: str | None
    format: PaddedFormat | None = None
