"""What python-calamine does not tell about the cells of an .xlsx file: padded number formats, and errors.

The rows of the sheet are scanned a second time, without building a tree of its XML.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from importer.files.workbook.cells import PaddedFormat, parse_padded_format

BLOCK_BYTES = 1 << 20

WORKBOOK_PART = "xl/workbook.xml"
RELATIONSHIPS_PART = "xl/_rels/workbook.xml.rels"
STYLES_PART = "xl/styles.xml"
RELATIONSHIP_ID = re.compile(r"\{.*\}id")

ROW_END = b"row>"
ERROR_TYPE = b't="e"'
# The attributes and the content of a cell with an error. Cells that have no content end with `/>`.
ERROR_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*?\bt=\"e\"(?:[^>]*[^/>])?)>(.*?)</(?:\w+:)?c>", re.DOTALL)
ERROR_TEXT = re.compile(rb"<(?:\w+:)?v>([^<]{1,20})<")
REFERENCE = re.compile(rb"\br=\"([A-Z]{1,3})([0-9]{1,7})\"")


class SpecialCell(NamedTuple):
    """A cell by its row and column, counted from 0, with the text of its error or its padded format."""

    row: int
    column: int
    error: str | None
    format: PaddedFormat | None


class Package:
    """The parts of an .xlsx file. `zipfile.BadZipFile` and other exceptions are raised if it is not one."""

    def __init__(self, path: str) -> None:
        self._archive = zipfile.ZipFile(path)
        targets = self._read_relationships()
        workbook = self._parse(WORKBOOK_PART)
        self._sheets = {
            sheet.attrib["name"]: targets.get(_relationship_id(sheet), "") for sheet in workbook.iterfind("{*}sheets/*")
        }
        self._padded = self._read_padded_formats()

    def scan(self, sheet: str) -> Iterator[SpecialCell]:
        """Yield the cells of a sheet that have an error or a padded number format, in the order of the file."""
        path = self._sheets.get(sheet)
        if not path:
            return
        styles = b"|".join(str(style).encode() for style in self._padded)
        padded_cell = re.compile(rb"<(?:\w+:)?c\s([^>]*?\bs=\"(" + styles + rb")\"[^>]*)>") if styles else None
        with self._archive.open(path) as part:
            parts: list[bytes] = []
            while block := part.read(BLOCK_BYTES):
                # Only the new block is searched: a row may be very long.
                end = block.rfind(ROW_END) + 1
                if end:
                    yield from self._scan_rows(b"".join([*parts, block[:end]]), padded_cell)
                    parts.clear()
                parts.append(block[end:])

    def _scan_rows(self, text: bytes, padded_cell: re.Pattern[bytes] | None) -> Iterator[SpecialCell]:
        found = []
        if ERROR_TYPE in text:
            for match in ERROR_CELL.finditer(text):
                error = ERROR_TEXT.search(match[2])
                if error and (place := _find_place(match[1])):
                    found.append(SpecialCell(*place, error[1].decode(errors="replace"), None))
        if padded_cell is not None:
            for match in padded_cell.finditer(text):
                if place := _find_place(match[1]):
                    found.append(SpecialCell(*place, None, self._padded[int(match[2])]))
        yield from sorted(found, key=lambda cell: cell.row)

    def _read_relationships(self) -> Mapping[str, str]:
        return {
            relationship.attrib["Id"]: posixpath.normpath(posixpath.join("xl", relationship.attrib["Target"])).lstrip(
                "/"
            )
            for relationship in self._parse(RELATIONSHIPS_PART)
        }

    def _read_padded_formats(self) -> Mapping[int, PaddedFormat]:
        """Return the padded formats by the index of their cell style."""
        if STYLES_PART not in self._archive.namelist():
            return {}
        styles = self._parse(STYLES_PART)
        codes = {
            number.attrib.get("numFmtId"): number.attrib.get("formatCode", "")
            for number in styles.iterfind("{*}numFmts/*")
        }
        formats: dict[int, PaddedFormat] = {}
        for index, style in enumerate(styles.iterfind("{*}cellXfs/*")):
            padded = parse_padded_format(codes.get(style.attrib.get("numFmtId"), ""))
            if padded is not None:
                formats[index] = padded
        return formats

    def _parse(self, part: str) -> ElementTree.Element:
        # Expat limits the expansion of entities, and this process has limited memory and time.
        with self._archive.open(part) as stream:
            return ElementTree.parse(stream).getroot()  # noqa: S314


def _relationship_id(sheet: ElementTree.Element) -> str:
    return next((value for name, value in sheet.attrib.items() if RELATIONSHIP_ID.fullmatch(name)), "")


def _find_place(attributes: bytes) -> tuple[int, int] | None:
    """Return the row and the column of a cell, counted from 0. Few programs leave out the reference of a cell."""
    reference = REFERENCE.search(attributes)
    if reference is None:
        return None
    column = 0
    for letter in reference[1]:
        column = column * 26 + letter - ord("A") + 1
    return int(reference[2]) - 1, column - 1
