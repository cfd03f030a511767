"""Workbooks of all kinds: which sheet is read, what its cells become, and what malformed or hostile ones give."""

from __future__ import annotations

import bz2
import datetime
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions, open_product_file
from importer.errors import UnusableFile
from importer.files.workbook.workbook_file import RowNumbers
from support.files import ReadResult, read_file
from support.workbooks import (
    Sheets,
    create_ods,
    create_xls,
    create_xlsb,
    create_xlsx,
    zip_files,
)

HEADER = ["sku", "name", "active"]
ROWS: list[list[Any]] = [HEADER, ["00123", "Bolt", True], [123, "Größe", False], [4006381333931, "x", None]]
READ_ROWS = [("00123", "Bolt", "true"), ("123", "Größe", "false"), ("4006381333931", "x", "")]
KINDS: dict[str, Callable[[Sheets], bytes]] = {
    "xlsx": create_xlsx,
    "xlsb": create_xlsb,
    "xls": create_xls,
    "ods": create_ods,
}
every_kind = pytest.mark.parametrize("create", KINDS.values(), ids=KINDS)


def read_sheet(content: bytes, sheet: str | None = None, **changes: Any) -> ReadResult:
    return read_file(content, FileOptions(sheet=sheet), **changes)


def find_notice(read: ReadResult, code: str) -> dict[str, Any]:
    return next(notice for notice in read.notices if notice["code"] == code)


@every_kind
@pytest.mark.parametrize("use_fast_path", [True, False])
def test_a_sheet_is_read(create: Callable[[Sheets], bytes], use_fast_path: bool) -> None:
    read = read_file(create({"Products": ROWS}), use_fast_path=use_fast_path)
    assert [row[:2] for row in read.rows] == [row[:2] for row in READ_ROWS]
    assert [row[2][:1] for row in read.rows] == ["t", "f", ""]
    assert (read.rejects, read.notices) == ([], [])
    assert (read.description["sheet"], read.description["sheets"]) == ("Products", ["Products"])
    assert (read.description["packing"], read.description["encoding"]) == ("none", "utf-8")


@every_kind
def test_the_first_sheet_with_a_sku_column_is_read(create: Callable[[Sheets], bytes]) -> None:
    sheets = {"About": [["Our prices"], ["of today"]], "Empty": [], "List": ROWS, "Old": [["sku"], ["x"]]}
    read = read_sheet(create(sheets))
    assert (read.rows, read.description["sheet"]) == (READ_ROWS, "List")
    assert read.description["sheets"] == [*sheets]
    notice = find_notice(read, "other_sheets")
    assert notice["count"] == 3
    assert "Only the sheet “List” is imported" in notice["message"]
    assert "“About”, “Empty”, “Old”" in notice["message"]


@every_kind
@pytest.mark.parametrize("name", ["Old", " old "])
def test_the_option_sheet_chooses_a_sheet(create: Callable[[Sheets], bytes], name: str) -> None:
    read = read_sheet(create({"List": ROWS, "Old": [["sku"], ["x"]]}), name)
    assert (read.rows, read.description["sheet"], read.notices) == ([("x",)], "Old", [])


def test_an_unknown_sheet_fails_with_the_names_of_the_sheets() -> None:
    with pytest.raises(UnusableFile, match=r"no sheet “Lost”. Its sheets are: “List”, “Old”. Choose one"):
        read_sheet(create_xlsx({"List": ROWS, "Old": []}), "Lost")
    many = create_xlsx({f"S{number}": [] for number in range(30)})
    with pytest.raises(UnusableFile, match=r"“S18”, “S19” and 10 more"):
        read_sheet(many, "Lost")


def test_the_option_sheet_does_not_matter_for_other_files() -> None:
    assert read_sheet(b"sku\na\n", "Products").rows == [("a",)]


def test_the_format_of_a_text_does_not_matter_for_a_workbook() -> None:
    options = FileOptions(delimiter="semicolon", quote="none", encoding="shift_jis")
    assert read_file(create_xlsx({"Products": ROWS}), options).rows == READ_ROWS


