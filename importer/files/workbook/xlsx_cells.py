"""The special cells of an .xlsx file. Its rows are searched without building a tree of the XML."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from importer.files.spreadsheet_errors import ERRORS
from importer.files.workbook.cells import PaddedFormat, parse_padded_format
from importer.files.workbook.special_cells import UNKNOWN_ERROR, SpecialCell

BLOCK_BYTES = 1 << 20

WORKBOOK_PART = "xl/workbook.xml"
STYLES_PART = "xl/styles.xml"
RELATIONSHIP_ID = re.compile(r"\{.*\}id")

ROW_END = b"row>"
ERROR_TYPE = re.compile(rb"""\bt=["']e["']""")
ERROR_TEXT = re.compile(rb"<(?:\w+:)?v>([^<]{1,20})<")
REFERENCE = re.compile(rb"""\br=["']([A-Z]{1,3})([0-9]{1,7})["']""")
# The attributes of a cell, also of one whose content follows.
CELL = re.compile(rb"<(?:\w+:)?c(?=[\s>/])([^>]*)>")
ROW_OR_CELL = re.compile(rb"<(?:\w+:)?(row|c)(?=[\s>/])([^>]*)>")
ROW_NUMBER = re.compile(rb"""\br=["']([0-9]{1,7})["']""")
STYLE = re.compile(rb"""\bs=["']([0-9]{1,9})["']""")
NEXT_CELL = re.compile(rb"</(?:\w+:)?c>")


class XlsxCells:
    """The parts of an .xlsx file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        targets = read_relationships(archive, WORKBOOK_PART)
        workbook = _parse(archive, WORKBOOK_PART)
        self._sheets = {
            sheet.attrib["name"]: targets.get(_relationship_id(sheet), "") for sheet in workbook.iterfind("{*}sheets/*")
        }
        self._padded = self._read_padded_formats()
        styles = b"|".join(str(style).encode() for style in self._padded)
        self._padded_cell = (
            re.compile(rb"""<(?:\w+:)?c\s([^>]*?\bs=["'](?:""" + styles + rb""")["'][^>]*)>""") if styles else None
        )

    def scan(self, sheet: str) -> Iterator[SpecialCell]:
        """Yield the cells of a sheet that have an error or a padded number format, in the order of the file."""
        path = self._sheets[sheet]
        if not path:
            return
        counter: CellCounter | None = None
        is_first = True
        with self._archive.open(path) as part:
            parts: list[bytes] = []
            while block := part.read(BLOCK_BYTES):
                # Only the new block is searched: a row may be very long.
                end = block.rfind(ROW_END) + 1
                if end:
                    text = b"".join([*parts, block[:end]])
                    if is_first and (cell := CELL.search(text)):
                        # Programs give the references of all cells, or of none.
                        counter = None if REFERENCE.search(cell[1]) else CellCounter()
                        is_first = False
                    yield from self._scan_rows(text) if counter is None else self._count_cells(text, counter)
                    parts.clear()
                parts.append(block[end:])

    def _scan_rows(self, text: bytes) -> Iterator[SpecialCell]:
        found = []
        # The search for a fixed text is much faster than that for a pattern.
        has_error = b't="e"' in text or b"t='e'" in text
        for match in ERROR_TYPE.finditer(text) if has_error else ():
            # The attribute is within the start tag of a cell.
            start = text.rfind(b"<", 0, match.start())
            cell = CELL.match(text, start)
            if cell and (place := _find_place(cell[1])):
                found.append(SpecialCell(*place, _find_error(text, cell)))
        if self._padded_cell is not None:
            for match in self._padded_cell.finditer(text):
                style = STYLE.search(match[1])
                if style and (place := _find_place(match[1])):
                    found.append(SpecialCell(*place, None, self._padded[int(style[1])]))
        yield from sorted(found, key=lambda cell: cell.row)

    def _count_cells(self, text: bytes, counter: CellCounter) -> Iterator[SpecialCell]:
        """Yield the special cells of rows whose cells have no references, so that their order counts."""
        for match in ROW_OR_CELL.finditer(text):
            if match[1] == b"row":
                counter.add_row(match[2])
                continue
            row, column = counter.add_cell(match[2])
            style = STYLE.search(match[2])
            if ERROR_TYPE.search(match[2]):
                yield SpecialCell(row, column, _find_error(text, match))
            elif style and (padded := self._padded.get(int(style[1]))):
                yield SpecialCell(row, column, None, padded)

    def _read_padded_formats(self) -> Mapping[int, PaddedFormat]:
        """Return the padded formats by the index of their cell style."""
        if STYLES_PART not in self._archive.namelist():
            return {}
        styles = _parse(self._archive, STYLES_PART)
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


class CellCounter:
    """Counts the rows and the cells of a sheet without references."""

    def __init__(self) -> None:
        self._row = self._column = -1

    def add_row(self, attributes: bytes) -> None:
        """Begin a row. Its number is optional."""
        number = ROW_NUMBER.search(attributes)
        self._row = int(number[1]) - 1 if number else self._row + 1
        self._column = -1

    def add_cell(self, attributes: bytes) -> tuple[int, int]:
        """Return the row and the column of the next cell, counted from 0."""
        self._row, self._column = _find_place(attributes) or (self._row, self._column + 1)
        return self._row, self._column


def read_relationships(archive: zipfile.ZipFile, part: str) -> Mapping[str, str]:
    """Return the paths of the parts that a part of a package names, by their ids."""
    folder, name = posixpath.split(part)
    return {
        relationship.attrib["Id"]: posixpath.normpath(posixpath.join(folder, relationship.attrib["Target"])).lstrip("/")
        for relationship in _parse(archive, f"{folder}/_rels/{name}.rels")
    }


def _parse(archive: zipfile.ZipFile, part: str) -> ElementTree.Element:
    # Expat limits the expansion of entities, and this process has limited memory and time.
    with archive.open(part) as stream:
        return ElementTree.parse(stream).getroot()  # noqa: S314


def _relationship_id(sheet: ElementTree.Element) -> str:
    return next((value for name, value in sheet.attrib.items() if RELATIONSHIP_ID.fullmatch(name)), "")


def _find_error(text: bytes, cell: re.Match[bytes]) -> str:
    """Return the text of the error in a cell whose start tag was matched."""
    end = None if cell[0].endswith(b"/>") else NEXT_CELL.search(text, cell.end())
    error = ERROR_TEXT.search(text, cell.end(), end.start()) if end else None
    shown = error[1].decode(errors="replace") if error else ""
    return shown if shown in ERRORS else UNKNOWN_ERROR


def _find_place(attributes: bytes) -> tuple[int, int] | None:
    """Return the row and the column of a cell by its reference, counted from 0; None without one."""
    reference = REFERENCE.search(attributes)
    if reference is None:
        return None
    column = 0
    for letter in reference[1]:
        column = column * 26 + letter - ord("A") + 1
    return int(reference[2]) - 1, column - 1
