"""Rows that line ends within values break, in files whose rows end with CR LF."""

from __future__ import annotations

import time

import pytest

from importer.columns.product_file import FileOptions
from support.files import read_file


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize("use_fast_path", [True, False])
@pytest.mark.parametrize(
    ("content", "accept_short_rows"),
    [
        (b"name,sku\r\nRed\n\nShirt,A1\r\nBlue,A2\r\n", False),
        (b"name,sku\r\nRed\n\nShirt,A1\r\nBlue,A2\r\n", True),
        (b"name,sku\r\nRed\r\r\rShirt,A1\r\nBlue,A2\r\n", False),
        (b"sku,name\r\nA1,Red\n\nShirt\r\nA2,Blue\r\n", True),
    ],
)
def test_no_half_of_a_row_with_blank_lines_in_a_value_is_imported(
    content: bytes, accept_short_rows: bool, use_fast_path: bool, block: int
) -> None:
    options = FileOptions(accept_short_rows=accept_short_rows)
    file = read_file(content, options, block=block, use_fast_path=use_fast_path)
    assert [sorted(row) for row in file.rows] == [["A2", "Blue"]]
    assert [reject.line for reject in file.rejects] == [2, 3 + content.count(b"\n\n") + content.count(b"\r\r\r") * 2]


def test_rows_with_other_line_ends_than_the_header_are_joined_in_linear_time() -> None:
    def measure(rows: int) -> float:
        start = time.process_time()
        read_file(b"sku,name\r\nA0\n" + b"A1234567,Bolt and nut\n" * rows, max_record=1 << 21)
        return time.process_time() - start

    measure(100)
    assert measure(40_000) < 30 * max(measure(4_000), 0.02)
