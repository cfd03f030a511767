"""The fast path accepts only clean rows and reads them as the parser does."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from importer.columns.validation import RowValidator
from importer.files.cells import has_content
from importer.files.dialect import Dialect
from importer.files.fast_path import Layout, find_rows, read_clean_rows
from importer.files.rows import RowChunk, count_line_breaks

LAYOUT = Layout(width=3, sku=1, name=0, active=None, sku_max=8, name_max=8)
VALIDATOR = RowValidator(["name", "sku", "description"], Dialect())

# Few characters, so that short texts are likely to be almost clean.
texts = st.text(st.sampled_from('ab ,"\n\r\\.\0é\udc80'), max_size=60)
cells = st.text(st.sampled_from('abc ,"\n\ré\\.'), max_size=10)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=6)


def parse(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(texts)
@example("a,b,c\nd,e,f")
@example('"a","b","c"\n"d"')
@example('a,"b""c",d\n')
@example('a,b,""""\n')
@example('"a"b,c,d\n')
@example('a"b,c,d\n')
@example("a,b,c\rd,e,f\n")
@example("a,b\nc,d,e,f\n")
@example("a, b,c\n")
@example("a,,c\n")
@example("a,b,c\n\nd,e,f\n")
@example("\n ,\na,b,c\n\r\n,,\n\nd,e,f\n,,,,,,\n")
@example('a,b,"c\n\n"\n\nd,"e","f"\n,,\n \n')
@pytest.mark.parametrize("at_end", [False, True])
def test_accepted_text_is_complete_rows_that_mean_the_same_to_copy(at_end: bool, text: str) -> None:
    clean = read_clean_rows(text, LAYOUT, at_end=at_end)
    if clean is None:
        return
    accepted = text[: clean.length]
    expected = list(filter(has_content, parse(accepted)))
    assert parse(clean.payload.decode()) == expected
    assert len(expected) == clean.rows > 0
    assert all(len(row) == 3 and row[1] == row[1].strip() != "" for row in expected)
    assert all(len(row[0]) <= 8 and len(row[1]) <= 8 for row in expected)
    # The rest starts at the start of a row.
    assert accepted.endswith(("\n", "\r")) or (at_end and accepted == text)
    # COPY requires one kind of line end outside of quotes, and no end-of-data marker.
    assert "\\." not in clean.payload.decode()
    assert clean.line_ends == count_line_breaks(accepted)
    assert clean.line_ends_in_values == sum(value.count("\n") for row in expected for value in row)
    assert list(clean.lines) == find_first_lines(accepted)
    assert not [line for row in expected for value in row for line in find_rows(value, 3, ",")]


def find_first_lines(text: str) -> list[int]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    starts, start = [], 1
    for row in reader:
        if has_content(row):
            starts.append(start)
        start = reader.line_num + 1
    return starts


@given(tables, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_the_fast_path_and_the_validation_agree(table: list[list[str]], line_end: str, quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    # Older versions of `csv.writer` do not quote a single CR, which makes another table.
    assume(parse(out.getvalue()) == table)
    clean = read_clean_rows(out.getvalue(), LAYOUT, at_end=True)
    if clean is not None:
        payload, rows = VALIDATOR.encode_rows(RowChunk(table, 1))
        expected = list(filter(has_content, table))
        assert rows == clean.rows == len(expected)
        assert parse(payload.decode()) == parse(clean.payload.decode()) == expected


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_ordinary_files_take_the_fast_path(quoting: int, line_end: str) -> None:
    table = [["Lamp, big", "A-1", "Two\nlines"], ["Lamp", "A-2", ""], ["Été", "A-3", "plain"]]
    table = [[name[:8], sku, text] for name, sku, text in table]
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    clean = read_clean_rows(out.getvalue(), LAYOUT, at_end=True)
    assert clean is not None
    assert (clean.rows, clean.length) == (3, len(out.getvalue()))


@pytest.mark.parametrize(
    "row",
    [
        " s,n,d,1",
        "s ,n,d,1",
        '" s",n,d,1',
        ",n,d,1",
        '"",n,d,1',
        "s2345678,n,d,1",
        "s,n2345678,d,1",
        's,"n""345678",d,1',
        "s,n,d",
        "s,n,d,1,",
        "s,n,d,maybe",
        's,n,d,"maybe"',
        "s,n,d, 1",
        "s,n,\\.,1",
        "s,n,\0,1",
        "s,n,\udc80,1",
        "s,n,d,1\rs,n,d,1",
        "s,n\rd,e,1",
        's,"n"n,d,1',
        's,n"n",d,1',
        's,"n" "n",d,1',
    ],
)
def test_text_that_is_not_clean_is_left_to_the_parser(row: str) -> None:
    layout = Layout(width=4, sku=0, name=1, active=3, sku_max=7, name_max=7)
    before, after = 'a,b,"c, d",true\n', "s234567,n234567,d2345678,F\n"
    clean = read_clean_rows(before + after, layout, at_end=True)
    assert clean is not None
    assert clean[:3] == (f"{before}{after}".encode(), 2, len(before + after))
    assert read_clean_rows(f"{before}{row}\n{after}", layout, at_end=True) is None
    assert read_clean_rows(f"{row}\n{after}", layout, at_end=False) is None


def test_an_incomplete_row_is_not_accepted() -> None:
    clean = read_clean_rows('a,b,c\nd,e,"f\ng', LAYOUT, at_end=False)
    assert clean is not None
    assert (clean.payload, clean.rows, clean.length) == (b"a,b,c\n", 1, 6)
    assert read_clean_rows('d,e,"f\ng', LAYOUT, at_end=False) is None


@pytest.mark.parametrize("blank", ["\n", "\r\n", "\n\n\n", "  \n", ",,,\n", ",\n", " ,\t,,,,,\n", "\u3000\n"])
@pytest.mark.parametrize("row", ["a,b,c\n", '"a","b","c\n\n,,\nd"\n'])
def test_blank_lines_between_clean_rows_are_left_out(row: str, blank: str) -> None:
    for text in (blank + row + blank + row, row + blank * 3 + row, row + row + blank * 2):
        clean = read_clean_rows(text, LAYOUT, at_end=True)
        assert clean is not None
        assert clean[:3] == ((2 * row).encode(), 2, len(text))
    assert read_clean_rows(blank * 2, LAYOUT, at_end=True) is None
