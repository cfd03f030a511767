"""An open CSV file: its dialect, its header, samples of its columns, and its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from psycopg2 import sql

from importer.errors import FailureKind, UnusableFile
from importer.files.cells import Row, has_content
from importer.files.delimiter_hint import Separator, suggest_delimiter
from importer.files.dialect import (
    BLANK_BEFORE_HEADER,
    SEPARATOR_LINE,
    SNIFFED_CHARACTERS,
    find_delimiter,
    find_quote,
    sniff,
)
from importer.files.fast_path import Layout
from importer.files.header_search import (
    MAX_HEADER_ROWS,
    LeadingRow,
    RateHeader,
    choose_header,
    read_leading_rows,
)
from importer.files.other_formats import refuse_other_formats
from importer.files.parser import Parser
from importer.files.rows import RowChunk, RowPositions, count_line_breaks, make_printable
from importer.files.text_source import TextSource
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning
from importer.files.workbook.workbook_file import RowNumbers
from importer.notices import Fix, Notices

SAMPLES_PER_COLUMN = 5
MAX_SHEETS = 1000
SAMPLED_ROWS = 100
SAMPLED_CHARACTERS = 1 << 16
SAMPLE_MAX_CHARACTERS = 200
# The limit for the samples of all columns together, because a file may have thousands of columns.
SAMPLES_MAX_CHARACTERS = 200_000

NO_HEADER_LINE = FailureKind(
    "no_header_line", "The file has no line {line:,}, which was given as the line of the header. Give another one."
)
BLANK_HEADER_LINE = FailureKind(
    "blank_header_line", "Line {line:,}, which was given as the line of the header, is blank. Give another one."
)


class CsvFile:
    """A CSV file whose header has been read; `header` holds its cells. It closes `source` when it is closed.

    `delimiter`, `quote` and `header_line` are what the client gave, see `find_delimiter` and `find_quote`; a value that
    is None is detected. `rate_header` judges candidates for the header. `max_record` is in characters. Adds to
    `notices` which lines are above the header. `better_separator` is another one that would give a SKU column, if the
    header has none. Raises `UnusableFile` if an option is unknown or the header cannot be read. The
    dialect of a workbook's text is fixed.
    """

    def __init__(
        self,
        source: TextSource,
        *,
        delimiter: str | None,
        quote: str | None,
        header_line: int | None = None,
        rate_header: RateHeader,
        max_record: int,
        notices: Notices,
        tuning: ReaderTuning = DEFAULT_TUNING,
    ) -> None:
        self._source = source
        if source.workbook:
            delimiter, quote = "comma", "double"
        self._parser = Parser(source, max_record=max_record, tuning=tuning)
        given = None if delimiter is None else find_delimiter(delimiter)
        named = None
        if header_line is None:
            self._parser.skip_blank_lines(BLANK_BEFORE_HEADER)
            if not source.workbook:
                # A cell may have any text.
                refuse_other_formats(self._parser.peek(SNIFFED_CHARACTERS))
        else:
            named = self._skip_to_line(header_line)
        max_header_rows = MAX_HEADER_ROWS if header_line is None else 1
        sniffed = sniff(
            self._parser.peek(SNIFFED_CHARACTERS),
            rate_header,
            given or named,
            None if quote is None else find_quote(quote),
            max_header_rows=max_header_rows,
        )
        self.dialect = sniffed.dialect
        self._parser.use(sniffed.dialect, skip=sniffed.separator_line_length)
        text = self._parser.peek(SNIFFED_CHARACTERS)
        leading = read_leading_rows(text, self.dialect.for_text(text).reader, MAX_HEADER_ROWS)
        if header_line is None:
            self._skip_to_header(leading, rate_header, notices)
        self.header = self._parser.read_header()
        self._first_row_number = self._find_row(self._parser.line)
        self.better_separator: Separator | None = None
        if not rate_header(self.header).has_sku:
            lines = [row.raw.rstrip("\r\n") for row in leading[:max_header_rows]]
            self.better_separator = suggest_delimiter(lines, self.dialect.delimiter, rate_header)
        self._sampled = self._sample_rows()
        self.samples = self._collect_samples()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def describe(self) -> dict[str, Any]:
        """Return the format of the file as JSON for clients. The encoding is final once all rows have been read."""
        workbook = self._source.workbook
        return {
            "packing": self._source.compression,
            "sheet": workbook.sheet if workbook else None,
            "sheets": workbook.sheets[:MAX_SHEETS] if workbook else [],
            "encoding": self._source.encoding,
            "delimiter": self.dialect.delimiter,
            "quote": self.dialect.quote,
            "escaped": self.dialect.escaped,
            "wrapped": self.dialect.wrapped,
        }

    def _find_row(self, line: int) -> int:
        """Return the number that users know a line by: in a workbook, that of the row of the sheet."""
        return self._source.workbook.row_numbers.find(line) if self._source.workbook else line

    def _skip_to_line(self, line: int) -> str | None:
        """Consume the lines before the header. Return the delimiter that the first line names, if any."""
        separator_line = SEPARATOR_LINE.match(self._parser.peek(SNIFFED_CHARACTERS))
        if not self._parser.skip_to_line(line, self._find_row):
            raise UnusableFile(NO_HEADER_LINE, line=line)
        if not self._parser.peek(SNIFFED_CHARACTERS).splitlines()[0].strip():
            raise UnusableFile(BLANK_HEADER_LINE, line=line)
        return separator_line[1] if separator_line else None

    def _skip_to_header(self, leading: list[LeadingRow], rate_header: RateHeader, notices: Notices) -> None:
        """Consume the rows above the header, and report them."""
        index = choose_header([row.cells for row in leading], rate_header)
        # If no row names a SKU column, a first row that cannot be read is the problem.
        if not index or not (leading[0].is_readable or rate_header(leading[index].cells).has_sku):
            return
        text = self._parser.peek(leading[index].start)
        above = leading[:index]
        lines = [self._find_row(self._parser.line + count_line_breaks(text, 0, row.start)) for row in above]
        self._parser.skip(leading[index].start)
        notices.add(
            "lines_above_header",
            count=index,
            lines=lines,
            samples=[{"text": make_printable(row.raw)} for row in above],
            fix=Fix(f"Use line {lines[0]:,} as the header", {"header_line": lines[0]}),
            header_line=self._find_row(self._parser.line),
        )

    @property
    def first_row(self) -> Row | None:
        """The first row below the header; None if there is none, or it cannot be read."""
        return self._sampled[0] if self._sampled else None

    def skip_first_row(self) -> int:
        """Leave out the first row below the header, which is `first_row`. Return its line, counted from 1."""
        self._parser.skip_blank_lines(self.dialect.blank)
        line = self._find_row(self._parser.line)
        self._parser.read_header()
        del self._sampled[0]
        self.samples = self._collect_samples()
        return line

    def values(self, column: int) -> list[str]:
        """Return the values of a column in the first rows, without consuming rows. Empty ones are left out."""
        values = [row[column].strip() for row in self._sampled if len(row) == len(self.header)]
        return list(filter(None, values))

    def _sample_rows(self) -> list[Row]:
        """Return the first rows below the header, without consuming them."""
        text = self._parser.peek(SAMPLED_CHARACTERS)
        rows: list[Row] = []
        with suppress(csv.Error):
            # After an error, the rows before it are enough.
            reader = self.dialect.for_text(text).reader(io.StringIO(text.replace("\0", "\ufffd"), newline=""))
            rows.extend(islice(reader, SAMPLED_ROWS))
        if len(text) == SAMPLED_CHARACTERS and len(rows) < SAMPLED_ROWS:
            # The last row may be cut off.
            del rows[-1:]
        return list(filter(has_content, rows))

    def _collect_samples(self) -> list[list[str]]:
        """Return the first non-empty values of each column."""
        samples: list[list[str]] = [[] for _ in self.header]
        left = SAMPLES_MAX_CHARACTERS
        for row in self._sampled:
            if len(row) != len(self.header):
                continue
            for column, cell in zip(samples, row, strict=True):
                if len(column) < SAMPLES_PER_COLUMN and left > 0 and cell.strip():
                    column.append(make_printable(cell[:SAMPLE_MAX_CHARACTERS]))
                    left -= len(column[-1])
        return samples

    @property
    def copy_options(self) -> sql.Composable:
        """The options of COPY (FORMAT csv) that match the rows."""
        return sql.SQL("DELIMITER {}, QUOTE {}").format(
            sql.Literal(self.dialect.delimiter), sql.Literal(self.dialect.copy_quote)
        )

    def read_chunks(
        self, chunk_rows: int, layout: Layout | None, notices: Notices, min_cells: int | None = None
    ) -> Iterator[RowChunk]:
        """Yield the rows after the header, at most `chunk_rows` at a time; see `Parser.read_chunks`."""
        chunks = self._parser.read_chunks(chunk_rows, layout, notices, self._find_row, min_cells)
        workbook = self._source.workbook
        return chunks if workbook is None else (_use_row_numbers(chunk, workbook.row_numbers) for chunk in chunks)

    def add_rewritten_skus(self, column: int, notices: Notices) -> None:
        """Add a notice if cells of a workbook in the column of the SKU are dates. All rows must have been read."""
        if self._source.workbook:
            self._source.workbook.add_rewritten_skus(column, self._first_row_number, notices)


def _use_row_numbers(chunk: RowChunk, numbers: RowNumbers) -> RowChunk:
    """Replace the lines of a chunk by the numbers of the rows in their sheet."""
    if numbers and chunk.clean is not None:
        chunk.clean_lines = list(map(numbers.find, chunk.clean_lines))
    elif numbers:
        lines, raws = chunk.positions()
        chunk.known_positions = RowPositions(list(map(numbers.find, lines)), raws)
        chunk.rejects = [reject._replace(line=numbers.find(reject.line)) for reject in chunk.rejects]
        if around := chunk.around:
            starts, lines = (list(map(numbers.find, found)) for found in (around.starts, around.lines))
            chunk.around = around._replace(starts=starts, lines=lines)
    return chunk
