"""Fixes of values and rows: wherever they are in a file, however it is written, and whichever path reads it."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from importer.columns.product_file import FileOptions
from importer.columns.row_fixer import encode_row
from importer.columns.validation import ACTIVE_WORDS
from importer.files.dialect import Dialect
from importer.files.fixes import Fixes, RowFix, ValueFix
from support.files import ReadResult, read_file
from support.workbooks import create_xlsx

MAYBE = ValueFix("active", "maybe", "no")


def _read(content: str | bytes, *fixes: ValueFix | RowFix, **options: Any) -> ReadResult:
    stored = Fixes(
        [fix for fix in fixes if isinstance(fix, ValueFix)], [fix for fix in fixes if isinstance(fix, RowFix)]
    )
    names = {"block", "use_fast_path", "chunk_rows"}
    reading = {name: options.pop(name) for name in names & options.keys()}
    data = content.encode() if isinstance(content, str) else content
    result = read_file(data, FileOptions(fixes=stored, **options), **reading)
    if "active" in result.fields:
        # The paths leave the words for COPY in different forms.
        place = result.fields.index("active")
        result.rows = [(*row[:place], ACTIVE_WORDS[row[place].lower()], *row[place + 1 :]) for row in result.rows]
    return result


@pytest.mark.parametrize("use_fast_path", [True, False])
@pytest.mark.parametrize("block", [40, 200, 1 << 20])
@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("sku,name,active", "{sku},{name},{active}"),
        ("active,name,sku", "{active},{name},{sku}"),
        ("sku;name;active", "{sku};{name};{active}"),
        ("sku\tname\tactive", "{sku}\t{name}\t{active}"),
        ('"sku","name","active"', '"{sku}","{name}","{active}"'),
        ('sku,"name",active', '{sku},"{name}, ""big""\nand small",{active}'),
        ("sku,name,price,active", "{sku},{name},1.5,{active}"),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_value_is_fixed_in_every_row(header: str, row: str, block: int, use_fast_path: bool, line_end: str) -> None:
    values = ["yes", "maybe", " maybe ", "MAYBE", "no", "maybe", "yes"]
    lines = [row.format(sku=f"A-{number}", name="maybe", active=value) for number, value in enumerate(values)]
    text = line_end.join([header, *lines, ""])
    fixed = _read(text, MAYBE, block=block, use_fast_path=use_fast_path)
    place = fixed.fields.index("active")
    assert [row[place] for row in fixed.rows] == ["t", "f", "f", "f", "f", "t"]
    assert [reject.code for reject in fixed.rejects] == ["invalid_active"]
    assert all("maybe" in values[fixed.fields.index("name")] for values in fixed.rows)
    assert [notice["code"] for notice in fixed.notices] == []
    # Every row keeps its line.
    unfixed = _read(text, use_fast_path=use_fast_path)
    assert sorted([*fixed.lines, fixed.rejects[0].line]) == sorted(
        [*unfixed.lines, *(reject.line for reject in unfixed.rejects)]
    )


@pytest.mark.parametrize("use_fast_path", [True, False])
def test_values_of_clean_rows_are_fixed(use_fast_path: bool) -> None:
    text = 'sku,name\nA,"Say ""hi"""\nB,Lamp\nC, Lamp \nD,Lamps\n'
    fixes: list[ValueFix | RowFix] = [
        ValueFix("name", 'Say "hi"', "Hi, you"),
        ValueFix("name", "Lamp", "Light"),
        ValueFix("sku", "D", "E"),
    ]
    result = _read(text, *fixes, use_fast_path=use_fast_path)
    assert result.rows == [("A", "Hi, you"), ("B", "Light"), ("C", "Light"), ("E", "Lamps")]
    assert result.lines == [2, 3, 4, 5]


def test_an_empty_value_is_fixed() -> None:
    assert _read("sku,active\nA,\nB,yes\nC,\n", ValueFix("active", "", "no")).rows == [
        ("A", "f"),
        ("B", "t"),
        ("C", "f"),
    ]


