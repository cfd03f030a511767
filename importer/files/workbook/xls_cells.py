"""The special cells of an .xls file ([MS-XLS], BIFF8 and BIFF5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from importer.files.workbook.cells import PaddedFormat, parse_padded_format
from importer.files.workbook.ole_file import OleFile
from importer.files.workbook.special_cells import ERROR_CODES, UNKNOWN_ERROR, SpecialCell

BEGIN, END, SHEET, NUMBER_FORMAT, CELL_STYLE = 0x809, 0x0A, 0x85, 0x41E, 0xE0
NUMBER, RK_NUMBER, MANY_RK_NUMBERS, FORMULA, BOOLEAN_OR_ERROR = 0x203, 0x27E, 0xBD, 0x06, 0x205
BIFF8 = 0x600
# The result of a formula is a number unless it ends with these bytes; then its first byte says what it is.
NO_NUMBER, ERROR_RESULT = b"\xff\xff", 2
# Each number of a MANY_RK_NUMBERS has a style and four bytes.
RK_BYTES = 6


class XlsCells:
    """The records of an .xls file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._records = OleFile(file).read_workbook()
        self._version = 0
        self._sheets: dict[str, int] = {}
        self._padded = self._read_globals()

    def scan(self, sheet: str) -> Iterator[SpecialCell]:
        """Yield the cells of a sheet that have an error or a padded number format, by row."""
        # Few programs write the rows out of order, but nothing forbids it. There are 65,536 at most.
        yield from sorted(self._find_cells(self._sheets[sheet]), key=lambda cell: cell.row)

    def _find_cells(self, offset: int) -> Iterator[SpecialCell]:
        depth = 0
        for kind, data in self._read_records(offset):
            # A chart within the sheet has a beginning and an end of its own.
            depth += (kind == BEGIN) - (kind == END)
            if depth == 0:
                return
            if depth == 1 and kind in {NUMBER, RK_NUMBER, FORMULA, BOOLEAN_OR_ERROR}:
                row, column, style = struct.unpack_from("<HHH", data)
                error = _find_error(kind, data)
                if error is not None:
                    yield SpecialCell(row, column, ERROR_CODES.get(error, UNKNOWN_ERROR))
                elif kind != BOOLEAN_OR_ERROR and style in self._padded:
                    yield SpecialCell(row, column, None, self._padded[style])
            elif depth == 1 and kind == MANY_RK_NUMBERS:
                row, first = struct.unpack_from("<HH", data)
                for index, place in enumerate(range(4, len(data) - RK_BYTES + 1, RK_BYTES)):
                    (style,) = struct.unpack_from("<H", data, place)
                    if style in self._padded:
                        yield SpecialCell(row, first + index, None, self._padded[style])

    def _read_globals(self) -> Mapping[int, PaddedFormat]:
        """Read where the sheets begin. Return the padded formats by the index of their cell style."""
        codes: dict[int, str] = {}
        styles: list[int] = []
        for kind, data in self._read_records(0):
            if kind == BEGIN:
                (self._version,) = struct.unpack_from("<H", data)
            elif kind == END:
                break
            elif kind == SHEET:
                (offset,) = struct.unpack_from("<L", data)
                self._sheets[self._read_text(data, 6, 1)] = offset
            elif kind == NUMBER_FORMAT:
                (number,) = struct.unpack_from("<H", data)
                codes[number] = self._read_text(data, 2, 2 if self._version >= BIFF8 else 1)
            elif kind == CELL_STYLE:
                styles.append(struct.unpack_from("<H", data, 2)[0])
        return _find_padded(styles, codes)

    def _read_records(self, place: int) -> Iterator[tuple[int, bytes]]:
        records = self._records
        while place + 4 <= len(records):
            kind, length = struct.unpack_from("<HH", records, place)
            yield kind, records[place + 4 : place + 4 + length]
            place += 4 + length

    def _read_text(self, data: bytes, place: int, length_bytes: int) -> str:
        """Return a text that begins with the number of its characters and, in BIFF8, with whether they have 16 bits."""
        length = int.from_bytes(data[place : place + length_bytes], "little")
        place += length_bytes
        if self._version < BIFF8:
            return data[place : place + length].decode("cp1252", "replace")
        is_wide = data[place] & 1
        text = data[place + 1 : place + 1 + length * (1 + is_wide)]
        return text.decode("utf-16-le" if is_wide else "latin-1", "replace")


def _find_error(kind: int, data: bytes) -> int | None:
    """Return the code of the error in a cell; None if it has no error."""
    if kind == BOOLEAN_OR_ERROR and data[7]:
        return data[6]
    if kind == FORMULA and data[12:14] == NO_NUMBER and data[6] == ERROR_RESULT:
        return data[8]
    return None


def _find_padded(styles: Sequence[int], codes: Mapping[int, str]) -> Mapping[int, PaddedFormat]:
    padded = {number: parse_padded_format(code) for number, code in codes.items()}
    found = {index: padded.get(number) for index, number in enumerate(styles)}
    return {index: code for index, code in found.items() if code is not None}
