"""The special cells of an .ods file (OpenDocument 1.3).

A cell has the text that is shown beside its value. That text is taken if the number has a padded format.
"""

from __future__ import annotations

import re
import zipfile
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from importer.files.spreadsheet_errors import ERRORS
from importer.files.workbook.cells import MIN_PADDED_DIGITS
from importer.files.workbook.special_cells import UNKNOWN_ERROR, SpecialCell

CONTENT_PART, STYLES_PART = "content.xml", "styles.xml"
BLOCK_BYTES = 1 << 18
MAX_TEXT_CHARACTERS = 1000
# A sheet of a spreadsheet program is not larger. More repetitions are not real.
MAX_ROWS, MAX_COLUMNS = 1 << 20, 1 << 14

OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
NUMBER = "{urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0}"
TYPE, VALUE, FORMULA = f"{OFFICE} value-type", f"{OFFICE} value", f"{TABLE} formula"
ROWS_REPEATED, COLUMNS_REPEATED = f"{TABLE} number-rows-repeated", f"{TABLE} number-columns-repeated"
STYLE_NAME, DEFAULT_STYLE_NAME = f"{TABLE} style-name", f"{TABLE} default-cell-style-name"
CELLS = frozenset({f"{TABLE} table-cell", f"{TABLE} covered-table-cell"})
# LibreOffice says in an attribute of its own that a formula has an error; its other attributes are those of a value.
ERROR_TYPE = "calcext:1.0 value-type"
# What a content needs to have so that a sheet has special cells.
MAY_HAVE_ERROR = re.compile(rb"""value-type=["']error|>\s*(?:#|Err:)""")
LIBREOFFICE_ERROR = re.compile(r"Err:\d{3}")
DIGITS = re.compile(r"[^0-9]+")


class CellRun(NamedTuple):
    """A special cell of a row, which is repeated in the columns to its right."""

    column: int
    repeated: int
    text: str


