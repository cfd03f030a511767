"""The fast path and the parser read any file alike, in blocks of any size."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions
from importer.errors import UnusableFile
from support.files import read_file

HEADERS = [
    ["sku", "name"],
    ["name", "sku"],
    ["sku", "name", "description"],
    ["name", "active", "sku"],
    ["sku", "active", "description"],
    ["sku"],
]
BOOLEANS = {"1": "t", "true": "t", "0": "f", "no": "f"}
plain_cells = st.sampled_from(["A1", "b2", "", "Bolt", "1", " x", "y ", "é", "x" * 20, "1E+5", "\\", "a\\b"])
odd_cells = st.text(st.sampled_from('ab1 ,;"=\n\r\\.é\ufeff'), max_size=8)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, FileOptions]:
    """Return a file and its options: mostly well-formed rows, and some that are not."""
    header = draw(st.sampled_from(HEADERS))
    delimiter = draw(st.sampled_from(",;\t|"))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    other_end = draw(st.sampled_from([line_end, line_end, "\n", "\r\n", "\r"]))
    lines = [delimiter.join(header) + line_end]
    width = len(header)
    for _ in range(draw(st.integers(0, 12))):
        cells = [_draw_cell(draw, name, delimiter) for name in header]
        kind = draw(st.integers(0, 15))
        if kind == 0:
            cells = cells[: draw(st.integers(0, width))]
        elif kind == 1:
            cells += draw(st.lists(st.sampled_from(["", "", " ", "z"]), max_size=3))
        elif kind == 2:
            cells = [draw(st.sampled_from(['"', "", " ", '""']))] * width
        elif kind == 3:
            cells = header
        end = other_end if draw(st.integers(0, 5)) == 0 else line_end
        lines.append(delimiter.join(cells) + end)
    text = "".join(lines)
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    options = FileOptions(
        delimiter=draw(st.sampled_from([None, delimiter])),
        quote=draw(st.sampled_from([None, None, '"', "none", '\\"'])),
        accept_short_rows=draw(st.booleans()),
    )
    return text, options


def _draw_cell(draw: st.DrawFn, name: str, delimiter: str) -> str:
    if name == "active" and draw(st.integers(0, 5)):
        return draw(st.sampled_from(["1", "true", "No", "", "0"]))
    kind = draw(st.integers(0, 11))
    if kind < 6:
        return draw(plain_cells)
    if kind == 6:
        return draw(odd_cells)
    value = draw(odd_cells if kind < 10 else plain_cells)
    if kind == 11:
        value += f"\nA9{delimiter}x{delimiter}y"
    spaces = " " * draw(st.sampled_from([0, 0, 0, 1, 2]))
    return spaces + '"' + value.replace('"', '""') + '"'


def _read(data: bytes, options: FileOptions, **reading: Any) -> Any:
    try:
        result = read_file(data, options, max_record=500, **reading)
    except UnusableFile as error:
        return str(error)
    notices = [(notice["code"], notice["count"], notice["lines"]) for notice in result.notices]
    # COPY reads several words as the same boolean.
    place = result.fields.index("active") if "active" in result.fields else -1
    rows = [
        tuple(BOOLEANS.get(cell.lower(), cell) if index == place else cell for index, cell in enumerate(row))
        for row in result.rows
    ]
    return rows, result.lines, result.rejects, notices


@given(files(), st.sampled_from([16, 17, 31, 64, 100, 1 << 20]), st.sampled_from([1, 3, 1000]))
def test_each_way_to_read_a_file_gives_the_same(file: tuple[str, FileOptions], block: int, chunk_rows: int) -> None:
    text, options = file
    data = text.encode()
    expected = _read(data, options, use_fast_path=False)
    assert _read(data, options) == expected
    assert _read(data, options, block=block, chunk_rows=chunk_rows) == expected
    assert _read(data, options, block=block, chunk_rows=chunk_rows, use_fast_path=False) == expected
