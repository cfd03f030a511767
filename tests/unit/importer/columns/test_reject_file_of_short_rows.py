"""No cell of the columns that a reject file adds becomes a value of a product."""

from __future__ import annotations

import csv
import io

import pytest

from importer.columns.product_file import FileOptions
from importer.columns.reject_file import encode_reject_file
from importer.files.dialect import Dialect
from support.files import read_file

HEADER = ["sku", "name", "description"]
CONTENT = b'sku,name,description\nA1\nA2,Bolt\n"A"3,Nut,x\nA4,Pin,x,y\n'


def encode_rejects_of(content: bytes) -> str:
    file = read_file(content)
    assert [reject.line for reject in file.rejects] == [2, 3, 4, 5]
    return b"".join(encode_reject_file(HEADER, Dialect(), [file.rejects])).decode()


@pytest.mark.parametrize("accept_short_rows", [False, True])
def test_an_unchanged_reject_file_is_rejected_also_if_short_rows_are_accepted(accept_short_rows: bool) -> None:
    again = read_file(encode_rejects_of(CONTENT).encode(), FileOptions(accept_short_rows=accept_short_rows))
    assert again.rows == []
    assert [reject.code for reject in again.rejects] == ["wrong_field_count"] * 4


def test_an_unchanged_reject_file_is_rejected_after_a_spreadsheet_has_filled_up_its_rows() -> None:
    # Spreadsheets make all rows as wide as the widest one, also the header.
    rows = list(csv.reader(io.StringIO(encode_rejects_of(CONTENT))))
    width = max(map(len, rows))
    out = io.StringIO()
    csv.writer(out).writerows([*row, *[""] * (width - len(row))] for row in rows)
    again = read_file(out.getvalue().encode())
    assert again.rows == []
    assert [reject.code for reject in again.rejects] == ["wrong_field_count"] * 4


def test_a_corrected_row_of_a_file_that_accepts_short_rows_is_imported() -> None:
    corrected = encode_rejects_of(CONTENT).replace("A2,Bolt", "A2,Bolt,x").replace("A4,Pin,x,y", "A4,Pin,x")
    again = read_file((corrected + "A5,Nut\r\n").encode(), FileOptions(accept_short_rows=True))
    assert again.rows == [("A2", "Bolt", "x"), ("A4", "Pin", "x"), ("A5", "Nut", "")]
    assert [reject.line for reject in again.rejects] == [2, 4]
