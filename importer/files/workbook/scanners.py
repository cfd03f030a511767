"""What python-calamine does not tell about the cells of a workbook: padded number formats, and errors.

It returns an error as an empty cell. The rows of a sheet are therefore scanned a second time.
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
from collections.abc import Iterator
from typing import IO, Protocol
from xml.parsers.expat import ExpatError

from importer.files.compression import ZIP_MAGIC
from importer.files.workbook import ods_cells, xlsb_cells
from importer.files.workbook.ods_cells import OdsCells
from importer.files.workbook.special_cells import SpecialCell
from importer.files.workbook.xls_cells import XlsCells
from importer.files.workbook.xlsb_cells import XlsbCells
from importer.files.workbook.xlsx_cells import XlsxCells

# What the scanners raise for parts that are damaged or unusual, although python-calamine reads them. SyntaxError is the
# base of ElementTree.ParseError.
SCAN_ERRORS = (KeyError, IndexError, ValueError, NotImplementedError, SyntaxError, ExpatError, struct.error)


class CellScanner(Protocol):
    """An open workbook whose special cells can be found."""

    def scan(self, sheet: str) -> Iterator[SpecialCell]:
        """Yield the special cells of a sheet by row, in ascending order."""


def open_scanner(file: IO[bytes]) -> CellScanner | None:
    """Return the scanner for a workbook; None if its parts cannot be read."""
    with contextlib.suppress(zipfile.BadZipFile, *SCAN_ERRORS):
        if file.read(len(ZIP_MAGIC)) != ZIP_MAGIC:
            return XlsCells(file)
        archive = zipfile.ZipFile(file)
        names = set(archive.namelist())
        if xlsb_cells.WORKBOOK_PART in names:
            return XlsbCells(archive)
        return OdsCells(archive) if ods_cells.CONTENT_PART in names else XlsxCells(archive)
    return None
