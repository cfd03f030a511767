"""The lines of rows: the fast path and the parser find the same ones."""

from __future__ import annotations

import random

import pytest

from support.files import HUGE_BLOCK, read_file

CELLS = ["x", '"y"', '"a\nb"', '"a\r\nb\r\n"', '"a\rb"', '"q""u\n""o"', '""', " "]
BREAKS = ["\n", "\r\n", "\n\n", "\n , \n", "\n,\r\n"]


@pytest.mark.parametrize("seed", range(40))
def test_the_fast_path_and_the_parser_find_the_same_lines(seed: int) -> None:
    picker = random.Random(seed)
    rows = [f"s{number},{picker.choice(CELLS)},{picker.choice(CELLS)}" for number in range(30)]
    text = "sku,name,description\n" + "".join(row + picker.choice(BREAKS) for row in rows[:-1]) + rows[-1]
    text += picker.choice(["", *BREAKS])
    expected, line = [], 1
    for part in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if part.startswith("s") and part[1:2].isdigit():
            expected.append(line)
        line += 1
    for use_fast_path in (False, True):
        for block, chunk_rows in ((HUGE_BLOCK, 1000), (64, 7), (300, 1000)):
            file = read_file(text.encode(), block=block, chunk_rows=chunk_rows, use_fast_path=use_fast_path)
            assert file.lines == expected


def test_rejected_rows_have_no_line_among_the_valid_ones() -> None:
    content = b"sku,name,description\na,x,\n,no sku,\nb,x\nc,x,\n"
    for use_fast_path in (False, True):
        file = read_file(content, use_fast_path=use_fast_path)
        assert file.lines == [2, 5]
        assert [reject.line for reject in file.rejects] == [3, 4]


def test_blank_lines_between_unquoted_rows_count() -> None:
    content = b"sku,name,description\na,x,\n\n , \nb,x,\n\n\nc,x,"
    for use_fast_path in (False, True):
        assert read_file(content, use_fast_path=use_fast_path).lines == [2, 5, 8]
