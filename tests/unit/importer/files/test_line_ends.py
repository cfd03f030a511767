"""Which line end ends the rows of a file, and what happens at the others."""

from __future__ import annotations

import pytest

from importer.columns.product_file import FileOptions
from support.reading import Way, read_as

WAYS = [Way(), Way(fast_path_misses=8), Way(block=1, fast_path_misses=8), Way(block=7, batch_lines=2, chunk_rows=1)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("content", "rows", "rejects"),
    [
        # No row ends with CR LF, so the line end of the header is an exception.
        (b"sku,name\r\nA1,Red\nA2\nA3,Blue\n", [("A1", "Red"), ("A3", "Blue")], [3]),
        (b"sku,name,description\r\nA1,Red\nA2,Blue\n", [], [2, 3]),
        (b'sku,name\r\nA1,"Red\r\nShirt"\nA2\nA3,Blue\n', [("A1", "Red\r\nShirt"), ("A3", "Blue")], [4]),
        # Some rows end with CR LF, so the text up to the next one is one row. Where it ends is not known here.
        (b"sku,name,description\r\nA0,a,b\r\nA1,Red\nA2,Blue\n", [("A0", "a", "b")], [3, 4]),
        (b"sku,name\r\nA1,Red\nShirt", [("A1", "Red\nShirt")], []),
        # Blank lines are no parts of rows, whatever their line end.
        (b'sku,name\n" "\rA1,Red\n', [("A1", "Red")], []),
        (b"sku,name\r\n,\nA1,Red\r\n", [("A1", "Red")], []),
    ],
)
def test_the_line_ends_of_a_file_show_where_its_rows_end(
    content: bytes, rows: list[tuple[str, ...]], rejects: list[int], way: Way
) -> None:
    read = read_as(content, FileOptions(), way)
    assert (read.rows, [reject.line for reject in read.rejects]) == (rows, rejects)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("content", [b"sku\r\nA\rB\r\nC\r\n", b"sku\r\nA\nB\r\nC\r\n", b"sku\nA\rB\nC\n"])
def test_other_line_ends_in_the_only_column_are_reported(content: bytes, way: Way) -> None:
    read = read_as(content, FileOptions(), way)
    assert read.rows == [("A",), ("B",), ("C",)]
    assert [(notice["code"], notice["lines"]) for notice in read.notices] == [("line_ends_differ", [2])]


@pytest.mark.parametrize("way", WAYS)
def test_rows_within_a_value_are_found_at_each_line_end(way: Way) -> None:
    read = read_as(b'sku,name\nA1,"x\rA2,y\r"\n', FileOptions(), way)
    assert [notice["code"] for notice in read.notices] == ["rows_inside_a_value"]
