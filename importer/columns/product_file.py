"""A product file: an open CSV file whose columns are mapped to product fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg2 import sql

from importer.columns.column_mapping import FieldByColumn, column_names, count_known_columns, header_key, map_columns
from importer.columns.formula_guard import is_guarded
from importer.columns.validation import RowValidator
from importer.files.compression import AfterRead, ignore_progress
from importer.files.csv_file import CsvFile
from importer.files.encoding import find_encoding
from importer.files.rows import Row, RowChunk
from importer.files.stored_file import StoredFile
from importer.files.text_source import TextSource
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning
from importer.notices import Notices


@dataclass(frozen=True)
class FileOptions:
    """What a client knows about a file. A value that is None is detected in the file.

    `delimiter` is comma, semicolon, tab or pipe, as a character or by name. `quote` is one of `dialect.QUOTES`, or its
    name. `encoding` is any name that Python knows. `mapping` has the product field for each column name; a field that
    is None leaves the column out. `header_line` is the line of the header, counted from 1. `sheet` is the name of the
    sheet of a workbook. With `accept_short_rows`, the fields that a short row lacks stay unchanged.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    mapping: FieldByColumn | None = None
    header_line: int | None = None
    sheet: str | None = None
    accept_short_rows: bool = False


class ProductFile:
    """A CSV file and its column mapping. Close it, or use it as a context manager.

    `notices` collects what a person should know about the file. It is complete once all rows have been read.
    """

    def __init__(
        self, file: CsvFile, mapping: FieldByColumn | None, notices: Notices, *, accept_short_rows: bool = False
    ) -> None:
        self._file = file
        self._accept_short_rows = accept_short_rows
        self.notices = notices
        self._given_mapping = mapping
        self._mapping = map_columns(file.header, mapping)

    def __enter__(self) -> ProductFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def header(self) -> Row:
        """The cells of the header."""
        return self._file.header

    @cached_property
    def header_key(self) -> str:
        """The key under which a mapping for this header is saved."""
        return header_key(self.header)

    def propose(self, saved: FieldByColumn) -> None:
        """Use a saved mapping, if the file has all of its columns."""
        self._mapping = map_columns(self.header, self._given_mapping, saved)

    def describe(self) -> dict[str, Any]:
        """Return the format and the columns of the file as JSON for clients.

        The encoding is final once all rows have been read.
        """
        names = column_names(self.header)
        fields = self._mapping.fields
        return {
            **self._file.describe(),
            "columns": [
                {"name": name, "field": field, "samples": samples}
                for name, field, samples in zip(names, fields, self._file.samples, strict=True)
            ],
            "unmapped": [name for name, field in zip(names, fields, strict=True) if field is None],
            "problem": self._mapping.problem,
            "remembered": self._mapping.is_saved,
            "header_key": self.header_key,
        }

    @cached_property
    def validator(self) -> RowValidator:
        """The validator of the rows. Raises `UnusableFile` if there is no SKU column or the mapping does not fit."""
        self._mapping.check()
        return RowValidator(
            self._mapping.fields,
            self._file.dialect,
            guarded=is_guarded(self.header),
            names=column_names(self.header),
            accept_short_rows=self._accept_short_rows,
            notices=self.notices,
        )

    @property
    def copy_options(self) -> sql.Composable:
        """The options of COPY (FORMAT csv) that match the encoded rows."""
        return self._file.copy_options

    def read_chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Yield the rows after the header, at most `chunk_rows` at a time."""
        return self._file.read_chunks(chunk_rows, self.validator.layout, self.notices)


def open_product_file(
    file: Path | StoredFile,
    options: FileOptions,
    *,
    max_record: int,
    max_unpacked_bytes: int,
    tuning: ReaderTuning = DEFAULT_TUNING,
    after_read: AfterRead = ignore_progress,
) -> ProductFile:
    """Open a file, read its header and map its columns.

    `max_record` is in characters. `after_read` is called after each read of the file, with the share of it that has
    been read. Raises `UnusableFile` if the file is not a CSV file, an option is unknown, or a `StoredFile` is missing
    or has changed. Raises `FileNotFoundError` if a `Path` does not exist.
    """
    encoding = None if options.encoding is None else find_encoding(options.encoding)
    source = TextSource(
        file,
        max_unpacked_bytes=max_unpacked_bytes,
        encoding=encoding,
        block_bytes=tuning.block_bytes,
        after_read=after_read,
    )
    try:
        csv_file = CsvFile(
            source,
            delimiter=options.delimiter,
            quote=options.quote,
            count_known_columns=lambda header: count_known_columns(header, options.mapping),
            max_record=max_record,
            tuning=tuning,
        )
        return ProductFile(csv_file, options.mapping, Notices(), accept_short_rows=options.accept_short_rows)
    except BaseException:
        source.close()
        raise
