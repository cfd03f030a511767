"""A file that is to be imported, opened: what it is, what its columns are, its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg2 import sql

from importer.columns.column_mapping import Mapped, column_names, header_key, known_columns, match
from importer.columns.validation import Columns
from importer.files.dialect import SNIFFED_CHARACTERS, delimiter_named, quote_named, sniff
from importer.files.encoding import encoding_named
from importer.files.parser import Parser
from importer.files.rows import Records, visible
from importer.files.text_source import Source

SAMPLES = 5
SAMPLED_ROWS = 100
SAMPLED_CHARACTERS = 1 << 16
SAMPLE_MAX_CHARACTERS = 200
# Of all columns together: a file may have thousands.
SAMPLES_MAX_CHARACTERS = 200_000


@dataclass(frozen=True)
class FileOptions:
    """What the client knows about the file; None is found from the file itself.

    `delimiter` is one of comma, semicolon, tab and pipe, itself or the word; `quote` is one of `dialect.QUOTES`, or its
    word; `encoding` is any name that Python knows. `mapping` says which of our fields the file's columns are, None for
    a column to leave out.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    mapping: Mapped | None = None


class OpenedFile:
    """A file whose header has been read; its cells are `header`. Closed by a `with`, or by `close`."""

    def __init__(self, source: Source, options: FileOptions, *, max_record: int) -> None:
        self._source = source
        self._mapping = options.mapping
        self._parser = Parser(source, max_record=max_record)
        sniffed = sniff(
            self._parser.peek(SNIFFED_CHARACTERS),
            lambda header: known_columns(header, options.mapping),
            None if options.delimiter is None else delimiter_named(options.delimiter),
            None if options.quote is None else quote_named(options.quote),
        )
        self._dialect = sniffed.dialect
        self._parser.use(sniffed.dialect, skip=sniffed.hint)
        self.header = self._parser.header()
        self._match = match(self.header, self._mapping)
        self._samples = self._read_samples()

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._source.close()

    @property
    def header_key(self) -> str:
        """The same for all files with this header: what a confirmed mapping is remembered by."""
        return header_key(self.header)

    def propose(self, remembered: Mapped) -> None:
        """Takes a mapping that was confirmed for such a header; it counts where all its columns are there."""
        self._match = match(self.header, self._mapping, remembered)

    def describe(self) -> dict[str, Any]:
        """What the file is, as JSON for clients; the encoding is final once all rows are read."""
        names = column_names(self.header)
        fields = self._match.fields
        return {
            "packing": self._source.packing,
            "encoding": self._source.encoding,
            "delimiter": self._dialect.delimiter,
            "quote": self._dialect.quote,
            "escaped": self._dialect.escaped,
            "columns": [
                {"name": name, "field": field, "samples": samples}
                for name, field, samples in zip(names, fields, self._samples, strict=True)
            ],
            "unmapped": [name for name, field in zip(names, fields, strict=True) if field is None],
            "problem": self._match.problem,
            "remembered": self._match.remembered,
            "header_key": self.header_key,
        }

    def _read_samples(self) -> list[list[str]]:
        """For each column the first values that are not empty; no row is taken."""
        samples: list[list[str]] = [[] for _ in self.header]
        text = self._parser.peek(SAMPLED_CHARACTERS)
        rows: list[list[str]] = []
        with suppress(csv.Error):
            # Where this raises, the rows up to there will do.
            reader = self._dialect.reader(io.StringIO(text.replace("\0", "\ufffd"), newline=""))
            rows.extend(islice(reader, SAMPLED_ROWS))
        if len(text) == SAMPLED_CHARACTERS and len(rows) < SAMPLED_ROWS:
            # The last one may be cut off.
            del rows[-1:]
        left = SAMPLES_MAX_CHARACTERS
        for row in rows:
            if len(row) != len(self.header):
                continue
            for column, cell in zip(samples, row, strict=True):
                if len(column) < SAMPLES and left > 0 and cell.strip():
                    column.append(visible(cell[:SAMPLE_MAX_CHARACTERS]))
                    left -= len(column[-1])
        return samples

    @cached_property
    def columns(self) -> Columns:
        """Where our fields are; raises `UnusableFile` when there is no column for the SKU, or the mapping is wrong."""
        self._match.check()
        return Columns(self.header, self._match.fields, self._dialect)

    @property
    def share_read(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self._source.share_read

    @property
    def copy_options(self) -> sql.Composable:
        """The options of COPY (FORMAT csv) that say how the rows are written."""
        return sql.SQL("DELIMITER {}, QUOTE {}").format(
            sql.Literal(self._dialect.delimiter), sql.Literal(self._dialect.copy_quote)
        )

    def chunks(self, chunk_rows: int) -> Iterator[Records]:
        """Yields what is below the header, at most `chunk_rows` rows at a time."""
        return self._parser.chunks(chunk_rows, self.columns.layout)


def open_file(path: Path, options: FileOptions, *, max_record: int, max_unpacked_bytes: int) -> OpenedFile:
    """Opens the file at `path` and reads its header.

    `max_record` is in characters. Raises `FileNotFoundError`, and `UnusableFile` when it is nothing like a CSV file or
    the options are none.
    """
    encoding = None if options.encoding is None else encoding_named(options.encoding)
    source = Source(path, max_unpacked_bytes=max_unpacked_bytes, encoding=encoding)
    try:
        return OpenedFile(source, options, max_record=max_record)
    except BaseException:
        source.close()
        raise
