"""What is wrong in a file is repaired and reported wherever it is, on the fast and on the slow path."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable
from functools import cache

import pytest

from importer.columns.product_file import FileOptions
from importer.errors import UnusableFile
from support.file_cases import CASES, FileCase, complete
from support.files import HUGE_BLOCK, ReadResult, read_file

# The size of a file makes no difference beyond a few blocks. So most files are a tenth as large, like their blocks.
GOOD_ROWS, MANY_GOOD_ROWS = 10_000, 100_000
SMALL_BLOCK = HUGE_BLOCK // 10
CASES_OF_MANY_ROWS = ("excel-text", "two-exports-in-one")
BOOLEANS = {"1": "t", "0": "f", "yes": "t", "no": "f"}
PREFIXES = ("before", "after")
GOOD_CELLS = {"name": "good", "description": "text", "active": "1", "status": "In stock"}
# How many lines each case has up to its header.
HEADER_LINES = {
    "excel-text": 1,
    "formula-is-text": 1,
    "scientific-skus": 1,
    "two-exports-in-one": 1,
    "title-above": 3,
    "cells-above": 3,
    "better-header-below": 2,
    "comment-above": 2,
    "two-header-rows": 2,
    "bom-before-a-sku": 1,
    "invisible-characters": 1,
    "dos-end-of-file": 1,
    "numbers-for-active": 1,
    "status-that-is-none": 1,
}
CASES_BY_NAME = {case.name: case for case in CASES}

ENCODERS: dict[str, Callable[[str], bytes]] = {
    "utf-8": str.encode,
    "utf-8-sig": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode(), 1),
}
Table = list[list[str]]
# A table, the SKUs and names that are imported, and the codes of the notices.
TABLES: dict[str, tuple[Table, Table, list[str]]] = {
    "text in a formula": (
        [["name", "active", "sku"], ["Bolt", "1", '="00123"'], ['="5"" pipe"', '="0"', "A2"], ["=1+1", "1", "A3"]],
        [["00123", "Bolt"], ["A2", '5" pipe'], ["A3", "=1+1"]],
        ["values_cleaned"],
    ),
    "no text in a formula": (
        [["sku", "name"], ["A1", '="a"&"b"'], ["A2", '<a href="">'], ["A3", '=""']],
        [["A1", '="a"&"b"'], ["A2", '<a href="">'], ["A3", ""]],
        ["values_cleaned"],
    ),
    "number": ([["sku", "name"], ["6.93217E+12", "a"], ["A1", "b"]], [], ["skus_rewritten_by_spreadsheet"]),
    "date": ([["sku", "name"], ["A1", "a"], ["01.Mar", "b"]], [], ["skus_rewritten_by_spreadsheet"]),
    "time": ([["sku", "name"], ["2026-03-01 00:00:00", "a"]], [], ["skus_rewritten_by_spreadsheet"]),
    "no date": ([["sku", "name"], ["MAR-01", "a"], ["mar-01", "b"], ["1E5", "c"], ["March-1", "d"]], [], []),
    "repeated header": (
        [["sku", "name"], ["A1", "a"], ["SKU", "Name"], ["A2", "b"], [" sku", "name "]],
        [["A1", "a"], ["A2", "b"]],
        ["repeated_header"],
    ),
    "product that is named like a column": (
        [["sku", "name"], ["A1", "a"], ["name", "b"], ["sku", "c"]],
        [["A1", "a"], ["name", "b"], ["sku", "c"]],
        [],
    ),
    "invisible characters": (
        [["sku", "name"], ["A\u200b1", "a"], ["A2\u200e", "b\u200b"], ["e\u0301", "c"], ["\ufeffA\u00ad4\u00a0", "d"]],
        [["A1", "a"], ["A2", "b\u200b"], ["\u00e9", "c"], ["A4", "d"]],
        ["values_cleaned"],
    ),
    "title": (
        [["Price list; March | 2026, by SKU"], [], ["sku", "name"], ["A1", "a"]],
        [["A1", "a"]],
        ["lines_above_header"],
    ),
    "two languages": (
        [["SKU", "Name"], ["Artikelnummer", "Bezeichnung"], ["A1", "a"]],
        [["A1", "a"]],
        ["repeated_header"],
    ),
}


def read(content: bytes, options: FileOptions | None = None, *, block: int = 1 << 20) -> list[ReadResult]:
    """Read a file on the fast path and on the slow path, which must agree; return both results."""
    fast, slow = (
        read_file(content, options, block=block, use_fast_path=use_fast_path) for use_fast_path in (True, False)
    )
    if "active" in fast.fields:
        # The fast path leaves `1` to COPY, which reads it as a boolean.
        active = fast.fields.index("active")
        fast.rows = [(*row[:active], BOOLEANS.get(row[active], row[active]), *row[active + 1 :]) for row in fast.rows]
    assert fast.rows == slow.rows
    assert fast.rejects == slow.rejects
    assert fast.notices == slow.notices
    return [fast, slow]


def read_once(content: bytes, options: FileOptions | None = None) -> ReadResult:
    """Read a file on both paths and return the result."""
    return read(content, options)[0]


@cache
def create_good_rows(header: str, good_rows: int) -> tuple[bytes, ...]:
    """Return two times `good_rows` rows for a header, with different SKUs."""
    names = header.lower().split(",")
    template = ",".join("{0}{1}" if name == "sku" else GOOD_CELLS[name] for name in names) + "\n"
    return tuple(
        "".join(template.format(prefix, number) for number in range(good_rows)).encode() for prefix in PREFIXES
    )


def pad(case: FileCase, good_rows: int) -> bytes:
    """Return a case with good rows between its header and its rows, and after its rows if it is not at the end."""
    lines = case.data.splitlines(keepends=True)
    count = HEADER_LINES[case.name]
    header = lines[0] if case.name == "two-header-rows" else lines[count - 1]
    before, after = create_good_rows(header.decode("utf-8-sig").strip(), good_rows)
    if b"\x1a" in case.data:
        after = b""
    return b"".join([*lines[:count], before, *lines[count:], after])


@pytest.mark.parametrize(
    ("name", "good_rows", "use_fast_path"),
    [
        *itertools.product(HEADER_LINES, [GOOD_ROWS], [True, False]),
        *itertools.product(CASES_OF_MANY_ROWS, [MANY_GOOD_ROWS], [True]),
    ],
)
def test_a_case_has_the_same_outcome_between_many_good_rows(name: str, good_rows: int, use_fast_path: bool) -> None:
    case = CASES_BY_NAME[name]
    content = pad(case, good_rows)
    block = HUGE_BLOCK if good_rows == MANY_GOOD_ROWS else SMALL_BLOCK
    result = read_file(content, block=block, use_fast_path=use_fast_path)
    sku = result.fields.index("sku")
    others = [row for row in result.rows if not row[sku].startswith(PREFIXES)]
    assert len(result.rows) - len(others) == content.count(b"before") + content.count(b"after")
    products = {row[sku]: dict(zip(result.fields, row, strict=True)) for row in others}
    assert {
        sku: (values.get("name", ""), values.get("description", ""), values.get("active", "t") in {"t", "1"})
        for sku, values in products.items()
    } == {sku: complete(values) for sku, values in case.products.items()}
    assert result.rejects == []
    assert set(case.notices) <= {notice["code"] for notice in result.notices}


@pytest.mark.parametrize("use_fast_path", [True, False])
def test_another_header_after_many_good_rows_fails_the_file(use_fast_path: bool) -> None:
    before, after = create_good_rows("sku,name,description", MANY_GOOD_ROWS)
    content = b"sku,name,description\n" + before + b"sku,description,name\n" + after
    with pytest.raises(UnusableFile, match=r"Another header is on line 100,002, with the columns `sku`, `description`"):
        read_file(content, use_fast_path=use_fast_path)


def write(table: Table, delimiter: str, *, quoted: bool, sku_last: bool) -> str:
    """Return a table as CSV; with `sku_last`, the columns of all rows but titles are in the other order."""
    lines = []
    for row in table:
        cells = row[::-1] if sku_last else row
        if quoted or (len(row) == 1 and delimiter in row[0]):
            cells = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        lines.append(delimiter.join(cells) + "\r\n")
    return "".join(lines)


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", TABLES)
def test_files_of_every_format_are_repaired(name: str, delimiter: str, encoding: str) -> None:
    table, expected, notices = TABLES[name]
    expected = expected or table[1:]
    for quoted in (False, True):
        for sku_last in (False, True):
            content = ENCODERS[encoding](write(table, delimiter, quoted=quoted, sku_last=sku_last))
            for block in (16, 1 << 20):
                result = read(content, block=block)[0]
                sku, title = result.fields.index("sku"), result.fields.index("name")
                assert [[row[sku], row[title]] for row in result.rows] == expected
                assert result.rejects == []
                assert [notice["code"] for notice in result.notices] == notices
                assert result.description["delimiter"] == delimiter


def test_notices_name_lines_and_show_what_was_found() -> None:
    content = 'Report\n\nsku,name\nA\u200b1,a\nsku,name\n"=""002""",b\n6.9E+12,c\n'
    notices = {notice["code"]: notice for notice in read_once(content.encode()).notices}
    assert {code: (notice["count"], notice["lines"]) for code, notice in notices.items()} == {
        "lines_above_header": (1, [1]),
        "repeated_header": (1, [5]),
        "values_cleaned": (2, [4, 6]),
        "skus_rewritten_by_spreadsheet": (1, [7]),
    }
    assert notices["lines_above_header"]["samples"] == [{"text": "Report"}]
    assert notices["lines_above_header"]["fix"]["options"] == {"header_line": 1}
    assert "on line 3; 1 line above" in notices["lines_above_header"]["message"]
    assert notices["values_cleaned"]["samples"] == [
        {"text": "A<U+200B>1 → A1", "before": "A<U+200B>1", "after": "A1"},
        {"text": '="002" → 002', "before": '="002"', "after": "002"},
    ]
    assert notices["skus_rewritten_by_spreadsheet"]["samples"] == [{"text": "6.9E+12"}]


