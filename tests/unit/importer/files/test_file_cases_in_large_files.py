"""The cases about rows have their outcome in large files, too: between many good rows, with every delimiter."""

from __future__ import annotations

import gzip

import pytest

from importer.columns.product_file import FileOptions
from support.file_cases import CASES, FileCase
from support.files import HUGE_BLOCK, read_file

# The size of a file makes no difference beyond a few blocks. So most files are a tenth as large, like their blocks
# and chunks.
GOOD_ROWS, MANY_GOOD_ROWS = 10_000, 100_000
SMALL_BLOCK = HUGE_BLOCK // 10
CASES_OF_MANY_ROWS = ("lf-in-value", "rows-swallowed", "short-rows", "rows-of-commas")
# How many lines at the start of the file decide how it is read: those up to its header, and rows that show its format.
LEADING_LINES = {
    "cr-in-value": 1,
    "cr-in-value-first": 1,
    "lf-in-value": 1,
    "surplus-empty-cells": 1,
    "rows-of-commas": 1,
    "blank-row-all-or-nothing": 1,
    "surplus-with-content": 1,
    "short-rows": 1,
    "short-rows-taken": 1,
    "space-before-quote": 1,
    "space-before-every-cell": 1,
    "quoted-sku-with-space": 1,
    "whole-lines-quoted": 1,
    "rows-swallowed": 1,
    "rows-swallowed-and-too-many-fields": 1,
    "reject-shown-as-it-was": 2,
    "backslashes-outside-quotes": 2,
    "value-over-the-limit": 1,
    "blank-lines-first": 65_537,
}
CASES_OF_ROWS = [case for case in CASES if case.name in LEADING_LINES]
MAX_RECORD = 1 << 20


def pad(case: FileCase, good_rows: int) -> tuple[bytes, int]:
    """Return the file of a case with good rows before and after its own, and the number of lines above them."""
    lines = case.data.splitlines(keepends=True)
    if case.name.startswith(("cr", "lf")):
        lines = [line + b"\r\n" for line in case.data.split(b"\r\n")]
        lines[-1] = b""
    leading = LEADING_LINES[case.name]
    header = lines[leading - 1] if case.name == "blank-lines-first" else lines[0]
    line_end = b"\r\n" if header.endswith(b"\r\n") else b"\n"
    delimiter = b";" if b";" in header else b","
    names = [name.strip(b' "') for name in header.rstrip(b"\r\n").split(delimiter)]
    values = {b"": b"", b"sku": b"P%d", b"name": b"Pad", b"description": b"", b"active": b"1"}
    row = delimiter.join(values[name] for name in names) + line_end
    before = b"".join(row % number for number in range(good_rows))
    after = b"".join(row % number for number in range(good_rows, 2 * good_rows))
    end = b"" if lines[-1].endswith(line_end) or not lines[-1] else line_end
    return b"".join([*lines[:leading], before, *lines[leading:], end, after]), leading


@pytest.mark.parametrize("use_fast_path", [True, False], ids=["fast path", "slow path"])
@pytest.mark.parametrize("case", CASES_OF_ROWS, ids=lambda case: case.name)
def test_a_case_between_many_good_rows_has_its_outcome(case: FileCase, use_fast_path: bool) -> None:
    is_large = use_fast_path and case.name in CASES_OF_MANY_ROWS
    good_rows, block = (MANY_GOOD_ROWS, HUGE_BLOCK) if is_large else (GOOD_ROWS, SMALL_BLOCK)
    content, leading = pad(case, good_rows)
    options = FileOptions(accept_short_rows=case.form.get("short_rows") == "accept")
    read = read_file(
        content,
        options,
        block=block,
        chunk_rows=good_rows // 10,
        max_record=MAX_RECORD,
        use_fast_path=use_fast_path,
    )
    sku = read.fields.index("sku")
    name = read.fields.index("name")
    names = {row[sku]: row[name] for row in read.rows}
    rejects = [line - good_rows if line > leading else line for line, _ in read.reject_codes]
    assert sum(row[sku].startswith("P") for row in read.rows) == 2 * good_rows
    found = {row[sku]: names[row[sku]] for row in read.rows if not row[sku].startswith("P")}
    assert (found, rejects) in [
        (
            {sku: values if isinstance(values, str) else values[0] for sku, values in outcome.products.items()},
            list(outcome.rejects),
        )
        for outcome in case.outcomes
    ]
    assert set(case.notices) <= {notice["code"] for notice in read.notices}


@pytest.mark.parametrize("use_fast_path", [True, False], ids=["fast path", "slow path"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("case", [case for case in CASES_OF_ROWS if b";" not in case.data], ids=lambda case: case.name)
def test_a_case_has_its_outcome_with_every_delimiter_and_encoding(
    case: FileCase, delimiter: str, encoding: str, use_fast_path: bool
) -> None:
    text = case.data.decode().replace(",", delimiter)
    options = FileOptions(accept_short_rows=case.form.get("short_rows") == "accept")
    read = read_file(
        gzip.compress(text.encode(encoding), 1), options, max_record=MAX_RECORD, use_fast_path=use_fast_path
    )
    expected = read_file(case.data, options, max_record=MAX_RECORD, use_fast_path=use_fast_path)
    assert read.reject_codes == expected.reject_codes
    assert [tuple(cell.replace(delimiter, ",") for cell in row) for row in read.rows] == expected.rows
    assert [notice["code"] for notice in read.notices] == [notice["code"] for notice in expected.notices]
