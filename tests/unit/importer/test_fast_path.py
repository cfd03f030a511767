"""The short cut for clean CSV takes nothing that it should not, and changes nothing."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from importer.columns.validation import Columns
from importer.files.fast_path import Layout, take_clean
from importer.files.rows import Records

LAYOUT = Layout(width=3, sku=1, name=0, active=None, sku_max=8, name_max=8)
COLUMNS = Columns(["name", "sku", "description"])

# Letters that matter, so that short texts are likely to be nearly right.
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
@pytest.mark.parametrize("at_end", [False, True])
def test_what_is_taken_is_whole_records_that_mean_the_same_to_copy(at_end: bool, text: str) -> None:
    clean = take_clean(text, LAYOUT, at_end=at_end)
    if clean is None:
        return
    taken = text[: clean.length]
    expected = parse(taken)
    assert parse(clean.payload.decode()) == expected
    assert len(expected) == clean.rows > 0
    assert all(len(row) == 3 and row[1] == row[1].strip() != "" for row in expected)
    assert all(len(row[0]) <= 8 and len(row[1]) <= 8 for row in expected)
    # The rest is what a parser finds behind these records.
    assert taken.endswith(("\n", "\r")) or (at_end and taken == text)
    # COPY wants one kind of line end outside of quotes, and no end-of-data mark.
    assert "\\." not in clean.payload.decode()


@given(tables, st.sampled_from(["\n", "\r\n"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_the_short_cut_and_the_parser_agree(table: list[list[str]], line_end: str, quoting: int) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    # Older writers leave a lone CR unquoted, which is another table then.
    assume(parse(out.getvalue()) == table)
    clean = take_clean(out.getvalue(), LAYOUT, at_end=True)
    if clean is not None:
        payload, rows = COLUMNS.copy_rows(Records(table, 1))
        assert rows == clean.rows == len(table)
        assert parse(payload.decode()) == parse(clean.payload.decode()) == table


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_ordinary_files_take_the_short_cut(quoting: int, line_end: str) -> None:
    table = [["Lamp, big", "A-1", "Two\nlines"], ["Lamp", "A-2", ""], ["Été", "A-3", "plain"]]
    table = [[name[:8], sku, text] for name, sku, text in table]
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    clean = take_clean(out.getvalue(), LAYOUT, at_end=True)
    assert clean is not None
    assert (clean.rows, clean.length) == (3, len(out.getvalue()))


def test_a_record_that_is_not_whole_yet_is_left() -> None:
    clean = take_clean('a,b,c\nd,e,"f\ng', LAYOUT, at_end=False)
    assert clean is not None
    assert (clean.payload, clean.rows, clean.length) == (b"a,b,c\n", 1, 6)
    assert take_clean('d,e,"f\ng', LAYOUT, at_end=False) is None
