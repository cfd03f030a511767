"""Accepted short rows: the cells that they lack are NULL for COPY, in every kind of file and on every path."""

from __future__ import annotations

import gzip

import pytest

from importer.columns.product_file import FileOptions
from support.reading import Way, read_as

WAYS = [Way(), Way(fast_path_misses=8), Way(block=1, fast_path_misses=8), Way(block=7, batch_lines=2, chunk_rows=1)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(
    ("text", "rows", "rejects"),
    [
        ("sku,name,active\nA1\nA2,Nut\nA3,,\n", [("A1", None, None), ("A2", "Nut", None), ("A3", "", "")], []),
        ('sku,name,active\n"A1"\n"A2",""\n"A3","",""\n', [("A1", None, None), ("A2", "", None), ("A3", "", "")], []),
        # The SKU is the last column: a short row has none.
        ("name,sku\nBolt\nNut,A2\n", [("Nut", "A2")], [(2, "missing_sku")]),
        # The row ends with its SKU.
        ("name,sku,active\nBolt,A1\nNut,A2,1\n", [("Bolt", "A1", None), ("Nut", "A2", "t")], []),
        # The last column has no name, so no row needs it.
        ("sku,name,\nA1,Bolt\nA2\nA3,Pin,\n", [("A1", "Bolt"), ("A2", None), ("A3", "Pin")], []),
        ('sku,name,description\nA1,"Bolt,\nM8"\nA2,Nut,x\n', [("A1", "Bolt,\nM8", None), ("A2", "Nut", "x")], []),
        # Blank lines and surplus cells beside short rows.
        ("sku,name,active\nA1\n\n,,\nA2,Nut,1,,\n", [("A1", None, None), ("A2", "Nut", "t")], []),
    ],
)
def test_the_cells_that_a_short_row_lacks_are_null(
    text: str, rows: list[tuple[str | None, ...]], rejects: list[tuple[int, str]], encoding: str, pack: type, way: Way
) -> None:
    read = read_as(pack(text.encode(encoding)), FileOptions(accept_short_rows=True), way)
    assert (read.rows, [(reject.line, reject.code) for reject in read.rejects]) == (rows, rejects)


@pytest.mark.parametrize("line", [1, 90, 200])
@pytest.mark.parametrize("way", WAYS[:2])
def test_short_rows_are_found_within_the_sample_of_a_file_and_after_it(line: int, way: Way) -> None:
    lines = [f"P{number},Pad,1\n" for number in range(200)]
    lines.insert(line, "A1\n")
    content = "".join(["sku,name,active\n", *lines]).encode()
    read = read_as(content, FileOptions(accept_short_rows=True), way)
    assert [row for row in read.rows if None in row] == [("A1", None, None)]
    assert read.lines == list(range(2, 203))


def test_a_short_row_of_several_lines_is_rejected_if_a_line_may_be_another_row() -> None:
    content = b'sku,name,description\nA1,"Bolt,\nA2,Nut, x\nb"\nA4,b,c\n'
    read = read_as(content, FileOptions(accept_short_rows=True), Way())
    assert read.rows == [("A2", "Nut", " x"), ("A4", "b", "c")]
    assert [(reject.line, reject.code) for reject in read.rejects] == [(2, "bad_quoting"), (4, "bad_quoting")]
