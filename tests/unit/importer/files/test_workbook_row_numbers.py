"""Whatever tells a line of a workbook means the row of the sheet, also below values with line breaks."""

from __future__ import annotations

import pytest

from importer.columns.product_file import FileOptions
from support.files import read_file
from support.workbooks import create_xlsx

ROWS: list[list[str | None]] = [
    ["Prices\nof\n2026", None],
    ["All in euros\n", None],
    ["sku", "name"],
    ["Artikelnummer", "Bezeichnung"],
    ["A1", "two\nlines"],
    ["A2", "Nut\nA3,Pin\nA4,Bolt"],
    [None, "no SKU"],
]


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize("use_fast_path", [True, False])
def test_notices_and_rejects_tell_the_rows_of_the_sheet(use_fast_path: bool, block: int) -> None:
    file = read_file(create_xlsx({"Products": ROWS}), block=block, use_fast_path=use_fast_path)
    notices = {notice["code"]: notice for notice in file.notices}
    assert (file.lines, file.reject_codes) == ([5, 6], [(7, "missing_sku")])
    assert notices["rows_inside_a_value"]["lines"] == [6]
    assert notices["repeated_header"]["lines"] == [4]
    assert notices["lines_above_header"]["lines"] == [1, 2]
    assert notices["lines_above_header"]["message"].startswith("The header is on line 3;")


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_the_line_of_the_header_is_the_row_of_the_sheet(block: int) -> None:
    file = read_file(create_xlsx({"Products": ROWS}), FileOptions(header_line=4), block=block)
    assert (file.fields, file.rows[0], file.lines) == (["sku", "name"], ("A1", "two\nlines"), [5, 6])
    assert file.reject_codes == [(7, "missing_sku")]