def test_a_rejected_row_below_a_title_has_its_line_in_the_file() -> None:
    result = read_once(b'"Price list"\n\n"a ""b"" c",\nsku,name\n,x\nA1,y\n')
    assert result.reject_codes == [(5, "missing_sku")]
    assert result.rows == [("A1", "y")]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"sku,name\nA1,x\n", 1),
        (b"# sku, name\n# made by hand\nsku,name\nA1,x\n", 3),
        (b"SKU\nsku,name,active\nA1,x,1\n", 2),
        (b"Exported,2026-11-28\nBy,admin\nsku,name\nA1,x\n", 3),
        (b"Product,,Price\nItem no.,Title,Net\nA1,x,1\n", 2),
        (b'"Price list" 2026\nsku;name\nA1;x\n', 2),
        (b'Price list, "2026"\n"sku";"name"\n"A1";"x"\n', 2),
        # Values that are names of columns do not make a row the header.
        (b"Item,Price\nCode,5\nName,6\n", 1),
    ],
)
def test_the_header_is_found(content: bytes, line: int) -> None:
    notices = {notice["code"]: notice for notice in read_once(content).notices}
    assert ("lines_above_header" in notices) == (line > 1)
    if line > 1:
        assert f"on line {line};" in notices["lines_above_header"]["message"]


