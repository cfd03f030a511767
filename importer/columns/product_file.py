"""A product file: an open CSV file whose columns are mapped to product fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg2 import sql

from importer.columns.column_mapping import (
    ColumnMapping,
    FieldByColumn,
    column_names,
    header_key,
    map_columns,
    rate_header,
    shorten,
)
from importer.columns.formula_guard import is_guarded
from importer.columns.header_rows import is_second_header
from importer.columns.row_fixer import RowFixer
from importer.columns.validation import ACTIVE_WORDS, RowValidator
from importer.columns.values import take_text
from importer.files.cells import Row
from importer.files.compression import AfterRead, ignore_progress
from importer.files.csv_file import CsvFile
from importer.files.encoding_names import find_encoding
from importer.files.fixes import Fixes
from importer.files.rows import RowChunk, make_printable
from importer.files.stored_file import StoredFile
from importer.files.text_source import TextSource
from importer.files.tuning import DEFAULT_TUNING, ReaderTuning
from importer.files.workbook.workbook_file import DEFAULT_WORKBOOK_LIMITS, SheetChoice, WorkbookLimits
from importer.notices import Fix, Notices

MAX_RATED_ROWS = 128
NO_FIXES = Fixes()


@dataclass(frozen=True)
class FileOptions:
    """What a client knows about a file. A value that is None is detected in the file.

    `delimiter` is a character, or comma, semicolon, tab or pipe; see `dialect.find_delimiter`. `quote` is one of
    `dialect.QUOTES`, or its name. `encoding` is any name that Python knows. `mapping` has the product field for each
    column name; a field that is None leaves the column out. `header_line` is the line of the header, counted from 1.
    `sheet` is the name of the sheet of a workbook. With `accept_short_rows`, the fields that a short row lacks stay
    unchanged. `fixes` are made in the rows.
    """

    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    mapping: FieldByColumn | None = None
    header_line: int | None = None
    sheet: str | None = None
    accept_short_rows: bool = False
    fixes: Fixes = NO_FIXES


class ProductFile:
    """A CSV file and its column mapping. Close it, or use it as a context manager.

    `notices` collects what a person should know about the file. It is complete once all rows have been read.
    """

    def __init__(self, file: CsvFile, options: FileOptions, notices: Notices) -> None:
        self._file = file
        self.notices = notices
        self._options = options
        self._mapping, self._unfit = self._map_columns(None)
        if file.first_row is not None and is_second_header(file.first_row, self._mapping):
            sample = {"text": self._file.dialect.delimiter.join(map(make_printable, file.first_row))}
            notices.add("repeated_header", lines=[file.skip_first_row()], samples=[sample])
            self._mapping, self._unfit = self._map_columns(None)

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
        self._mapping, self._unfit = self._map_columns(saved)

    def _map_columns(self, saved: FieldByColumn | None) -> tuple[ColumnMapping, list[int]]:
        """Map the columns. Return besides which columns are left out because their values are no booleans.

        Only columns whose names are similar to `active` are left out. Others are what the client says that they are.
        """
        unfit: list[int] = []
        while True:
            mapping = map_columns(
                self.header,
                self._options.mapping,
                saved,
                unfit=unfit,
                separator=self._file.better_separator,
                line=self._options.header_line,
            )
            column = mapping.fields.index("active") if "active" in mapping.fields else None
            if column not in mapping.guessed or _are_booleans(self._file.values(column)):
                return mapping, unfit
            unfit.append(column)

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
            "problem": str(self._mapping.problem) if self._mapping.problem else None,
            "remembered": self._mapping.is_saved,
            "header_key": self.header_key,
        }

    @cached_property
    def validator(self) -> RowValidator:
        """The validator of the rows. Raises `UnusableFile` if there is no SKU column or the mapping does not fit."""
        self._mapping.check()
        if self._unfit:
            self._notice_left_out_columns()
        return RowValidator(
            self._mapping.fields,
            self._file.dialect,
            header=self.header,
            guarded=is_guarded(self.header),
            accept_short_rows=self._options.accept_short_rows,
            notices=self.notices,
        )

    def _notice_left_out_columns(self) -> None:
        names = column_names(self.header)
        columns = [names[index] for index in self._unfit]
        values = [value for index in self._unfit for value in dict.fromkeys(self._file.values(index))]
        mapping = {**(self._options.mapping or {}), columns[0]: "active"}
        self.notices.add(
            "column_left_out",
            count=len(columns),
            samples=[{"text": make_printable(value)} for value in values],
            fix=Fix(f"Use “{columns[0]}” as active", {"mapping": mapping}),
            columns="`, `".join(columns),
            value=shorten(values[0]),
        )

    @property
    def copy_options(self) -> sql.Composable:
        """The options of COPY (FORMAT csv) that match the encoded rows."""
        return self._file.copy_options

    def read_chunks(self, chunk_rows: int) -> Iterator[RowChunk]:
        """Yield the rows after the header with their fixes, at most `chunk_rows` and the number of fixes at a time."""
        chunks = self._file.read_chunks(chunk_rows, self.validator.layout, self.notices, self.validator.min_cells)
        if fixes := self._options.fixes:
            fixer = RowFixer(fixes, header=self.header, dialect=self._file.dialect, notices=self.notices)
            chunks = fixer.fix(chunks)
        yield from chunks
        self._file.add_rewritten_skus(self._mapping.fields.index("sku"), self.notices)


def _are_booleans(values: Sequence[str]) -> bool:
    """Return whether at least half of the values of a column say whether products are active."""
    booleans = sum(take_text(value).strip().lower() in ACTIVE_WORDS for value in values)
    return 2 * booleans >= len(values)


def open_product_file(
    file: Path | StoredFile,
    options: FileOptions,
    *,
    max_record: int,
    max_unpacked_bytes: int,
    tuning: ReaderTuning = DEFAULT_TUNING,
    after_read: AfterRead = ignore_progress,
    workbook_limits: WorkbookLimits = DEFAULT_WORKBOOK_LIMITS,
) -> ProductFile:
    """Open a file, read its header and map its columns.

    `max_record` is in characters. `after_read` is called after each read of the file, with the share of it that has
    been read. Raises `UnusableFile` if the file is not a file of rows, an option is unknown, or a `StoredFile` is
    missing or has changed. Raises `FileNotFoundError` if a `Path` does not exist.
    """
    encoding = None if options.encoding is None else find_encoding(options.encoding)
    notices = Notices()
    source = TextSource(
        file,
        max_unpacked_bytes=max_unpacked_bytes,
        notices=notices,
        encoding=encoding,
        block_bytes=tuning.block_bytes,
        after_read=after_read,
        sheet=SheetChoice(
            options.sheet, lambda row: rate_header(row, options.mapping).has_sku, workbook_limits, notices
        ),
    )
    # The same rows are rated for each delimiter, and again to find the header.
    rate = lru_cache(MAX_RATED_ROWS)(lambda cells: rate_header(list(cells), options.mapping))
    try:
        csv_file = CsvFile(
            source,
            delimiter=options.delimiter,
            quote=options.quote,
            header_line=options.header_line,
            rate_header=lambda header: rate(tuple(header)),
            max_record=max_record,
            notices=notices,
            tuning=tuning,
        )
        return ProductFile(csv_file, options, notices)
    except BaseException:
        source.close()
        raise
