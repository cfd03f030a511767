"""Finds rows that repeat the header, as files that were joined from several exports have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from importer.columns.column_mapping import (
    FIELDS,
    HEADER_NAMES,
    ColumnMapping,
    describe_names,
    map_columns,
    normalise,
    shorten_names,
)
from importer.errors import FailureKind, UnusableFile
from importer.files.cells import Row
from importer.files.fast_path import COPY_BOOLEANS
from importer.files.header_search import MAX_COLUMNS
from importer.files.rows import make_printable

# A row that names fewer fields may be a product.
MIN_KNOWN_COLUMNS = 2


def _describe_other_header(
    line: int, columns: list[str], more: int, header_columns: list[str], header_more: int
) -> str:
    return (
        f"Another header is on line {line:,}, with the columns {describe_names(columns, more)} instead of"
        f" {describe_names(header_columns, header_more)}. Split the file above that line, and import the parts one by"
        " one."
    )


OTHER_HEADER = FailureKind("other_header", _describe_other_header)


class HeaderRows:
    """Finds the rows of a file that repeat its `header`. `sku` and `active` are the indexes of these columns.

    A row is only examined if its SKU is one of `names`. A row that says whether its product is active is no header; the
    fast path relies on it.
    """

    def __init__(self, header: Row, sku: int, active: int | None = None) -> None:
        self._sku = sku
        self._active = active
        self._key = _normalise_all(header)
        self._fields = _fields_by_name(header)
        self._shown = shorten_names(header)
        cells = {cell.strip() for cell in (*header, *FIELDS)} - {""} if header else set()
        self.names = frozenset(
            variant for cell in cells for variant in (cell, cell.lower(), cell.upper(), cell.capitalize())
        )

    def find(self, rows: Sequence[Row], lines: Callable[[], Sequence[int]]) -> list[int]:
        """Return the indexes of the rows that repeat the header.

        `lines()` returns the line of each row. Raises `UnusableFile` if a row is a header with other columns, because
        the rows after it cannot be read with this one.
        """
        try:
            skus = list(map(itemgetter(self._sku), rows))
        except IndexError:
            skus = [row[self._sku] if len(row) > self._sku else "" for row in rows]
        if self.names.isdisjoint(map(str.strip, skus)):
            return []
        found = []
        for index, sku in enumerate(skus):
            if sku.strip() in self.names and len(rows[index]) <= MAX_COLUMNS and not self._has_boolean(rows[index]):
                if self._is_repeated(rows[index]):
                    found.append(index)
                elif self._is_other(rows[index]):
                    columns, more = shorten_names(rows[index])
                    header_columns, header_more = self._shown
                    raise UnusableFile(
                        OTHER_HEADER,
                        line=lines()[index],
                        columns=columns,
                        more=more,
                        header_columns=header_columns,
                        header_more=header_more,
                    )
        return found

    def _has_boolean(self, row: Row) -> bool:
        if self._active is None or len(row) <= self._active:
            return False
        word = row[self._active].strip().lower()
        return word != "" and word in COPY_BOOLEANS and word not in self.names

    def _is_repeated(self, row: Row) -> bool:
        return _normalise_all(row) == self._key or (
            len(row) == len(self._fields)
            and _fields_by_name(row) == self._fields
            and _count_known(self._fields) >= MIN_KNOWN_COLUMNS
        )

    def _is_other(self, row: Row) -> bool:
        fields = _fields_by_name(row)
        return "sku" in fields and _count_known(fields) >= MIN_KNOWN_COLUMNS


def is_second_header(row: Row, mapping: ColumnMapping) -> bool:
    """Return whether the first row below a header names the same fields again, as in another language.

    A row is no header if it names the SKU column only: there may be a product with such a SKU.
    """
    cells = zip(row, mapping.fields, strict=False)
    named = [(normalise(cell), field) for cell, field in cells if field is not None and cell.strip()]
    return (
        len(row) == len(mapping.fields)
        and len(named) >= MIN_KNOWN_COLUMNS
        and all(name in HEADER_NAMES[field] for name, field in named)
        and "sku" in {field for _, field in named}
    )


def _normalise_all(row: Row) -> list[str]:
    names = [normalise(make_printable(cell)) for cell in row]
    while names and not names[-1]:
        del names[-1]
    return names


def _fields_by_name(row: Row) -> list[str | None]:
    return map_columns(row).fields


def _count_known(fields: Sequence[str | None]) -> int:
    return len(fields) - fields.count(None)