class OdsCells:
    """The content of an .ods file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._padded = self._read_padded_styles()
        self._has_special_cells = bool(self._padded) or self._may_have_errors()

    def scan(self, sheet: str) -> Iterator[SpecialCell]:
        """Yield the cells of a sheet that have an error or a padded number format, by row."""
        if not self._has_special_cells:
            return
        parser = _SheetParser(sheet, self._padded)
        with self._archive.open(CONTENT_PART) as part:
            while block := part.read(BLOCK_BYTES):
                parser.parse(block)
                rows, parser.rows = parser.rows, []
                for first, count, runs in rows:
                    for row in range(first, first + count):
                        for run in runs:
                            for column in range(run.column, run.column + run.repeated):
                                yield SpecialCell(row, column, run.text)
                if parser.is_past_sheet:
                    return

    def _may_have_errors(self) -> bool:
        rest = b""
        with self._archive.open(CONTENT_PART) as part:
            while block := part.read(BLOCK_BYTES):
                if MAY_HAVE_ERROR.search(rest + block):
                    return True
                rest = block[-20:]
        return False

    def _read_padded_styles(self) -> Collection[str]:
        """Return the names of the cell styles with a padded number format."""
        formats: set[str] = set()
        conditional: dict[str, set[str]] = {}
        data_styles: dict[str, str] = {}
        parents: dict[str, str] = {}
        for part in (STYLES_PART, CONTENT_PART):
            if part not in self._archive.namelist():
                continue
            for element in self._read_styles(part):
                name = element.get(f"{STYLE}name", "")
                if element.tag == f"{NUMBER}number-style":
                    formats |= {name} if any(map(_is_padded, element.iterfind(f"{NUMBER}number"))) else set()
                    # Another style applies to some numbers, such as those that are not negative.
                    maps = element.iterfind(f"{STYLE}map")
                    conditional[name] = {style.get(f"{STYLE}apply-style-name", "") for style in maps}
                elif element.tag == f"{STYLE}style":
                    data_styles[name] = element.get(f"{STYLE}data-style-name", "")
                    parents[name] = element.get(f"{STYLE}parent-style-name", "")
        formats |= {name for name, others in conditional.items() if others & formats}
        return {name for name in data_styles if _find_data_style(name, data_styles, parents) in formats}

    def _read_styles(self, part: str) -> Iterator[ElementTree.Element]:
        """Yield the styles of a part, without reading the sheets that follow them."""
        with self._archive.open(part) as stream:
            # Expat limits the expansion of entities, and this process has limited memory and time.
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):  # noqa: S314
                if event == "start" and element.tag == f"{{{OFFICE}}}body":
                    return
                if event == "end" and element.tag in {f"{NUMBER}number-style", f"{STYLE}style"}:
                    yield element


def _is_padded(number: ElementTree.Element) -> bool:
    digits, decimals = (number.get(f"{NUMBER}{name}", "0") for name in ("min-integer-digits", "decimal-places"))
    has_groups = number.get(f"{NUMBER}grouping") == "true"
    return int(digits) >= MIN_PADDED_DIGITS and int(decimals) == 0 and not has_groups


def _find_data_style(name: str, data_styles: Mapping[str, str], parents: Mapping[str, str]) -> str:
    # A style that is its own ancestor must not keep this from ending.
    for _ in range(len(parents)):
        if data_styles.get(name) or name not in parents:
            break
        name = parents[name]
    return data_styles.get(name, "")


class _SheetParser:
    """Collects the special cells of one sheet in `rows`: the first row, the number of equal rows, and the cells."""

    def __init__(self, sheet: str, padded: Collection[str]) -> None:
        self.rows: list[tuple[int, int, list[CellRun]]] = []
        self.is_past_sheet = False
        self._sheet = sheet
        self._padded = padded
        self._is_in_sheet = False
        self._row = self._column = 0
        self._row_attributes: Mapping[str, str] = {}
        self._runs: list[CellRun] = []
        # The styles of the columns from each column on.
        self._column_starts: list[int] = []
        self._column_styles: list[str] = []
        self._cell: Mapping[str, str] | None = None
        # Paragraphs of the cell itself are one level below it; those of a comment are deeper.
        self._depth = 0
        self._text: list[str] = []
        self._is_paragraph = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._add_text

    def parse(self, block: bytes) -> None:
        """Parse the next block of the content."""
        self._parser.Parse(block)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == f"{TABLE} table" and self._cell is None:
            self._is_in_sheet = not self.is_past_sheet and attributes.get(f"{TABLE} name") == self._sheet
        elif not self._is_in_sheet:
            return
        elif self._cell is not None:
            self._depth += 1
            if self._depth == 1:
                self._is_paragraph = name == f"{TEXT} p"
            elif name == f"{TEXT} s" and self._is_paragraph:
                self._add_text(" " * min(int(attributes.get(f"{TEXT} c", "1")), MAX_TEXT_CHARACTERS))
        elif name in CELLS:
            self._cell = attributes
            self._depth = 0
            self._text = []
        elif name == f"{TABLE} table-row":
            self._row_attributes = attributes
            self._column = 0
            self._runs = []
        elif name == f"{TABLE} table-column":
            start = self._column_starts[-1] if self._column_starts else 0
            if not self._column_starts:
                self._column_starts.append(start)
            self._column_styles.append(attributes.get(DEFAULT_STYLE_NAME, ""))
            self._column_starts.append(start + _count(attributes, COLUMNS_REPEATED, MAX_COLUMNS))

    def _end(self, name: str) -> None:
        if not self._is_in_sheet:
            return
        if self._cell is not None and self._depth:
            self._depth -= 1
            self._is_paragraph = self._is_paragraph and self._depth > 0
        elif self._cell is not None:
            count = _count(self._cell, COLUMNS_REPEATED, MAX_COLUMNS)
            text = self._find_text(self._cell)
            if text is not None:
                self._runs.append(CellRun(self._column, count, text))
            self._column += count
            self._cell = None
        elif name == f"{TABLE} table-row":
            count = _count(self._row_attributes, ROWS_REPEATED, MAX_ROWS)
            if self._runs:
                self.rows.append((self._row, count, self._runs))
            self._row += count
        elif name == f"{TABLE} table":
            self._is_in_sheet = False
            self.is_past_sheet = True

    def _add_text(self, text: str) -> None:
        if self._is_paragraph:
            self._text.append(text)

    def _find_text(self, cell: Mapping[str, str]) -> str | None:
        """Return the text of a cell that has an error or a padded number; None for other cells."""
        shown = "".join(self._text).strip()
        is_error = "error" in {cell.get(TYPE), *(value for name, value in cell.items() if name.endswith(ERROR_TYPE))}
        if is_error or (FORMULA in cell and (shown in ERRORS or LIBREOFFICE_ERROR.fullmatch(shown))):
            return shown if shown in ERRORS else UNKNOWN_ERROR
        if cell.get(TYPE) != "float" or self._find_style(cell) not in self._padded:
            return None
        # A negative number, a fraction and a text such as ### for a narrow column have other digits.
        digits = DIGITS.sub("", shown)
        value = float(cell.get(VALUE, "nan"))
        return shown if digits and value == int(digits) else None

    def _find_style(self, cell: Mapping[str, str]) -> str:
        if style := cell.get(STYLE_NAME) or self._row_attributes.get(DEFAULT_STYLE_NAME):
            return style
        index = bisect_right(self._column_starts, self._column) - 1
        return self._column_styles[index] if 0 <= index < len(self._column_styles) else ""


def _count(attributes: Mapping[str, str], name: str, maximum: int) -> int:
    return min(max(int(attributes.get(name, "1")), 1), maximum)
