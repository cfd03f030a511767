"""Sheets and cells that are unusual but valid, and files with the name or the start of another format."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter

from importer.errors import UnusableFile
from support.files import read_file
from support.workbooks import Sheets, create_ods, create_xls, create_xlsb, create_xlsx, edit_parts, wrap_ods

KINDS: dict[str, Callable[[Sheets], bytes]] = {
    "xlsx": create_xlsx,
    "xlsb": create_xlsb,
    "xls": create_xls,
    "ods": create_ods,
}
every_kind = pytest.mark.parametrize("create", KINDS.values(), ids=KINDS)


@every_kind
@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "<!DOCTYPE html><html><body>",
        '<?xml version="1.0"?><a>',
        "<a><b>",
        '{"sku": 1}',
        '[{"sku": 1}]',
        "{\\rtf1",
        "sep=;",
        "=1+1",
        "\ufeffOur prices",
        "PK\x03\x04",
    ],
)
def test_the_first_cell_may_look_like_another_format(create: Callable[[Sheets], bytes], text: str) -> None:
    if "\x03" in text and create in {create_xlsx, create_ods}:
        text = "PK"
    read = read_file(create({"P": [[text], ["sku", "name"], ["a", "<html>"], ['{"b": 1}', '{"sku": 1}']]}))
    assert read.rows == [("a", "<html>"), ('{"b": 1}', '{"sku": 1}')]


@every_kind
@pytest.mark.parametrize("text", ["<html>", '{"sku": 1}', "\ufeff", "sep=;"])
def test_a_sheet_of_one_column_may_look_like_another_format(create: Callable[[Sheets], bytes], text: str) -> None:
    assert read_file(create({"P": [[text], ["sku"], ["a;b"], ["c"]]})).rows == [("a;b",), ("c",)]
    assert read_file(create({"P": [["sku"], [text], ["c"]]})).rows[-1] == ("c",)


@every_kind
def test_a_byte_order_mark_before_the_header_is_no_part_of_it(create: Callable[[Sheets], bytes]) -> None:
    assert read_file(create({"P": [["\ufeffsku", "name"], ["a", "b"]]})).rows == [("a", "b")]


def test_the_start_of_a_text_is_still_checked() -> None:
    with pytest.raises(UnusableFile, match="an HTML page"):
        read_file(b"<html><table><tr><td>sku</td></tr></table></html>")


@every_kind
def test_a_table_may_begin_anywhere(create: Callable[[Sheets], bytes]) -> None:
    table: list[list[Any]] = [[None, None, *row] for row in ([], [], [], ["sku", "name"], ["a", "x"], ["b", None])]
    read = read_file(create({"P": [["Prices"], [], *table]}))
    assert read.rows == [("a", "x"), ("b", "")]


def test_merged_cells_of_the_header_name_their_first_column() -> None:
    def merge(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].merge_range("A1:C1", "All our products")
        workbook.worksheets()[0].merge_range("B2:C2", "name")

    assert read_file(create_xlsx({"P": [[], ["sku"], ["a", "x", "y"]]}, merge)).rows == [("a", "x")]


def test_hidden_and_filtered_rows_are_read() -> None:
    def hide(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.worksheets()[0]
        sheet.autofilter("A1:B4")
        sheet.filter_column("A", "x == b")
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_column("A:A", None, None, {"hidden": True})

    content = create_xlsx({"P": [["sku", "name"], ["a", "x"], ["b", "y"]]}, hide)
    assert read_file(content).rows == [("a", "x"), ("b", "y")]


def test_numbers_have_their_value_whatever_their_format() -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        sheet = workbook.worksheets()[0]
        for row, (number, code) in enumerate(
            [
                (0.5, "0%"),
                (19.9, '#,##0.00 "€"'),
                (1234567, "#,##0"),
                (6.93e12, "0.00E+00"),
                (123456789012345, "General"),
            ],
            1,
        ):
            sheet.write_number(row, 0, number, workbook.add_format({"num_format": code}))
        sheet.write_string("A7", "00123", workbook.add_format({"quote_prefix": True}))
        sheet.write_boolean("A8", True)

    rows = read_file(create_xlsx({"P": [["sku"]]}, add)).rows
    assert [row[0] for row in rows] == [
        *("0.5", "19.9", "1234567", "6930000000000", "123456789012345", "00123", "true"),
    ]


@pytest.mark.parametrize("base", [1900, 1904])
def test_dates_have_the_system_of_their_workbook(base: int) -> None:
    dates = [datetime.date(1905, 1, 1), datetime.date(2026, 3, 1)]
    content = create_xlsx(
        {"P": [["sku", "name"], *([f"a{n}", date] for n, date in enumerate(dates))]}, date_1904=base == 1904
    )
    assert [row[1] for row in read_file(content).rows] == ["1905-01-01", "2026-03-01"]


def test_numbers_that_are_no_dates_are_read() -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        date = workbook.add_format({"num_format": "yyyy-mm-dd"})
        for row, number in enumerate([-5, 0, 60, 1e9], 1):
            workbook.worksheets()[0].write_number(row, 1, number, date)

    rows = read_file(create_xlsx({"P": [["sku", "name"], *([f"a{n}"] for n in range(4))]}, add)).rows
    assert len(rows) == 4
    assert all(name for _, name in rows)


def test_rich_phonetic_and_escaped_texts_are_read() -> None:
    texts = {
        b"rich": b"<si><r><t>ri</t></r><r><rPr><b/></rPr><t>ch</t></r></si>",
        b"phonetic": '<si><t>商品</t><rPh sb="0" eb="2"><t>ショウヒン</t></rPh></si>'.encode(),
        b"escaped": b"<si><t>a_x000D_b_x005F_x000D_</t></si>",
    }

    def change(name: str, content: bytes) -> bytes:
        for text, item in texts.items():
            content = content.replace(b"<si><t>" + text + b"</t></si>", item)
        return content

    rows = [["sku", "name"], *([f"a{n}", text.decode()] for n, text in enumerate(texts))]
    read = read_file(edit_parts(create_xlsx({"P": rows}), change))
    assert [row[1] for row in read.rows] == ["rich", "商品", "a\rb_x000D_"]


@every_kind
def test_the_longest_texts_of_a_cell_are_read(create: Callable[[Sheets], bytes]) -> None:
    # A record of an .xls file holds fewer bytes.
    text = "x" * (4000 if create is create_xls else 32_767)
    assert read_file(create({"P": [["sku", "description"], ["a", text]]})).rows == [("a", text)]


@every_kind
def test_the_first_of_several_sheets_with_products_is_read(create: Callable[[Sheets], bytes]) -> None:
    read = read_file(create({"Empty": [], "A": [["sku"], ["a"]], "B": [["sku"], ["b"]]}))
    assert (read.rows, [notice["code"] for notice in read.notices]) == ([("a",)], ["other_sheets"])


def test_annotations_of_opendocument_are_no_part_of_a_value() -> None:
    cell = '<table:table-cell office:value-type="string">{}<text:p>{}</text:p></table:table-cell>'
    comment = "<office:annotation><text:p>note</text:p></office:annotation>"
    rows = "".join(
        f"<table:table-row>{cell.format(note, text)}</table:table-row>" for note, text in [("", "sku"), (comment, "a")]
    )
    assert read_file(wrap_ods(f'<table:table table:name="P">{rows}</table:table>')).rows == [("a",)]
