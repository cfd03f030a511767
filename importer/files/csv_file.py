"""An open CSV file: its dialect, its header, samples of its columns, and its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from psycopg2 import sql

from importer.files.dialect import (
    BLANK_BEFORE_HEADER,
    SNIFFED_CHARACTERS,
    CountKnownColumns,
    find_delimiter,
    find_quote,
    sniff,
)
from importer.files.fast_path import Layout
from importer.files.parser import Parser
from importer.files.rows import RowChunk, make_printable
from importer.files.text_source import TextSource
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning
from importer.notices import Notices

SAMPLES_PER_COLUMN = 5
SAMPLED_ROWS = 100
SAMPLED_CHARACTERS = 1 << 16
SAMPLE_MAX_CHARACTERS = 200
# The limit for the samples of all columns together, because a file may have thousands of columns.
SAMPLES_MAX_CHARACTERS = 200_000


class CsvFile:
    """A CSV file whose header has been read; `header` holds its cells. It closes `source` when it is closed.

    `delimiter` and `quote` are what the client gave, see `find_delimiter` and `find_quote`; a value that is None is
    detected. `count_known_columns` judges candidates for the header. `max_record` is in characters. Raises
    `UnusableFile` if an option is unknown or the header cannot be read.
    """

    def __init__(
        self,
        source: TextSource,
        *,
        delimiter: str | None,
        quote: str | None,
        count_known_columns: CountKnownColumns,
        max_record: int,
        tuning: ReaderTuning = DEFAULT_TUNING,
    ) -> None:
        self._source = source
        self._parser = Parser(source, max_record=max_record, tuning=tuning)
        self._parser.skip_blank_lines(BLANK_BEFORE_HEADER)
        sniffed = sniff(
            self._parser.peek(SNIFFED_CHARACTERS),
            count_known_columns,
            None if delimiter is None else find_delimiter(delimiter),
            None if quote is None else find_quote(quote),
        )
        self.dialect = sniffed.dialect
        self._parser.use(sniffed.dialect, skip=sniffed.separator_line_length)
        self.header = self._parser.read_header()
        self.samples = self._read_samples()

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def describe(self) -> dict[str, Any]:
        """Return the format of the file as JSON for clients. The encoding is final once all rows have been read."""
        return {
            "packing": self._source.compression,
            "encoding": self._source.encoding,
            "delimiter": self.dialect.delimiter,
            "quote": self.dialect.quote,
            "escaped": self.dialect.escaped,
            "wrapped": self.dialect.wrapped,
        }

    def _read_samples(self) -> list[list[str]]:
        """Return the first non-empty values of each column, without consuming rows."""
        samples: list[list[str]] = [[] for _ in self.header]
        text = self._parser.peek(SAMPLED_CHARACTERS)
        rows: list[list[str]] = []
        with suppress(csv.Error):
            # After an error, the rows before it are enough.
            reader = self.dialect.for_text(text).reader(io.StringIO(text.replace("\0", "\ufffd"), newline=""))
            rows.extend(islice(reader, SAMPLED_ROWS))
        if len(text) == SAMPLED_CHARACTERS and len(rows) < SAMPLED_ROWS:
            # The last row may be cut off.
            del rows[-1:]
        left = SAMPLES_MAX_CHARACTERS
        for row in rows:
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

    def read_chunks(self, chunk_rows: int, layout: Layout | None, notices: Notices) -> Iterator[RowChunk]:
        """Yield the rows after the header, at most `chunk_rows` at a time; see `Parser.read_chunks`."""
        return self._parser.read_chunks(chunk_rows, layout, notices)
