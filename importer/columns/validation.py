"""Validates the values of rows: valid rows go to COPY, the others become rejects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress, repeat
from pathlib import Path
from typing import Any, NamedTuple

from importer.columns.column_mapping import column_names, named_width, shorten, width_without_reject_columns
from importer.columns.formula_guard import remove_guard
from importer.columns.header_rows import HeaderRows
from importer.columns.reject_file import find_own_width
from importer.columns.rejected_skus import WRONG_WIDTH_CODE, read_skus
from importer.columns.values import repair_values
from importer.files.cells import Row, has_content, has_width
from importer.files.dialect import Dialect
from importer.files.fast_path import Layout
from importer.files.reject_messages import (
    EMPTY_SKU_COLUMN,
    INVALID_ACTIVE,
    INVALID_ENCODING,
    MISSING_SKU,
    SPREADSHEET_ERROR,
    TOO_LONG,
    WRONG_FIELD_COUNT,
    RejectMessage,
)
from importer.files.rewritten_skus import find_rewritten
from importer.files.rows import SURROGATE, Reject, RowChunk, RowPositions, make_all_printable, make_printable
from importer.files.spreadsheet_errors import ERRORS, may_have_error
from importer.notices import MAX_LINES, MAX_SAMPLES, Fix, Notices
from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS

# The boolean for COPY by the word in the file. An empty cell means that the value is not given.
ACTIVE_WORDS: Mapping[str, str] = {
    **{
        word: value
        for value, words in json.loads(Path(__file__).with_name("active_words.json").read_bytes()).items()
        for word in words
    },
    "": "",
}

# Longer values are shortened beside a reject.
VALUE_MAX_CHARACTERS = 200


class Reason(NamedTuple):
    """Why a row is rejected: a code and a sentence, and the field that is to blame if it is one.

    `is_about_value` says that other values of the field would be valid, so that rows with the same value go together.
    """

    code: str
    message: str
    field: str | None = None
    is_about_value: bool = False


class RowValidator:
    """Validates the rows of a file. `columns` has the product field of each column, or None to leave it out.

    `fields` are the product fields that the file has, in the order of its columns. `guarded` says that its texts have a
    formula guard, which is removed. `header` has the cells of the header, the fields by default. With
    `accept_short_rows`, rows may lack their last cells, which then are NULL for COPY. What is repaired, doubtful or
    left out is added to `notices`.
    """

    def __init__(
        self,
        columns: Sequence[str | None],
        dialect: Dialect,
        *,
        header: Row | None = None,
        guarded: bool = False,
        accept_short_rows: bool = False,
        notices: Notices | None = None,
    ) -> None:
        self.notices = notices or Notices()
        self.dialect = dialect
        self.guarded = guarded
        self._accept_short_rows = accept_short_rows
        self._indexes = {field: index for index, field in enumerate(columns) if field is not None}
        self.fields = list(self._indexes)
        header = header or [field or "" for field in columns]
        self.width = max(named_width(header), 1 + max(self._indexes.values()))
        # The number of columns of the imported file, if this is the file of its rejected rows.
        kept = width_without_reject_columns(header)
        self._kept = kept if kept < len(header) else 0
        columns_shown = column_names(header)
        self._shown = {field: columns_shown[index] for field, index in self._indexes.items()}
        self._names = {field: shorten(header[index].strip()) for field, index in self._indexes.items()}
        self._header_rows = HeaderRows(header, self._indexes["sku"], self._indexes.get("active"))

    @property
    def layout(self) -> Layout | None:
        """The layout for the fast path; None if the file has columns that are left out, or texts with a guard."""
        if self.guarded or len(self.fields) != self.width:
            return None
        return Layout(
            width=self.width,
            sku=self._indexes["sku"],
            name=self._indexes.get("name"),
            active=self._indexes.get("active"),
            sku_max=SKU_MAX_CHARACTERS,
            name_max=NAME_MAX_CHARACTERS,
            delimiter=self.dialect.delimiter,
            quote=self.dialect.copy_quote,
            header_names=self._header_rows.names,
        )

    @property
    def min_cells(self) -> int | None:
        """The fewest cells of a row whose last value may have several lines; None if rows must have all cells.

        An SKU of several lines is doubtful, so such a row has further cells.
        """
        return self._indexes["sku"] + 2 if self._accept_short_rows else None

    def encode_rows(self, chunk: RowChunk) -> tuple[bytes, int]:
        """Return the valid rows in the format of COPY (FORMAT csv), and their number. Add the others to the rejects.

        A row has the values of `fields`; SKUs are trimmed. Rows of empty cells and repeated headers are left out,
        surplus empty cells dropped. If `chunk.has_short_rows` is set, empty values without quotes are NULL.
        `chunk.valid` says which rows the payload has. The work is done on whole columns, for speed. Raises
        `UnusableFile` at a row that is another header.
        """
        if chunk.clean is not None:
            return chunk.clean.payload, chunk.clean.rows
        self._leave_out_headers(chunk)
        if chunk.around is not None and self._accept_short_rows and min(map(len, chunk.rows), default=0) < self.width:
            # Beside short rows, empty values of clean rows must be quoted.
            chunk.parse_clean_rows(self.dialect.delimiter, self.dialect.copy_quote)
        encoded, valid_rows = self._encode_valid_rows(chunk)
        if chunk.around is None:
            return "".join(encoded).encode(), valid_rows
        lines = chunk.lines()
        numbers = range(valid_rows) if chunk.valid is None else chunk.valid
        payload = chunk.around.insert([lines[number] for number in numbers], encoded)
        return payload, valid_rows + len(chunk.around.lines)

    def _encode_valid_rows(self, chunk: RowChunk) -> tuple[Sequence[str], int]:
        """Return the valid rows of `chunk.rows` in the format of COPY, and their number. Reject the others."""
        rows = chunk.rows
        if not rows:
            return [], 0
        # The numbers of the rows in the chunk that have the right width.
        complete: Sequence[int] = range(len(rows))
        reasons: dict[int, Reason] = {}
        if self._kept or set(map(len, rows)) != {self.width}:
            rows, complete, reasons = self._fit_widths(chunk)
        encoded: Sequence[str] = []
        valid_rows = len(rows)
        if rows:
            columns = list(zip(*rows, strict=True))
            values: dict[str, Sequence[str]] = {field: columns[index] for field, index in self._indexes.items()}
            if self.guarded:
                values = {field: remove_guard(column) for field, column in values.items()}
            values = self._repair(values, complete, chunk)
            if not all(values["sku"]):
                is_row = [bool(sku) or has_content(row) for sku, row in zip(values["sku"], rows, strict=True)]
                complete = list(compress(complete, is_row))
                values = {field: tuple(compress(column, is_row)) for field, column in values.items()}
                valid_rows = len(complete)
            if problems := self._find_problems(values):
                reasons.update((complete[number], reason) for number, reason in problems.items())
                is_valid = [number not in problems for number in range(valid_rows)]
                complete = list(compress(complete, is_valid))
                values = {field: tuple(compress(column, is_valid)) for field, column in values.items()}
                valid_rows -= len(problems)
            if valid_rows:
                widths = [len(chunk.rows[number]) for number in complete] if chunk.has_short_rows else None
                encoded = self._encode(values, widths)
        if len(complete) < len(chunk.rows):
            chunk.valid = complete
        if reasons:
            lines, raws = chunk.positions()
            numbers = sorted(reasons)
            original_rows = make_all_printable([raws[number] for number in numbers])
            chunk.rejects += [
                Reject(lines[number], *reasons[number][:2], row, *self._find_cause(chunk.rows[number], reasons[number]))
                for number, row in zip(numbers, original_rows, strict=True)
            ]
        return encoded, valid_rows

    def read_rejected_skus(self, chunk: RowChunk) -> Iterator[str]:
        """Return the SKUs that rejected rows may have, and rows within values; see `rejected_skus`."""
        taken_in = [Reject(0, WRONG_WIDTH_CODE, "", make_printable(line)) for line in chunk.taken_in]
        rows = [*chunk.rejects, *taken_in]
        return read_skus(rows, self.dialect, sku_index=self._indexes["sku"], guarded=self.guarded)

    def _find_cause(self, row: Row, reason: Reason) -> tuple[str | None, str | None]:
        """Return the column and the value of a rejected row that are to blame, if the reason is about them."""
        if reason.field is None:
            return None, None
        column = self._shown[reason.field]
        if not reason.is_about_value:
            return column, None
        return column, make_printable(row[self._indexes[reason.field]].strip()[:VALUE_MAX_CHARACTERS])

    def _leave_out_headers(self, chunk: RowChunk) -> None:
        """Remove the rows that repeat the header from a chunk."""
        repeated = self._header_rows.find(chunk.rows, chunk.lines)
        if not repeated:
            return
        lines, raws = chunk.positions()
        self.notices.add(
            "repeated_header",
            count=len(repeated),
            lines=[lines[number] for number in repeated[:MAX_LINES]],
            samples=[{"text": make_printable(raws[number])} for number in repeated[:MAX_SAMPLES]],
        )
        left_out = set(repeated)
        kept = [number not in left_out for number in range(len(chunk.rows))]
        chunk.known_positions = RowPositions(list(compress(lines, kept)), list(compress(raws, kept)))
        chunk.rows = list(compress(chunk.rows, kept))

    def _repair(
        self, values: Mapping[str, Sequence[str]], numbers: Sequence[int], chunk: RowChunk
    ) -> dict[str, Sequence[str]]:
        """Return the columns of rows with repaired values. `numbers` are the numbers of the rows in the chunk."""
        repaired, repairs = repair_values(values, guarded=self.guarded)
        skus = repaired["sku"]
        rewritten = find_rewritten(skus)
        for code, found, samples in (
            ("values_cleaned", [repair.number for repair in repairs], [repair.sample for repair in repairs]),
            (
                "skus_rewritten_by_spreadsheet",
                rewritten,
                [{"text": make_printable(skus[index])} for index in rewritten],
            ),
        ):
            if found:
                lines = chunk.lines()
                places = [lines[numbers[index]] for index in found[:MAX_LINES]]
                self.notices.add(code, count=len(found), lines=places, samples=samples)
        return repaired

    def _fit_widths(self, chunk: RowChunk) -> tuple[list[Row], list[int], dict[int, Reason]]:
        """Return the rows with the width of the header, their numbers, and why others are rejected.

        Surplus cells that are empty are cut off. Blank rows are skipped. Accepted short rows are filled up with empty
        cells.
        """
        width = self.width
        rows: list[Row] = []
        numbers: list[int] = []
        reasons: dict[int, Reason] = {}
        short: list[int] = []
        for number, row in enumerate(chunk.rows):
            if len(row) != width:
                if not has_content(row):
                    continue
                is_short = len(row) < width
                if is_short:
                    short.append(number)
                if not (self._accept_short_rows if is_short else has_width(row, width)):
                    reasons[number] = _wrong_field_count(len(row), width)
                    continue
            if self._kept and (own_width := find_own_width(row, self._kept)) is not None:
                reasons[number] = _wrong_field_count(own_width, self._kept)
                continue
            if len(row) != width:
                row = [*row, *[""] * (width - len(row))][:width]
            rows.append(row)
            numbers.append(number)
        if self._accept_short_rows:
            chunk.has_short_rows = bool(short)
        elif short:
            lines, raws = chunk.positions()
            first = short[:MAX_LINES]
            samples = [{"text": row} for row in make_all_printable([raws[number] for number in first])]
            self.notices.add(
                "short_rows",
                count=len(short),
                lines=[lines[number] for number in first],
                samples=samples,
                fix=Fix("accept_short_rows", {"short_rows": "accept"}),
            )
        return rows, numbers, reasons

    def _find_problems(self, values: Mapping[str, Sequence[str]]) -> dict[int, Reason]:
        """Return the reasons to reject rows by row number. A later check overwrites the reason of an earlier one."""
        problems: dict[int, Reason] = {}
        if not values["sku"]:
            return problems
        if "active" in values:
            words = map(ACTIVE_WORDS.get, map(str.lower, map(str.strip, values["active"])), repeat("?"))
            for number, word in enumerate(words):
                if word == "?":
                    value = values["active"][number]
                    problems[number] = self._blame(INVALID_ACTIVE, "active", value, is_about_value=True)
        if "name" in values:
            self._check_length(problems, "name", values["name"], NAME_MAX_CHARACTERS)
        self._check_length(problems, "sku", values["sku"], SKU_MAX_CHARACTERS)
        if not all(values["sku"]):
            name = self._names["sku"]
            sentence = MISSING_SKU.format() if name.lower() == "sku" else EMPTY_SKU_COLUMN.format(column=name)
            missing = Reason(MISSING_SKU.code, sentence, "sku")
            problems.update((number, missing) for number, sku in enumerate(values["sku"]) if not sku)
        for field, column in reversed(list(values.items())):
            text = "".join(column)
            if may_have_error(text):
                problems.update(self._find_errors(field, column))
            try:
                text.encode()
            except UnicodeEncodeError:
                for number, value in enumerate(column):
                    if SURROGATE.search(value):
                        problems[number] = self._blame(INVALID_ENCODING, field, make_printable(value))
        return problems

    def _find_errors(self, field: str, column: Sequence[str]) -> Iterator[tuple[int, Reason]]:
        for number, value in enumerate(column):
            if value.strip() in ERRORS:
                yield number, self._blame(SPREADSHEET_ERROR, field, value, is_about_value=True)

    def _check_length(
        self, problems: dict[int, Reason], field: str, column: Sequence[str], max_characters: int
    ) -> None:
        lengths = list(map(len, column))
        if max(lengths) <= max_characters:
            return
        for number, length in enumerate(lengths):
            if length > max_characters:
                problems[number] = self._blame(
                    TOO_LONG[field], field, column[number], characters=length, limit=max_characters
                )

    def _blame(
        self, message: RejectMessage, field: str, value: str, *, is_about_value: bool = False, **details: Any
    ) -> Reason:
        """Return a reason that is about a value, with the name of its column as it is in the file."""
        sentence = message.format(column=self._names[field], value=shorten(value.strip()), **details)
        return Reason(message.code, sentence, field, is_about_value)

    def _encode(self, values: Mapping[str, Sequence[str]], widths: Sequence[int] | None) -> list[str]:
        """Encode rows for COPY. If the `widths` of the rows are given, cells beyond them are NULL."""
        delimiter, quote = self.dialect.delimiter, self.dialect.copy_quote
        columns: list[Sequence[str]] = []
        for field, column in values.items():
            if field == "active":
                column = list(map(ACTIVE_WORDS.__getitem__, map(str.lower, map(str.strip, column))))
            elif quote in "".join(column):
                column = [value.replace(quote, quote + quote) for value in column]
            if widths is not None:
                index = self._indexes[field]
                column = [
                    f"{quote}{value}{quote}" if index < width else ""
                    for value, width in zip(column, widths, strict=True)
                ]
            columns.append(column)
        rows = zip(*columns, strict=True)
        if widths is not None:
            return [f"{row}\n" for row in map(delimiter.join, rows)]
        # Quoting every field is simpler than finding out which fields need it.
        between = f"{quote}{delimiter}{quote}"
        return [f"{quote}{row}{quote}\n" for row in map(between.join, rows)]


def _wrong_field_count(found: int, expected: int) -> Reason:
    return Reason(WRONG_FIELD_COUNT.code, WRONG_FIELD_COUNT.format(found=found, expected=expected))
