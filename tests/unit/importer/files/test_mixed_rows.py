"""Files in which some rows need the parser give the same rows, lines, rejects and notices with and without it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions, open_product_file
from importer.files.rows import RowChunk
from support.reading import Way, read_as

HEADER = ["name", "sku", "active"]
# Rows as a file has them; `{}` stands for a number. Not all of them are well-formed.
SLOW_ROWS = {
    "a space before the SKU": "Bolt, S{},1",
    "no SKU": "Bolt,,1",
    "a row of commas": ",,",
    "a row of empty quotes": '"","",""',
    "a blank line": "",
    "a line of spaces": "   ",
    "an active word to translate": "Bolt,S{}, Ja ",
    "an unknown active word": "Bolt,S{},maybe",
    "a formula": 'Bolt,="00{}",1',
    "a quoted formula": 'Bolt,"=""00{}""",1',
    "a short row": "Bolt,S{}",
    "a very short row": "Bolt",
    "a short row of two lines": '"Bolt\nlong",S{}',
    "a long row": "Bolt,S{},1,x",
    "a long row of empty cells": "Bolt,S{},1,,",
    "an invisible character": "Bolt,S\u200b{},1",
    "not in NFC": "Bolt,Se\u0301{},1",
    "an error": "#N/A,S{},1",
    "an error in a text": "a #N/A,S{},1",
    "a rewritten SKU": "Bolt,{}E+10,1",
    "the header again": "name,sku,active",
    "the SKU of the header": "Bolt,SKU,1",
    "inches": '5" Bolt,S{},1',
    "a space before a quote": 'Bolt, "S{}",1',
    "a bad quote": '"Bolt"x,S{},1',
    "an open quote": '"Bolt,S{},1',
    "a quote that takes in rows": 'Bolt,"S{},1\nNut,T{},1\nNut,"U{}",1',
    "a row within a value": '"Bolt\nx,y,1\nz",S{},1',
    "a value of two lines": '" a\nb", S{},1',
    "a value with CR LF": '"a\r\nb", S{},1',
    "a value with CR": '"a\rb", S{},1',
    "a CR": "Bo\rlt, S{},1",
    "a NUL": "Bo\0lt,S{},1",
    "the end of data": "\\.,S{},1",
    "a long name": "x" * 300 + ",S{},1",
    "a long SKU": "Bolt," + "x" * 300 + "{},1",
    "a quoted long name": '"' + '""' * 300 + '",S{},1',
    "a long s": "Bolt,S{},fal\u017fe",
    "bytes that are not text": "B\udcffolt,S{},1",
}
CLEAN_ROWS = [
    "Nut,N{},1",
    "Nut,N{},",
    '"Nut, round",N{},true',
    '"Nut\nround",N{},No',
    '"Nut ""5""",N{},0',
    '"Nut","N{}","0"',
    "Mutter ä,N{},1",
    '"a\r\nb",N{},1',
]
BLOCKS = [64, 200, 1000, 1 << 20]


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, FileOptions]:
    """Return the content of a file with mostly clean rows, and options."""
    kinds = draw(st.lists(st.sampled_from(sorted(SLOW_ROWS.values())), min_size=1, max_size=3))
    clean = draw(st.lists(st.sampled_from(CLEAN_ROWS), min_size=1, max_size=3))
    line_end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    other_end = draw(st.sampled_from([line_end] * 4 + ["\n", "\r\n", "\r"]))
    text = ",".join(HEADER) + line_end
    for number in range(draw(st.integers(1, 60))):
        kind = draw(st.integers(0, 12))
        row = kinds[kind] if kind < len(kinds) else clean[kind % len(clean)]
        text += row.replace("{}", str(number)) + (other_end if kind == 12 else line_end)
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    delimiter = draw(st.sampled_from(",,;\t|"))
    options = FileOptions(
        delimiter=draw(st.sampled_from([None, delimiter])),
        quote=draw(st.sampled_from([None, None, None, '"', "none", '\\"', "'"])),
        accept_short_rows=draw(st.booleans()),
    )
    if options.quote == "'":
        text = text.replace('"', "'")
    return text.replace(",", delimiter).encode("utf-8", "surrogateescape"), options


ways = st.builds(
    Way,
    block=st.sampled_from(BLOCKS),
    fast_path_misses=st.sampled_from([8, 1 << 30]),
    batch_lines=st.sampled_from([1, 16]),
    chunk_rows=st.sampled_from([1, 3, 20, 1000]),
)


@given(files(), st.lists(ways, min_size=2, max_size=2), st.sampled_from([80, 2000]))
def test_files_with_some_slow_rows_are_read_alike(
    file: tuple[bytes, FileOptions], others: list[Way], max_record: int
) -> None:
    content, options = file
    expected = read_as(content, options, Way(), max_record=max_record)
    for way in [Way(fast_path_misses=1 << 30), *others]:
        assert read_as(content, options, way, max_record=max_record) == expected, way


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "kind",
    [
        "a space before the SKU",
        "no SKU",
        "a row of commas",
        "an active word to translate",
        "an unknown active word",
        "a formula",
        "a quoted formula",
        "a short row",
        "an invisible character",
        "not in NFC",
        "an error",
        "a rewritten SKU",
        "inches",
        "a space before a quote",
        "a value of two lines",
        "bytes that are not text",
    ],
)
def test_the_clean_rows_beside_slow_ones_take_the_fast_path(kind: str, line_end: str, tmp_path: Path) -> None:
    rows = [(SLOW_ROWS[kind] if number % 10 == 5 else "Nut,N{},1").replace("{}", str(number)) for number in range(400)]
    path = tmp_path / "products.csv"
    path.write_bytes(line_end.join([",".join(HEADER), *rows, ""]).encode("utf-8", "surrogateescape"))
    with open_product_file(path, FileOptions(encoding="utf-8"), max_record=1000, max_unpacked_bytes=1 << 20) as file:
        chunks = list(file.read_chunks(1000))
    assert sum(map(_count_clean, chunks)) >= 360


def _count_clean(chunk: RowChunk) -> int:
    return len(chunk.clean_lines) if chunk.around is None else len(chunk.around.lines)


def test_slow_rows_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text('sku,name\n A1,a\nB,"b\nc"\n,x\nA1,"d"\nC,e\n\u200bA1,f\n')
    with open_product_file(path, FileOptions(), max_record=1000, max_unpacked_bytes=1 << 20) as file:
        (chunk,) = (chunk for chunk in file.read_chunks(1000) if chunk.rows or chunk.around)
        payload, count = file.validator.encode_rows(chunk)
    rows = list(csv.reader(io.StringIO(payload.decode(), newline="")))
    assert count == len(rows)
    assert rows == [["A1", "a"], ["B", "b\nc"], ["A1", "d"], ["C", "e"], ["A1", "f"]]
    assert chunk.valid_lines() == [2, 3, 6, 7, 8]
    assert [(reject.line, reject.code) for reject in chunk.rejects] == [(5, "missing_sku")]
