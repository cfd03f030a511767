"""The special cells of an .xlsb file ([MS-XLSB])."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO

from importer.files.workbook.cells import PaddedFormat, parse_padded_format
from importer.files.workbook.special_cells import ERROR_CODES, UNKNOWN_ERROR, SpecialCell
from importer.files.workbook.xlsx_cells import read_relationships

WORKBOOK_PART = "xl/workbook.bin"
STYLES_PART = "xl/styles.bin"
BLOCK_BYTES = 1 << 20
# The longest header of a record: two bytes for its kind, four for its length.
MAX_HEADER_BYTES = 6

ROW, SHEET, NUMBER_FORMAT, CELL_STYLE = 0, 156, 44, 47
CELL_STYLES_BEGIN, CELL_STYLES_END = 617, 618
RK_NUMBER, REAL_NUMBER, FORMULA_NUMBER = 2, 5, 9
CELL_ERROR, FORMULA_ERROR = 3, 11
ERRORS = frozenset({CELL_ERROR, FORMULA_ERROR})
NUMBERS = frozenset({RK_NUMBER, REAL_NUMBER, FORMULA_NUMBER})
PLACE = struct.Struct("<LL")


class XlsbCells:
    """The parts of an .xlsb file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        targets = read_relationships(archive, WORKBOOK_PART)
        self._sheets: dict[str, str] = {}
        for kind, data in self._read_part(WORKBOOK_PART):
            if kind == SHEET:
                relationship, end = _read_text(data, 8)
                self._sheets[_read_text(data, end)[0]] = targets.get(relationship, "")
        self._padded = self._read_padded_formats()

    def scan(self, sheet: str) -> Iterator[SpecialCell]:
        """Yield the cells of a sheet that have an error or a padded number format, in the order of the file."""
        if not (path := self._sheets[sheet]):
            return
        padded = self._padded
        row = 0
        for kind, data in self._read_part(path):
            if kind == ROW:
                row = int.from_bytes(data[:4], "little")
            elif kind in ERRORS:
                column, _ = PLACE.unpack_from(data)
                yield SpecialCell(row, column, ERROR_CODES.get(data[8], UNKNOWN_ERROR))
            elif padded and kind in NUMBERS:
                column, style = PLACE.unpack_from(data)
                if (found := padded.get(style & 0xFFFFFF)) is not None:
                    yield SpecialCell(row, column, None, found)

    def _read_padded_formats(self) -> Mapping[int, PaddedFormat]:
        """Return the padded formats by the index of their cell style."""
        codes: dict[int, str] = {}
        styles: list[int] = []
        is_cell_style = False
        if STYLES_PART not in self._archive.namelist():
            return {}
        for kind, data in self._read_part(STYLES_PART):
            if kind == NUMBER_FORMAT:
                codes[int.from_bytes(data[:2], "little")] = _read_text(data, 2)[0]
            elif kind in {CELL_STYLES_BEGIN, CELL_STYLES_END}:
                is_cell_style = kind == CELL_STYLES_BEGIN
            elif kind == CELL_STYLE and is_cell_style:
                styles.append(int.from_bytes(data[2:4], "little"))
        padded = {code: parse_padded_format(text) for code, text in codes.items()}
        found = {index: padded.get(code) for index, code in enumerate(styles)}
        return {index: code for index, code in found.items() if code is not None}

    def _read_part(self, path: str) -> Iterator[tuple[int, bytes]]:
        with self._archive.open(path) as part:
            yield from _read_records(part)


def _read_records(part: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the data of each record. The low seven bits of each byte of a number count."""
    data, place = b"", 0
    at_end = False
    while True:
        if not at_end and len(data) - place < MAX_HEADER_BYTES:
            block = part.read(BLOCK_BYTES)
            data, place, at_end = data[place:] + block, 0, not block
            continue
        if place >= len(data):
            return
        kind = data[place]
        place += 1
        if kind & 0x80:
            kind = kind & 0x7F | (data[place] & 0x7F) << 7
            place += 1
        length = shift = 0
        while True:
            byte = data[place]
            place += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift == 28:
                break
        if len(data) - place < length:
            data, place = data[place:] + part.read(max(BLOCK_BYTES, length)), 0
            if len(data) < length:
                raise ValueError("A record is cut off.")
        yield kind, data[place : place + length]
        place += length


def _read_text(data: bytes, place: int) -> tuple[str, int]:
    """Return the text at a place, and the place after it. A text begins with the number of its characters."""
    (length,) = struct.unpack_from("<L", data, place)
    if length == 0xFFFFFFFF:
        return "", place + 4
    end = place + 4 + 2 * length
    return data[place + 4 : end].decode("utf-16-le"), end
