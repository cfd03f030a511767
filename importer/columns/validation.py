"""Validates the values of rows: valid rows go to COPY, the others become rejects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import compress, repeat
from pathlib import Path
from typing import NamedTuple

from importer.columns.formula_guard import remove_guard
from importer.files.dialect import Dialect
from importer.files.fast_path import Layout
from importer.files.rows import (
    SURROGATE,
    Reject,
    Row,
    RowChunk,
    count_fields,
    has_content,
    has_width,
    make_all_printable,
    make_printable,
)
from importer.notices import MAX_LINES, Notices
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

    `names` are the names of the columns in the file; without them, the fields stand for the columns. `fields` are the
    product fields that the file has, in the order of its columns. `guarded` says that its texts have a formula guard,
    which is removed. With `accept_short_rows`, rows may lack their last cells, which then are NULL for COPY. Without
    it, `notices` gets the notice `short_rows`.
    """

    def __init__(
        self,
        columns: Sequence[str | None],
        dialect: Dialect,
        *,
        guarded: bool = False,
        names: Sequence[str] | None = None,
        accept_short_rows: bool = False,
        notices: Notices | None = None,
    ) -> None:
        self.dialect = dialect
        self.guarded = guarded
        self._accept_short_rows = accept_short_rows
        self._notices = notices or Notices()
        self.width = len(columns)
        self._indexes = {field: index for index, field in enumerate(columns) if field is not None}
        self.fields = list(self._indexes)
        self._names = {field: names[index] if names else field for field, index in self._indexes.items()}

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
        )

    def encode_rows(self, chunk: RowChunk) -> tuple[bytes, int]:
        """Return the valid rows in the format of COPY (FORMAT csv), and their number. Add the others to the rejects.

        A row has the values of `fields`; SKUs are trimmed. Rows of empty cells are left out, surplus empty cells
        dropped. If `chunk.has_short_rows` is set, empty values without quotes are NULL. `chunk.valid` says which rows
        the payload has. The work is done on whole columns, for speed.
        """
        if chunk.clean is not None:
            return chunk.clean.payload, chunk.clean.rows
        rows = chunk.rows
        if not rows:
            return b"", 0
        # The numbers of the rows in the chunk that have the right width.
        complete: Sequence[int] = range(len(rows))
        reasons: dict[int, Reason] = {}
        if set(map(len, rows)) != {self.width}:
            rows, complete, reasons = self._fit_widths(chunk)
        payload, valid_rows = b"", len(rows)
        if rows:
            columns = list(zip(*rows, strict=True))
            values = {field: columns[index] for field, index in self._indexes.items()}
            if self.guarded:
                values = {field: remove_guard(column) for field, column in values.items()}
            values["sku"] = tuple(map(str.strip, values["sku"]))
            if not all(values["sku"]):
                is_row = [bool(sku) or has_content(row) for sku, row in zip(values["sku"], rows, strict=True)]
                complete = list(compress(complete, is_row))
                values = {field: tuple(compress(column, is_row)) for field, column in values.items()}
                valid_rows = len(complete)
            if problems := _find_problems(values):
                reasons.update((complete[number], reason) for number, reason in problems.items())
                is_valid = [number not in problems for number in range(valid_rows)]
                complete = list(compress(complete, is_valid))
                values = {field: tuple(compress(column, is_valid)) for field, column in values.items()}
                valid_rows -= len(problems)
            if valid_rows:
                widths = [len(chunk.rows[number]) for number in complete] if chunk.has_short_rows else None
                payload = self._encode(values, widths)
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
        return payload, valid_rows

    def _find_cause(self, row: Row, reason: Reason) -> tuple[str | None, str | None]:
        """Return the column and the value of a rejected row that are to blame, if the reason is about them."""
        if reason.field is None:
            return None, None
        column = self._names[reason.field]
        if not reason.is_about_value:
            return column, None
        return column, make_printable(row[self._indexes[reason.field]].strip()[:VALUE_MAX_CHARACTERS])

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
                    sentence = f"The row has {count_fields(len(row))} where the header has {count_fields(width)}."
                    reasons[number] = Reason("wrong_field_count", sentence)
                    continue
                row = [*row, *[""] * (width - len(row))][:width]
            rows.append(row)
            numbers.append(number)
        if self._accept_short_rows:
            chunk.has_short_rows = bool(short)
        elif short:
            lines, raws = chunk.positions()
            first = short[:MAX_LINES]
            samples = [{"text": row} for row in make_all_printable([raws[number] for number in first])]
            self._notices.add(
                "short_rows", count=len(short), lines=[lines[number] for number in first], samples=samples
            )
        return rows, numbers, reasons

    def _encode(self, values: Mapping[str, Sequence[str]], widths: Sequence[int] | None) -> bytes:
        """Encode values for COPY. If the `widths` of the rows are given, cells beyond them are NULL."""
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
            return ("\n".join(map(delimiter.join, rows)) + "\n").encode()
        # Quoting every field is simpler than finding out which fields need it.
        between = f"{quote}{delimiter}{quote}"
        text = f"{quote}\n{quote}".join(map(between.join, rows))
        return f"{quote}{text}{quote}\n".encode()


def _find_problems(values: Mapping[str, Sequence[str]]) -> dict[int, Reason]:
    """Return the reasons to reject rows by row number. A later check overwrites the reason of an earlier one."""
    problems: dict[int, Reason] = {}
    if not values["sku"]:
        return problems
    if "active" in values:
        words = map(ACTIVE_WORDS.get, map(str.lower, map(str.strip, values["active"])), repeat("?"))
        sentence = "The column active must be true or false (also yes, no, 1, 0) or empty."
        reason = Reason("invalid_active", sentence, "active", is_about_value=True)
        problems.update((number, reason) for number, word in enumerate(words) if word == "?")
    if "name" in values:
        _check_length(problems, "name", values["name"], NAME_MAX_CHARACTERS)
    _check_length(problems, "sku", values["sku"], SKU_MAX_CHARACTERS)
    if not all(values["sku"]):
        missing = Reason("missing_sku", "The row has no SKU.", "sku")
        problems.update((number, missing) for number, sku in enumerate(values["sku"]) if not sku)
    for field, column in reversed(list(values.items())):
        try:
            "".join(column).encode()
        except UnicodeEncodeError:
            shown = _display_name(field)
            sentence = f"The {shown} has bytes that are not text in the encoding of the file."
            reason = Reason("invalid_encoding", sentence, field)
            problems.update((number, reason) for number, value in enumerate(column) if SURROGATE.search(value))
    return problems


def _display_name(field: str) -> str:
    return "SKU" if field == "sku" else field


def _check_length(problems: dict[int, Reason], field: str, column: Sequence[str], max_characters: int) -> None:
    lengths = list(map(len, column))
    if max(lengths) <= max_characters:
        return
    shown = _display_name(field)
    for number, length in enumerate(lengths):
        if length > max_characters:
            sentence = f"The {shown} has {length:,} characters; at most {max_characters} are allowed."
            problems[number] = Reason(f"{field}_too_long", sentence, field)