def test_the_first_row_stays_the_header_if_no_row_names_a_sku() -> None:
    with pytest.raises(UnusableFile, match="Its columns are: `Foo`, `Bar`"):
        read_once(b"Foo,Bar\nA1,Code\nA2,Name\n")
    with pytest.raises(UnusableFile, match="Its columns are: `Foo`, `Bar`"):
        read_once(b"Price list\nFoo,Bar\nA1,Code\n")


def test_the_line_of_the_header_can_be_given() -> None:
    content = b"sku,name\nSKU alt,sku,name\nx,A1,a\n"
    result = read_once(content, FileOptions(header_line=2))
    assert (result.fields, result.rows, result.notices) == (["sku", "name"], [("A1", "a")], [])
    separated = read_once(b"sep=;\nTitle,x\nsku;name,y\nA1;a,b\n", FileOptions(header_line=3))
    assert (separated.description["delimiter"], separated.rows) == (";", [("A1",)])
    many = b"Title\n" * 5000 + b"sku,name\nA1,a\n"
    assert read_once(many, FileOptions(header_line=5001)).rows == [("A1", "a")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (5, "The file has no line 5, which was given as the line of the header. Give another one."),
        (2, "Line 2, which was given as the line of the header, is blank. Give another one."),
        (3, "Line 3, which was given as the line of the header, has no column `sku`. Its columns are: `A1`, `a`."),
    ],
)
def test_a_line_that_is_no_header_gives_a_sentence(line: int, message: str) -> None:
    with pytest.raises(UnusableFile) as failure:
        read_file(b"sku,name\n\nA1,a\nA2,b\n", FileOptions(header_line=line))
    assert str(failure.value).startswith(message)


