"""A rejected row counts as one without a readable SKU if its SKU is cut off, damaged or an error of a spreadsheet."""

from __future__ import annotations

import pytest

from importer.columns.rejected_skus import read_skus
from importer.files.dialect import Dialect
from importer.files.rows import Reject


@pytest.mark.parametrize(
    ("code", "row", "sku_index", "skus"),
    [
        ("row_too_long", "Lamp,long…", 1, ["Lamp", "long…", ""]),
        ("row_too_long", "A-1,long…", 0, ["A-1", "long…"]),
        ("nul", "Lamp,A\ufffd-1", 1, ["Lamp", "A\ufffd-1", ""]),
        ("nul", "Lamp\0,A-1", 1, ["Lamp\0", "A-1"]),
        ("invalid_encoding", "Lamp,Š-1", 1, ["Š-1", ""]),
        ("invalid_encoding", "Läm,A-1", 1, ["A-1"]),
        ("spreadsheet_error", "Lamp,#N/A", 1, ["#N/A", ""]),
        ("spreadsheet_error", "#N/A,A-1", 1, ["A-1"]),
    ],
)
def test_a_damaged_sku_is_no_readable_one(code: str, row: str, sku_index: int, skus: list[str]) -> None:
    reject = Reject(2, code, "It is wrong.", row)
    assert list(read_skus([reject], Dialect(), sku_index=sku_index, guarded=False)) == skus