def test_hidden_sheets_and_charts_are_only_read_on_demand() -> None:
    def hide(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].hide()
        workbook.worksheets()[1].activate()
        workbook.worksheets()[1].set_first_sheet()
        chart = workbook.add_chart({"type": "line"})
        chart.add_series({"values": "=Shown!$A$1:$A$2"})
        workbook.add_chartsheet("Chart").set_chart(chart)

    content = create_xlsx({"Hidden": [["sku"], ["h"]], "Shown": ROWS}, hide)
    read = read_sheet(content)
    assert (read.rows, read.notices) == (READ_ROWS, [])
    assert read.description["sheets"] == ["Hidden", "Shown"]
    assert read_sheet(content, "hidden").rows == [("h",)]
    with pytest.raises(UnusableFile, match="no sheet “Chart”"):
        read_sheet(content, "Chart")


def test_values_keep_their_guards_formats_and_kinds() -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.worksheets()[0]
        sheet.write_number("A2", 123, workbook.add_format({"num_format": "00000"}))
        sheet.write_number("A3", 12, workbook.add_format({"num_format": '"A-"0000'}))
        sheet.write_string("A4", "00123", workbook.add_format({"num_format": "0"}))
        sheet.write_number("A5", 4006381333931, workbook.add_format({"num_format": "0.00E+00"}))
        sheet.write_formula("A6", '="0"&"12"', None, "012")
        sheet.write_formula("A7", "=1+1", None, 2)
        sheet.write_datetime("A8", datetime.date(2026, 3, 1), workbook.add_format({"num_format": "dd.mm.yy"}))
        sheet.write_boolean("A9", True)
        sheet.write_number("A10", 0.1 + 0.2)
        sheet.write_number("A11", 12345, workbook.add_format({"num_format": "@"}))
        sheet.write_string("A12", '="00123"')
        sheet.write_string("A13", "'1")

    skus = [sku for (sku,) in read_sheet(create_xlsx({"P": [["sku"]]}, add)).rows]
    assert skus == [
        *("00123", "A-0012", "00123", "4006381333931", "012", "2", "2026-03-01", "true", "0.3", "12345", "00123"),
        "'1",
    ]


def test_padded_numbers_are_found_wherever_they_are() -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        padded = workbook.add_format({"num_format": "0000000"})
        sheet = workbook.worksheets()[0]
        for row in range(5, 40_005):
            if row % 3:
                sheet.write_number(row, 30, row, padded)
            else:
                sheet.write_number(row, 30, row)
            sheet.write_string(row, 29, "name & <b>")

    content = create_xlsx({"P": [[], [], [], [], [None] * 29 + ["name", "sku"]]}, add)
    expected = [("name & <b>", f"{row:07}" if row % 3 else str(row)) for row in range(5, 40_005)]
    assert read_sheet(content).rows == expected


def test_long_numbers_are_reported() -> None:
    read = read_sheet(create_xlsx({"P": [["sku", "name"], [1234567890123456, "a"], ["1234567890123456", 1e16]]}))
    notice = find_notice(read, "long_numbers")
    assert (notice["count"], notice["lines"]) == (2, [2, 3])
    assert [sample["text"] for sample in notice["samples"]] == ["1234567890123456", "10000000000000000"]


def test_a_row_with_an_error_is_rejected() -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.worksheets()[0]
        sheet.write_formula("A3", "=NA()", None, "#N/A")
        sheet.write_formula("B4", "=1/0", None, "#DIV/0!")
        # A column that is not imported does no harm.
        sheet.write_formula("C5", "=1/0", None, "#DIV/0!")

    rows: list[list[Any]] = [["sku", "name", "price"], *([sku, "x", 1] for sku in "abcd")]
    read = read_sheet(create_xlsx({"P": rows}, add))
    assert read.reject_codes == [(3, "spreadsheet_error"), (4, "spreadsheet_error")]
    assert "sku: `#N/A` is an error" in read.rejects[0].message
    assert "name: `#DIV/0!` is an error" in read.rejects[1].message
    assert read.rows == [("a", "x"), ("d", "x")]


