"""Whether the values of rows can be taken: the good ones for COPY, the others for the list of rejects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import compress, repeat
from pathlib import Path

from importer.columns.column_mapping import FIELDS, match
from importer.files.dialect import Dialect
from importer.files.fast_path import Layout
from importer.files.rows import SURROGATE, Records, Reject, Row, all_visible

SKU_MAX_CHARACTERS = 255
NAME_MAX_CHARACTERS = 500

# What COPY takes as a boolean, by the words that files have for it; "" is "not given".
ACTIVE_WORDS: Mapping[str, str] = {
    **{
        word: value
        for value, words in json.loads(Path(__file__).with_name("active_words.json").read_bytes()).items()
        for word in words
    },
    "": "",
}

Reason = tuple[str, str]


class Columns:
    """Where in a row our fields are, and what they may hold.

    `fields` has a field or None for each column of the file; without it they are found by the header's names, and
    `UnusableFile` is raised where the SKU is not among them.
    """

    def __init__(self, header: Row, fields: Sequence[str | None] | None = None, dialect: Dialect | None = None) -> None:
        if fields is None:
            matched = match(header)
            matched.check()
            fields = matched.fields
        self.dialect = dialect or Dialect()
        self.width = len(header)
        self._places = {field: place for place, field in enumerate(fields) if field is not None}
        self.fields = list(self._places)

    @property
    def layout(self) -> Layout | None:
        """What the short cut for clean files needs to know; None where a column of the file is not ours."""
        if len(self.fields) != self.width:
            return None
        return Layout(
            width=self.width,
            sku=self._places["sku"],
            name=self._places.get("name"),
            active=self._places.get("active"),
            sku_max=SKU_MAX_CHARACTERS,
            name_max=NAME_MAX_CHARACTERS,
            delimiter=self.dialect.delimiter,
            quote=self.dialect.copy_quote,
        )

    def copy_rows(self, records: Records) -> tuple[bytes, int]:
        """Returns the good rows as COPY (FORMAT csv) reads them, and how many they are; adds the bad to the rejects.

        Each row is the values of `fields`, SKUs trimmed. Rows without any content are no records and vanish. Works on
        whole columns, for speed.
        """
        if records.clean is not None:
            return records.clean.payload, records.clean.rows
        rows = records.rows
        if not rows:
            return b"", 0
        widths = list(map(len, rows))
        fitting: Sequence[int] = range(len(rows))
        bad: dict[int, Reason] = {}
        if set(widths) != {self.width}:
            fitting, bad = self._check_widths(rows, widths)
            rows = [rows[number] for number in fitting]
        payload, taken = b"", len(rows)
        if rows:
            columns = list(zip(*rows, strict=True))
            values = {field: columns[place] for field, place in self._places.items()}
            values["sku"] = tuple(map(str.strip, values["sku"]))
            if problems := _problems(values):
                bad.update((fitting[number], reason) for number, reason in problems.items())
                good = [number not in problems for number in range(len(rows))]
                values = {field: tuple(compress(column, good)) for field, column in values.items()}
                taken -= len(problems)
            if taken:
                payload = self._as_csv(values)
        if bad:
            lines, raws = records.places()
            numbers = sorted(bad)
            rows_as_they_were = all_visible([raws[number] for number in numbers])
            records.rejects += [
                Reject(lines[number], *bad[number], row) for number, row in zip(numbers, rows_as_they_were, strict=True)
            ]
        return payload, taken

    def _check_widths(self, rows: list[Row], widths: list[int]) -> tuple[list[int], dict[int, Reason]]:
        """Which rows have as many fields as the header, and why others cannot be taken; blank rows are neither."""
        width = self.width
        fitting = [number for number, fields in enumerate(widths) if fields == width]
        sentences = {
            fields: f"The row has {_fields(fields)} where the header has {_fields(width)}." for fields in set(widths)
        }
        bad = {
            number: ("wrong_field_count", sentences[fields])
            for number, fields in enumerate(widths)
            if fields != width and fields and (fields > 1 or rows[number][0].strip())
        }
        return fitting, bad

    def _as_csv(self, values: Mapping[str, Sequence[str]]) -> bytes:
        delimiter, quote = self.dialect.delimiter, self.dialect.copy_quote
        columns: list[Sequence[str]] = []
        for field, column in values.items():
            if field == "active":
                column = list(map(ACTIVE_WORDS.__getitem__, map(str.lower, map(str.strip, column))))
            elif quote in "".join(column):
                column = [value.replace(quote, quote + quote) for value in column]
            columns.append(column)
        # Every field is quoted, which is simpler than finding out which of them needs it.
        between = f"{quote}{delimiter}{quote}"
        text = f"{quote}\n{quote}".join(map(between.join, zip(*columns, strict=True)))
        return f"{quote}{text}{quote}\n".encode()


def _problems(values: Mapping[str, Sequence[str]]) -> dict[int, Reason]:
    """Why rows cannot be taken, by their number, in the order of what is looked at last: the first reason counts."""
    problems: dict[int, Reason] = {}
    if "active" in values:
        words = map(ACTIVE_WORDS.get, map(str.lower, map(str.strip, values["active"])), repeat("?"))
        reason = "invalid_active", "The column active takes true or false (also yes, no, 1, 0) or nothing."
        problems.update((number, reason) for number, word in enumerate(words) if word == "?")
    if "name" in values:
        _check_length(problems, "name", values["name"], NAME_MAX_CHARACTERS)
    _check_length(problems, "sku", values["sku"], SKU_MAX_CHARACTERS)
    if not all(values["sku"]):
        missing = "missing_sku", "The row has no SKU."
        problems.update((number, missing) for number, sku in enumerate(values["sku"]) if not sku)
    for field, column in reversed(list(values.items())):
        try:
            "".join(column).encode()
        except UnicodeEncodeError:
            reason = "invalid_encoding", f"The {field} has bytes that are no text in the encoding of the file."
            problems.update((number, reason) for number, value in enumerate(column) if SURROGATE.search(value))
    return problems


def _check_length(problems: dict[int, Reason], field: str, column: Sequence[str], most: int) -> None:
    lengths = list(map(len, column))
    if max(lengths) <= most:
        return
    shown = "SKU" if field == "sku" else field
    for number, length in enumerate(lengths):
        if length > most:
            sentence = f"The {shown} has {length:,} characters; at most {most} are allowed."
            problems[number] = f"{field}_too_long", sentence


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count:,} fields"


__all__ = ["FIELDS", "NAME_MAX_CHARACTERS", "SKU_MAX_CHARACTERS", "Columns"]