def test_more_values_are_fixed_than_a_chunk_is_searched_for() -> None:
    fixes: list[ValueFix | RowFix] = [ValueFix("name", f"N{number}", f"M{number}") for number in range(100)]
    rows = "".join(f"A{number},N{number}\n" for number in range(100))
    result = _read("sku,name\n" + rows, *fixes)
    assert result.rows == [(f"A{number}", f"M{number}") for number in range(100)]


def test_a_value_is_replaced_once() -> None:
    fixes: list[ValueFix | RowFix] = [ValueFix("name", "a", "b"), ValueFix("name", "b", "a")]
    assert _read("sku,name\n1,a\n2,b\n", *fixes).rows == [("1", "b"), ("2", "a")]


@pytest.mark.parametrize("use_fast_path", [True, False])
@pytest.mark.parametrize("chunk_rows", [1, 3, 1000])
@pytest.mark.parametrize("block", [40, 1 << 20])
@pytest.mark.parametrize(
    ("bad", "code", "lines"),
    [
        ("X,Lamp,maybe", "invalid_active", 1),
        (",Lamp,yes", "missing_sku", 1),
        ("X,Lamp", "wrong_field_count", 1),
        ('X,"Lamp" big,yes', "bad_quoting", 1),
        ("X,La\0mp,yes", "nul", 1),
        ('X,"La\nmp",maybe', "invalid_active", 2),
        ("X,La\nmp,yes", "wrong_field_count", 1),
    ],
)
def test_a_rejected_row_is_fixed_where_it_is(
    bad: str, code: str, lines: int, block: int, chunk_rows: int, use_fast_path: bool
) -> None:
    before, after = "".join(f"A{n},a,yes\n" for n in range(9)), "".join(f"B{n},b,no\n" for n in range(9))
    text = f"sku,name,active\n{before}{bad}\n{after}"
    reading = {"block": block, "chunk_rows": chunk_rows, "use_fast_path": use_fast_path}
    unfixed = _read(text, **reading)
    assert unfixed.rejects[0][:2] == (11, code)
    fixed = _read(text, RowFix(11, ["X", 'La "m", p', "off"]), **reading)
    assert fixed.rows == [*unfixed.rows[:9], ("X", 'La "m", p', "f"), *unfixed.rows[9:]]
    assert fixed.lines == [*unfixed.lines[:9], 11, *unfixed.lines[9:]]
    assert fixed.rejects == unfixed.rejects[1:]
    assert "unused_fixes" not in {notice["code"] for notice in fixed.notices}


@pytest.mark.parametrize("chunk_rows", [2, 1000])
def test_fixed_rows_at_the_ends_of_the_file(chunk_rows: int) -> None:
    text = 'sku,name\n"A" x,a\n"B" x,b\nC,c\n"D" x,d\n"E" x,e'
    fixes: list[ValueFix | RowFix] = [RowFix(line, [f"F{line}", ""]) for line in (2, 3, 5, 6)]
    result = _read(text, *fixes, chunk_rows=chunk_rows)
    assert (result.rows, result.lines) == (
        [("F2", ""), ("F3", ""), ("C", "c"), ("F5", ""), ("F6", "")],
        [2, 3, 4, 5, 6],
    )
    assert result.rejects == []