@every_kind
def test_a_line_is_the_number_of_the_row_in_the_sheet(create: Callable[[Sheets], bytes]) -> None:
    rows: list[list[Any]] = [
        [],
        ["sku", "name"],
        ["a", "1\n2"],
        [],
        [None, "no SKU"],
        ["b", "3\r\n4\r5"],
        ["c" * 256, "x"],
        ["d", "y"],
    ]
    many: list[list[Any]] = [
        *rows,
        *([f"e{number}", "a\nb" if number % 7 else "c"] for number in range(5000)),
        [None, "last"],
    ]
    for use_fast_path in (True, False):
        read = read_file(create({"P": many}), use_fast_path=use_fast_path)
        assert read.reject_codes == [(5, "missing_sku"), (7, "sku_too_long"), (len(many), "missing_sku")]
        assert read.rows[0] == ("a", "1\n2")
        assert len(read.rows) == 5003


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), max_size=8))
def test_row_numbers_follow_the_lines(steps: Sequence[tuple[int, int]]) -> None:
    breaks = dict.fromkeys(range(1, 40), 0)
    row = 0
    for distance, count in steps:
        row += distance
        breaks[row] = count
    numbers = RowNumbers()
    for row, count in breaks.items():
        if count:
            numbers.add(row, count)
    line = 1
    for row, count in breaks.items():
        assert numbers.find(line) == row
        line += 1 + count


@every_kind
def test_trailing_empty_cells_do_not_make_a_row_short(create: Callable[[Sheets], bytes]) -> None:
    read = read_sheet(create({"P": [["sku", "name", "description"], ["a"], ["b", "x", None], ["c", None, "y"]]}))
    assert (read.rows, read.rejects) == ([("a", "", ""), ("b", "x", ""), ("c", "", "y")], [])


def test_a_stray_cell_does_not_widen_the_other_rows() -> None:
    rows: list[list[Any]] = [["sku", "name"], *([f"a{number}", "x"] for number in range(100))]
    rows[90] = ["stray", "x", *[None] * 500, "note"]
    read = read_sheet(create_xlsx({"P": rows}))
    assert len(read.description["columns"]) == 2
    assert (len(read.rows), read.reject_codes) == (99, [(91, "wrong_field_count")])


def test_the_value_of_merged_cells_belongs_to_the_first_one() -> None:
    def merge(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].merge_range("A2:A3", "a")
        workbook.worksheets()[0].merge_range("B4:C4", "x")

    read = read_sheet(create_xlsx({"P": [["sku", "name", "description"], [], [None, "n"], ["b"]]}, merge))
    assert (read.rows, read.reject_codes) == ([("a", "", ""), ("b", "x", "")], [(3, "missing_sku")])


@every_kind
@pytest.mark.parametrize("packing", ["gzip", "bzip2", "zip"])
def test_a_compressed_workbook_is_read(create: Callable[[Sheets], bytes], packing: str) -> None:
    content = create({"Products": ROWS})
    packed = {
        "gzip": lambda: gzip.compress(content),
        "bzip2": lambda: bz2.compress(content),
        "zip": lambda: zip_files({"a/prices.xlsx": content, "__MACOSX/prices.xlsx": b"x", "a/~$prices.xlsx": b"x"}),
    }[packing]()
    read = read_sheet(packed)
    assert (read.rows, read.description["packing"]) == (READ_ROWS, packing)


def test_the_share_of_the_rows_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(create_xlsx({"P": [["sku"], *([f"a{number}"] for number in range(20_000))]}))
    shares: list[float] = []
    with open_product_file(
        path, FileOptions(), max_record=1000, max_unpacked_bytes=1 << 30, after_read=shares.append
    ) as file:
        rows = sum(file.validator.encode_rows(chunk)[1] for chunk in file.read_chunks(1000))
    assert rows == 20_000
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert len(set(shares)) > 10
