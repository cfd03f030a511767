"""Text after a closing quote is never taken for another field, so its row is rejected."""

from __future__ import annotations

import pytest

from importer.columns.product_file import FileOptions
from support.files import read_file


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize(("use_fast_path", "chunk_rows"), [(True, 1000), (False, 1000), (False, 1)])
@pytest.mark.parametrize(
    ("rows", "quote", "lines"),
    [
        ('A1,"two\nlines" "x"\nA2, "Nut"\n', None, [2, 3]),
        ('A1, "Bolt" "x"\nA2, "Nut"\n', None, [2]),
        ('A0,"," "x\nA2, "Nut"\n', None, [2]),
        ('",","\\"x\nA2, "Nut"\n', '\\"', [2]),
    ],
)
def test_text_after_a_closing_quote_is_rejected(
    rows: str, quote: str | None, lines: list[int], use_fast_path: bool, chunk_rows: int, block: int
) -> None:
    content = ("sku,name\n" + rows).encode()
    options = FileOptions(quote=quote)
    file = read_file(content, options, block=block, use_fast_path=use_fast_path, chunk_rows=chunk_rows)
    assert file.rows == [("A2", "Nut")]
    assert [reject.line for reject in file.rejects] == lines