def test_a_row_that_is_still_bad_is_rejected_with_its_new_content() -> None:
    text = 'sku;name;active\nA;a;maybe\n"B" x;b;no\n;c;maybe\n'
    fixes: list[ValueFix | RowFix] = [
        RowFix(2, ["A", "a;1", "perhaps"]),
        RowFix(3, ["", 'b"', "no"]),
        ValueFix("active", "maybe", "no"),
    ]
    result = _read(text, *fixes)
    assert [(reject.line, reject.code, reject.row) for reject in result.rejects] == [
        (2, "invalid_active", 'A;"a;1";perhaps'),
        (3, "missing_sku", ';"b""";no'),
        (4, "missing_sku", ";c;no"),
    ]
    assert result.rejects[0].value == "perhaps"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_files_in_any_encoding_are_fixed(encoding: str) -> None:
    text = "Title\n\nsku,name,active\nä,für,maybe\nb,schön,yes\n,größer,maybe\n"
    fixes: list[ValueFix | RowFix] = [MAYBE, RowFix(6, ["ö", "größer", "maybe"])]
    result = _read(text.encode(encoding), *fixes)
    assert result.rows == [("ä", "für", "f"), ("b", "schön", "t"), ("ö", "größer", "f")]
    assert (result.lines, result.rejects) == ([4, 5, 6], [])
    assert _read(gzip.compress(text.encode(encoding)), *fixes).rows == result.rows


def test_rows_of_a_workbook_are_fixed_by_their_row_in_the_sheet() -> None:
    rows: list[list[str | None]] = [
        ["Title"],
        [],
        ["sku", "name", "active"],
        ["A", "two\nlines", "maybe"],
        ["B", "b", "x"],
        ["C", "c", "yes"],
    ]
    result = _read(create_xlsx({"Products": rows}), MAYBE, RowFix(5, ["B", "new", "no"]))
    assert result.rows == [("A", "two\nlines", "f"), ("B", "new", "f"), ("C", "c", "t")]
    assert (result.lines, result.rejects) == ([4, 5, 6], [])


def test_files_in_other_dialects_are_fixed() -> None:
    escaped = 'sku,name,active\nA,"a \\"b\\" c",maybe\nB,"x \\"y\\"",yes\n'
    assert _read(escaped, MAYBE).rows == [("A", 'a "b" c', "f"), ("B", 'x "y"', "t")]
    unquoted = 'sku\tname\tactive\nA\t5" lamp\tmaybe\nB\t7" lamp\tyes\n'
    assert _read(unquoted, MAYBE, quote="none").rows == [("A", '5" lamp', "f"), ("B", '7" lamp', "t")]


def test_columns_with_the_same_name_are_told_apart() -> None:
    text = "sku,name,name\nA,x,x\n"
    mapping: dict[str, str | None] = {"name (1)": None, "name (2)": "name"}
    assert _read(text, ValueFix("name (2)", "x", "y"), mapping=mapping).rows == [("A", "y")]
    long = f"sku,name,name\nA,x,{'x' * 501}\n"
    assert _read(long, mapping=mapping).rejects[0].column == "name (2)"


def test_fixes_that_fit_nothing_are_reported() -> None:
    fixes: list[ValueFix | RowFix] = [
        MAYBE,
        ValueFix("Status", "x", "y"),
        ValueFix("active", "never", "no"),
        RowFix(9, ["Z", "1"]),
    ]
    result = _read("sku,active\nA,maybe\n", *fixes)
    (notice,) = result.notices
    assert (notice["code"], notice["count"], notice["lines"]) == ("unused_fixes", 3, [9])
    assert [sample["text"] for sample in notice["samples"]] == ["Status: x → y", "active: never → no", "Z,1"]


def test_a_row_with_too_many_cells_keeps_its_values() -> None:
    result = _read("sku,active,name\nA,maybe,a,b\n", MAYBE)
    assert [reject.row for reject in result.rejects] == ["A,maybe,a,b"]


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(";", "'"),
        Dialect("\t", '"', escaped=True),
        Dialect(",", '"', wrapped=True),
    ],
)
def test_an_encoded_row_reads_as_the_same_cells(dialect: Dialect) -> None:
    rows = [["a", "b"], ["", ""], ["a,b;c\td", "x\ny"], ['"', "'"], ['a\\"b', "\\"], [" x ", '"a" b'], ["one"], [""]]
    for row in rows:
        assert list(dialect.for_text(line := encode_row(row, dialect)).reader([line])) == [row]
