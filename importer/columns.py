"""The file's columns: which of ours each one is, and whether a row's values can be taken."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from importer.clean import Layout
from importer.errors import UnusableFile
from importer.parser import Records, Reject, Row, as_csv, visible

# The columns that products have.
FIELDS = ("sku", "name", "description", "active")
SKU_MAX_CHARACTERS = 255
NAME_MAX_CHARACTERS = 500
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "pipes"}
SHOWN_COLUMNS = 8

# COPY takes "" as "not given" here.
ACTIVE_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1", "active"), "t"),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0", "inactive"), "f"),
    "": "",
}


class Columns:
    """Where in a row our fields are. Raises `UnusableFile` when the header does not allow an import."""

    def __init__(self, header: Row) -> None:
        names = [visible(cell).strip().lower() for cell in header]
        for field in FIELDS:
            if names.count(field) > 1:
                raise UnusableFile(f"The file has {names.count(field)} columns named `{field}`. Keep one of them.")
        if "sku" not in names:
            raise UnusableFile(_no_sku_sentence(header, names))
        self.width = len(names)
        self.fields = [name for name in names if name in FIELDS]
        self._positions = [names.index(field) for field in self.fields]

    @property
    def layout(self) -> Layout | None:
        """What the short cut for clean files needs to know; None where a column of the file is not ours."""
        if len(self.fields) != self.width:
            return None
        places = dict(zip(self.fields, self._positions, strict=True))
        return Layout(
            width=self.width,
            sku=places["sku"],
            name=places.get("name"),
            active=places.get("active"),
            sku_max=SKU_MAX_CHARACTERS,
            name_max=NAME_MAX_CHARACTERS,
        )

    def copy_rows(self, records: Records) -> tuple[bytes, int]:
        """Returns the good rows as COPY (FORMAT csv) reads them, and how many they are; adds the bad to the rejects.

        Each row is the values of `fields`, SKUs trimmed. Rows without any content are no records and vanish.
        """
        if records.clean is not None:
            return records.clean.payload, records.clean.rows
        copied = self._copy_all(records.rows)
        if copied is not None:
            return copied, len(records.rows)
        good: list[Row] = []
        for line, row in zip(records.lines(), records.rows, strict=True):
            if not row or (len(row) == 1 < self.width and not row[0].strip()):
                continue
            problem = self._problem(row)
            if problem is None:
                good.append(row)
            else:
                records.rejects.append(Reject(line, *problem, visible(as_csv(row))))
        return self._copy_all(good) or b"", len(good)

    def _copy_all(self, rows: list[Row]) -> bytes | None:
        """The same for rows that are all good; None when one is not. Works on whole columns, for speed."""
        if not rows or set(map(len, rows)) != {self.width}:
            return None
        columns = list(zip(*rows, strict=True))
        values: list[Sequence[str]] = []
        for field, position in zip(self.fields, self._positions, strict=True):
            column: Sequence[str] = columns[position]
            if field == "sku":
                column = list(map(str.strip, column))
                if not all(column) or max(map(len, column)) > SKU_MAX_CHARACTERS:
                    return None
            elif field == "name" and max(map(len, column)) > NAME_MAX_CHARACTERS:
                return None
            elif field == "active":
                column = list(map(ACTIVE_WORDS.get, map(str.lower, map(str.strip, column)), repeat("?")))
                if "?" in column:
                    return None
            if '"' in "".join(column):
                column = [value.replace('"', '""') for value in column]
            values.append(column)
        # Every field is quoted, which is simpler than finding out which of them needs it.
        text = '"\n"'.join(map('","'.join, zip(*values, strict=True)))
        try:
            return f'"{text}"\n'.encode()
        except UnicodeEncodeError:
            return None

    def _problem(self, row: Row) -> tuple[str, str] | None:
        """The reason code and the sentence for a row that cannot be taken; None for a good one."""
        if len(row) != self.width:
            return "wrong_field_count", f"The row has {_fields(len(row))} where the header has {_fields(self.width)}."
        values = dict(zip(self.fields, (row[position] for position in self._positions), strict=True))
        for field, value in values.items():
            try:
                value.encode()
            except UnicodeEncodeError:
                return "invalid_encoding", f"The {field} is not UTF-8 text. Save the file as UTF-8."
        sku = values["sku"].strip()
        if not sku:
            return "missing_sku", "The row has no SKU."
        if len(sku) > SKU_MAX_CHARACTERS:
            return "sku_too_long", f"The SKU has {len(sku)} characters; at most {SKU_MAX_CHARACTERS} are allowed."
        if len(values.get("name", "")) > NAME_MAX_CHARACTERS:
            return (
                "name_too_long",
                f"The name has {len(values['name']):,} characters; at most {NAME_MAX_CHARACTERS} are allowed.",
            )
        if values.get("active", "").strip().lower() not in ACTIVE_WORDS:
            return "invalid_active", "The column active takes true or false (also yes, no, 1, 0) or nothing."
        return None


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count:,} fields"


def _no_sku_sentence(header: Row, names: list[str]) -> str:
    line = header[0] if len(header) == 1 else ""
    for delimiter, word in OTHER_DELIMITERS.items():
        if "sku" in [cell.strip().lower() for cell in line.split(delimiter)] and delimiter in line:
            return f"The columns of the file are separated by {word}. Save it with commas and upload it again."
    shown = ", ".join(name[:40] or "(empty)" for name in names[:SHOWN_COLUMNS])
    more = f" and {len(names) - SHOWN_COLUMNS:,} more" if len(names) > SHOWN_COLUMNS else ""
    return f"The file has no column `sku`. Its columns are: {shown}{more}. Name the one that holds the SKUs `sku`."