def test_a_column_whose_values_do_not_fit_its_name_is_left_out() -> None:
    rows = b"A1,In stock,yes\nA2,Out of stock,no\n" * 60
    result = read_once(b"sku,Status,Enabled\n" + rows)
    assert [column["field"] for column in result.description["columns"]] == ["sku", None, "active"]
    (notice,) = result.notices
    assert (notice["code"], notice["count"]) == ("column_left_out", 1)
    assert notice["message"].startswith("The column `Status` was left out")
    assert "`In stock`" in notice["message"]
    assert notice["samples"] == [{"text": "In stock"}, {"text": "Out of stock"}]
    assert notice["fix"]["options"] == {"mapping": {"Status": "active"}}


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"sku,active\nA1,In stock\n", None),
        (b"sku,Active\nA1,In stock\n", None),
        (b"sku,Status\nA1,In stock\n", FileOptions(mapping={"Status": "active"})),
        # Only a few values do not fit.
        (b"sku,Status\n" + b"A0,Active\n" * 3 + b"A1,In stock\n", None),
        (b"sku,Status\n" + b"A0,Active\n" * 1000 + b"A1,In stock\n", None),
    ],
)
def test_a_value_that_does_not_fit_is_rejected_with_the_name_of_its_column(
    content: bytes, options: FileOptions | None
) -> None:
    result = read_once(content, options)
    name = content.split(b"\n")[0].split(b",")[1].decode()
    assert [(reject.code, reject.message) for reject in result.rejects] == [
        ("invalid_active", f"{name}: `In stock` is not yes or no. Write true, false, yes, no, 1 or 0.")
    ]
    assert result.notices == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"sku^name^active\nA1^Bolt^1\n", ["With the delimiter `^`", "choose that delimiter"]),
        (b"Price list\nsku~name\nA1~Bolt\n", ["With the delimiter `~`"]),
        (b"sku  name  active\nA1  Bolt  1\n", ["separated by several spaces", "Save the file with commas"]),
        (b"sku::name\nA1::Bolt\n", ["With the delimiter `:`"]),
        (b"Foo,Bar-Code\nA1,x\n", ["choose it with a mapping"]),
    ],
)
def test_a_delimiter_that_would_give_a_sku_column_is_named(content: bytes, words: list[str]) -> None:
    with pytest.raises(UnusableFile, match="no column `sku`") as failure:
        read_file(content)
    assert all(word in str(failure.value) for word in words)


@pytest.mark.parametrize("delimiter", ["^", "~", ":", "*", "#", "!", "-", "."])
def test_other_delimiters_can_be_chosen(delimiter: str) -> None:
    content = f'sku{delimiter}name\r\n"A{delimiter}1"{delimiter}Bolt\r\nA2{delimiter}\r\n'
    result = read_once(content.encode(), FileOptions(delimiter=delimiter))
    assert result.rows == [(f"A{delimiter}1", "Bolt"), ("A2", "")]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\r\n <!DOCTYPE html>\n<html>", "an HTML page"),
        (b"<html><body><table>", "an HTML page"),
        (b"\xef\xbb\xbf<table border=1>", "an HTML page"),
        (b"<?xml version='1.0'?>\n<products>", "an XML file"),
        (b"<products>\n<product>\n<sku>\nA1</sku>", "an XML file"),
        (b'{"sku": "A1", "name": "Bolt"}\n', "a JSON file"),
        (b'[\n  {\n    "sku": "A1"', "a JSON file"),
        (b'["sku", "name"]\n["A1", "Bolt"]\n', "a JSON file"),
        (b"{\\rtf1\\ansi", "a formatted text (RTF)"),
    ],
)
def test_other_formats_are_named(content: bytes, name: str) -> None:
    with pytest.raises(UnusableFile) as failure:
        read_file(content)
    assert str(failure.value).startswith(f"This is {name}, not a CSV file. ")


@pytest.mark.parametrize("content", [b"<SKU>,<NAME>\nA1,a\n", b"[sku],[name]\nA1,a\n", b"{sku},{name}\nA1,a\n"])
def test_brackets_in_a_header_are_no_other_format(content: bytes) -> None:
    assert read_once(content).rows == [("A1", "a")]


@pytest.mark.parametrize("end", ["\x1a", "\x1a" * 300, "\x1a\r\n", "\r\n\x1a"])
@pytest.mark.parametrize("block", [1, 5, 1 << 20])
def test_the_end_of_a_dos_file_is_no_row(end: str, block: int) -> None:
    result = read(f"sku,name\r\nA1,a\x1ab\r\nA2,b{end}".encode(), block=block)[0]
    assert (result.rows, result.rejects) == ([("A1", "a\x1ab"), ("A2", "b")], [])
