"""Padded numbers, errors and dates of cells in all kinds of workbooks."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter

from importer.errors import UnusableFile
from importer.files.spreadsheet_errors import ERRORS
from support.files import read_file
from support.workbooks import (
    Failure,
    Padded,
    Sheets,
    create_ods,
    create_xls,
    create_xlsb,
    create_xlsx,
    edit_parts,
    wrap_ods,
)

KINDS: dict[str, Callable[[Sheets], bytes]] = {
    "xlsx": create_xlsx,
    "xlsb": create_xlsb,
    "xls": create_xls,
    "ods": create_ods,
}
every_kind = pytest.mark.parametrize("create", KINDS.values(), ids=KINDS)


def read_skus(content: bytes) -> list[str]:
    return [row[0] for row in read_file(content).rows]


def find_codes(notices: list[dict[str, Any]]) -> list[str]:
    return [notice["code"] for notice in notices]


@every_kind
def test_a_number_with_a_padded_format_keeps_its_zeros(create: Callable[[Sheets], bytes]) -> None:
    rows: list[list[Any]] = [["name", "sku"], ["a", Padded(123)], ["b", 123], ["c", Padded(7, is_packed=False)]]
    read = read_file(create({"Other": [["x"], [Padded(1)]], "P": rows}))
    assert read.rows == [("a", "00123"), ("b", "123"), ("c", "00007")]
    assert find_codes(read.notices) == ["other_sheets"]


@pytest.mark.thorough("xls", "ods")
@every_kind
def test_padded_numbers_keep_their_zeros_in_a_long_sheet(create: Callable[[Sheets], bytes]) -> None:
    rows: list[list[Any]] = [
        ["sku", "name"],
        *([Padded(row) if row % 3 else row, "some text"] for row in range(20_000)),
    ]
    assert read_skus(create({"P": rows})) == [f"{row:05}" if row % 3 else str(row) for row in range(20_000)]


@every_kind
@pytest.mark.parametrize("is_formula", [True, False])
def test_an_error_is_rejected_in_every_format(create: Callable[[Sheets], bytes], is_formula: bool) -> None:
    rows: list[list[Any]] = [
        *(["sku", "name", "price"], ["a", "x", Failure("#N/A", is_formula)], [Failure("#N/A", is_formula), "x", 1]),
        *(["b", Failure("#DIV/0!", is_formula), 1], ["c", "y", 1], ["d", Failure("#REF!", is_formula), None]),
    ]
    read = read_file(create({"P": rows}))
    assert read.reject_codes == [(line, "spreadsheet_error") for line in (3, 4, 6)]
    assert "sku: `#N/A` is an error" in read.rejects[0].message
    assert read.rows == [("a", "x"), ("c", "y")]


@every_kind
def test_errors_at_the_edges_of_a_sheet_are_rejected(create: Callable[[Sheets], bytes]) -> None:
    error = Failure("#N/A")
    read = read_file(
        create({"P": [[None, "sku", "name"], [None, "a", error], [None, error, "b"], [error, "c", error]]})
    )
    assert read.reject_codes == [(line, "spreadsheet_error") for line in (2, 3, 4)]


@every_kind
def test_dates_in_the_column_of_the_sku_are_reported(create: Callable[[Sheets], bytes]) -> None:
    date = datetime.date(2026, 3, 1)
    rows: list[list[Any]] = [
        # The date above the header is no SKU, and a date in another column is none either.
        *([date], ["sku", "name"], ["2026-03-01", date]),
        *([date, "x"], ["a", "y"], [datetime.date(2026, 4, 2), "z"], [date, None]),
    ]
    read = read_file(create({"P": rows}))
    (notice,) = [notice for notice in read.notices if notice["code"] == "skus_rewritten_by_spreadsheet"]
    assert (notice["count"], notice["lines"]) == (3, [4, 6, 7])
    assert [sample["text"] for sample in notice["samples"]] == ["2026-03-01", "2026-04-02"]
    assert read_skus(create({"P": rows})) == ["2026-03-01", "2026-03-01", "a", "2026-04-02", "2026-03-01"]


def test_times_in_the_column_of_the_sku_are_reported_once() -> None:
    values = [datetime.time(12, 30), datetime.datetime(2026, 3, 1, 8, 15)]  # noqa: DTZ001 - sheets have no time zone.
    read = read_file(create_xlsx({"P": [["sku"], *([value] for value in values)]}, default_date_format="yyyy hh:mm"))
    (notice,) = read.notices
    assert (notice["code"], notice["count"]) == ("skus_rewritten_by_spreadsheet", 2)


def test_dates_in_other_columns_are_not_reported() -> None:
    read = read_file(create_xlsx({"P": [["sku", "name"], *([f"a{n}", datetime.date(2026, 1, 1)] for n in range(99))]}))
    assert (len(read.rows), read.notices) == (99, [])


@pytest.mark.parametrize(
    ("code", "number", "text"),
    [
        ("[$-407]00000", 501, "00501"),
        ("[Red]00000", 501, "00501"),
        ("#00000", 501, "00501"),
        ("_(00000_)", 501, "00501"),
        ("[<=99999]00000;00000-0000", 501, "501"),
        ("[h]:mm", 1, "24:00:00"),
    ],
)
def test_languages_and_colours_of_a_format_do_not_matter(code: str, number: int, text: str) -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].write_number("A2", number, workbook.add_format({"num_format": code}))

    assert read_skus(create_xlsx({"P": [["sku"]]}, add)) == [text]


ROWS: list[list[Any]] = [["sku", "name"], [Padded(1), "a"], [None, "b"], [Failure("#N/A"), "c"], [Padded(2), "d"]]


def test_cells_without_references_are_counted() -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.startswith("xl/worksheets/sheet"):
            return content
        # The empty cell has to be written, so that the order of the cells shows their columns.
        content = content.replace(b'<c r="B3"', b'<c r="A3"/><c r="B3"')
        return re.sub(rb'(<(?:row|c)) r="\w+"', rb"\1", content)

    read = read_file(edit_parts(create_xlsx({"P": ROWS}), change))
    assert [row[0] for row in read.rows] == ["00001", "00002"]
    assert read.reject_codes == [(3, "missing_sku"), (4, "spreadsheet_error")]


def test_attributes_in_single_quotes_are_read() -> None:
    def change(name: str, content: bytes) -> bytes:
        if not name.startswith("xl/worksheets/sheet"):
            return content
        return re.sub(rb'<c r="(\w+)" (s|t)="(\w+)"', rb"<c r='\1' \2='\3'", content)

    read = read_file(edit_parts(create_xlsx({"P": ROWS}), change))
    assert [row[0] for row in read.rows] == ["00001", "00002"]
    assert read.reject_codes == [(3, "missing_sku"), (4, "spreadsheet_error")]


@pytest.mark.parametrize("error", ["#NEW!", "#SPILL!", "#BUSY!", ""])
def test_an_error_of_any_kind_never_becomes_a_value(error: str) -> None:
    content = edit_parts(create_xlsx({"P": ROWS}), lambda _name, part: part.replace(b"#N/A", error.encode()))
    try:
        read = read_file(content)
    except UnusableFile as failure:
        assert "an error of an unknown kind" in str(failure)
    else:
        assert read.reject_codes == [(3, "missing_sku"), (4, "spreadsheet_error")]


@pytest.mark.parametrize("part", ["xl/styles.bin", "xl/styles.xml"])
def test_formats_that_cannot_be_read_are_reported(part: str) -> None:
    create = create_xlsb if part.endswith("bin") else create_xlsx
    damaged = edit_parts(
        create({"P": [["sku"], [Padded(1)], ["a"]]}),
        lambda name, content: content[: len(content) // 2] if name == part else content,
    )
    try:
        read = read_file(damaged)
    except Exception as error:
        assert "damaged" in str(error)
    else:
        assert read.rows in ([("00001",), ("a",)], [("1",), ("a",)])
        assert find_codes(read.notices) == (["formats_unreadable"] if read.rows[0] == ("1",) else [])


def test_a_sheet_whose_records_are_cut_off_is_not_silent() -> None:
    content = edit_parts(
        create_xlsb({"P": [["sku"], ["a"]]}),
        lambda name, part: (
            part.replace(b"xl/worksheets", b"xl/Worksheets")
            if name == "xl/_rels/workbook.bin.rels"
            else part + b"\x03\x09\x00" * (name == "xl/worksheets/sheet1.bin")
        ),
    )
    assert find_codes(read_file(content).notices) == ["formats_unreadable"]


CELL = "<table:table-cell {}><text:p>{}</text:p></table:table-cell>"


def create_ods_rows(*cells: str, columns: str = "") -> bytes:
    rows = "".join(f"<table:table-row>{cell}</table:table-row>" for cell in (CELL.format("", "sku"), *cells))
    rows = rows.replace("<table:table-cell >", '<table:table-cell office:value-type="string">')
    return wrap_ods(f'<table:table table:name="P">{columns}{rows}</table:table>')


def test_repeated_and_inherited_styles_of_opendocument_are_followed() -> None:
    number = 'office:value-type="float" office:value="12"'
    column = '<table:table-column table:number-columns-repeated="2" table:default-cell-style-name="padded"/>'
    comment = "<office:annotation><text:p>9</text:p></office:annotation>"
    content = create_ods_rows(
        CELL.format(number, "00012"),
        f"<table:table-cell {number}>{comment}<text:p>00<text:span>012</text:span></text:p></table:table-cell>",
        CELL.format('table:style-name="other" ' + number, "12 EUR"),
        CELL.format(number, "###"),
        CELL.format('office:value-type="float" office:value="-12"', "-00012"),
        columns=column,
    )
    assert read_skus(content) == ["00012", "00012", "12", "12", "-12"]


def test_repeated_rows_of_opendocument_keep_their_zeros() -> None:
    padded = CELL.format('table:style-name="padded" office:value-type="float" office:value="12"', "00012")
    content = create_ods_rows(padded, CELL.format("", "a"))
    content = edit_parts(
        content,
        lambda name, part: (
            part.replace(
                b'<table:table-row><table:table-cell table:style-name="padded"',
                b'<table:table-row table:number-rows-repeated="3"><table:table-cell table:style-name="padded"',
            )
            if name == "content.xml"
            else part
        ),
    )
    assert read_skus(content) == ["00012", "00012", "00012", "a"]


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ('table:formula="of:=1/0" office:value-type="float" office:value="0" calcext:value-type="error"', "#DIV/0!"),
        ('table:formula="of:=A(" office:value-type="string" office:string-value=""', "Err:508"),
        ('table:formula="of:=A(" calcext:value-type="error" office:value-type="string"', "Err:508"),
        ('table:formula="of:=NA()" office:value-type="string"', "#NV"),
    ],
)
def test_an_error_of_opendocument_is_rejected_however_it_is_written(attributes: str, shown: str) -> None:
    read = read_file(create_ods_rows(CELL.format(attributes, shown), CELL.format("", "a")))
    assert (read.rows, read.reject_codes) == ([("a",)], [(2, "spreadsheet_error")])
    assert any(error in read.rejects[0].message for error in ERRORS)
