"""From bytes to records: whatever the file holds and wherever its blocks end, no row is changed and no line is lost."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.columns.validation import Columns
from importer.errors import UnusableFile
from importer.files import encoding, parser, row_reader, text_buffer
from importer.files.parser import Parser
from importer.files.rows import Reject
from importer.files.text_source import Source

LINE_END = re.compile("\r\n|\r|\n")
HUGE_BLOCK = 1 << 20
HEADER = "sku,name\n"

text_cells = st.text(
    st.sampled_from('ab",;\r\n\t \\\x01\x02é\u2028\ufeff🙂')
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=12,
)
line_ends = st.sampled_from(["\n", "\r\n", "\r"])
quotings = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
block_sizes = st.integers(16, 200)
chunk_sizes = st.integers(1, 50)
# Text in which something is likely to be wrong.
broken_texts = st.lists(
    st.sampled_from(['"', '""', ",", "\n", "\r", "\r\n", "a", "bc", " ", "\0", "é", "x" * 20, '","', '"\n', '\n"'])
).map("".join)
broken_rows = st.lists(
    st.sampled_from(
        ['a,"b', 'a,"b"', 'a,"b"c', "d,e", 'f",g,"h', '"', '""', "i", "", "j\0", '"k\n', '",l', 'm,"n\n\n\no",p']
    )
).map("\n".join)
broken_bytes = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\0", b"\xff", b"\xe9", b"\xf0\x9f"])).map(
    b"".join
)


@dataclass
class Parsed:
    """What came out of a file: rows and rejects, each with the line where it starts."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@contextmanager
def opened(
    content: bytes, *, block: int = HUGE_BLOCK, max_record: int = 10_000, max_unpacked_bytes: int = 1 << 30
) -> Iterator[Parser]:
    """A parser of `content` that reads it in blocks of `block` bytes."""
    with (
        tempfile.NamedTemporaryFile() as file,
        mock.patch.object(encoding, "BLOCK_BYTES", block),
        mock.patch.object(text_buffer, "BLOCK_BYTES", block),
        mock.patch.object(parser, "BLOCK_BYTES", block),
    ):
        file.write(content)
        file.flush()
        with Source(Path(file.name), max_unpacked_bytes=max_unpacked_bytes) as opened_source:
            yield Parser(opened_source, max_record=max_record)


def parse(content: bytes, *, block: int = HUGE_BLOCK, chunk_rows: int = 1000, max_record: int = 10_000) -> Parsed:
    """Reads a whole file; blank lines are left out."""
    parsed = Parsed()
    with opened(content, block=block, max_record=max_record) as reader:
        reader.header()
        for records in reader.chunks(chunk_rows):
            assert len(records.rows) <= chunk_rows
            parsed.rows += [(line, row) for line, row in zip(records.lines(), records.rows, strict=True) if row]
            parsed.rejects += records.rejects
    return parsed


def as_record(row: list[str], quoting: int) -> str:
    """A row as `csv.writer` writes it, without its line end."""
    out = io.StringIO()
    # With this line end every Python version quotes both CR and LF.
    csv.writer(out, quoting=quoting, lineterminator="\r\n").writerow(row)  # type: ignore[arg-type]
    return out.getvalue().removesuffix("\r\n")


@given(
    records=st.lists(st.tuples(st.lists(text_cells, max_size=4), quotings, line_ends), max_size=12),
    ends_with_line=st.booleans(),
    mark=st.booleans(),
    packed=st.booleans(),
    block=block_sizes,
    chunk_rows=chunk_sizes,
)
def test_every_table_comes_back_as_it_was_written_with_the_lines_of_its_rows(
    records: list[tuple[list[str], int, str]],
    ends_with_line: bool,
    mark: bool,
    packed: bool,
    block: int,
    chunk_rows: int,
) -> None:
    text, expected = HEADER, []
    for number, (row, quoting, line_end) in enumerate(records, 1):
        if row:
            expected.append((1 + len(LINE_END.findall(text)), row))
        text += as_record(row, quoting) if row else ""
        text += line_end if ends_with_line or number < len(records) else ""
    content = text.encode("utf-8-sig" if mark else "utf-8")
    parsed = parse(gzip.compress(content, 1) if packed else content, block=block, chunk_rows=chunk_rows)
    assert parsed == Parsed(rows=expected)


@given(broken_texts.map(str.encode) | broken_bytes | st.binary(), block_sizes, chunk_sizes, st.integers(10, 100))
@example(b'a,"x\r', 16, 1, 100)
@example(b'a,"b\n","c\n","d\n","e\n', 16, 2, 10)
@example(b'a,"b\n' + b"x" * 300 + b'",c\nd,e\n', 16, 3, 40)
def test_no_line_is_lost_or_read_twice(content: bytes, block: int, chunk_rows: int, max_record: int) -> None:
    content = HEADER.encode() + content
    parsed = parse(content, block=block, chunk_rows=chunk_rows, max_record=max_record)
    taken = [
        line + more for line, row in parsed.rows for more in range(1 + sum(len(LINE_END.findall(cell)) for cell in row))
    ]
    taken += [reject.line + more for reject in parsed.rejects for more in range(1 + len(LINE_END.findall(reject.row)))]
    assert len(taken) == len(set(taken))
    lines = LINE_END.split(content.decode("utf-8", "surrogateescape"))
    assert {number for number, line in enumerate(lines, 1) if line and number > 1} <= set(taken)


@given(st.binary() | broken_texts.map(str.encode) | broken_bytes, st.booleans(), st.booleans(), block_sizes)
@example(b"", True, False, 16)
@example(b"\xff\xfes\0k\0u\0", False, False, 16)
@example(b"\n\n,,\n \n", False, False, 16)
def test_any_bytes_end_in_rows_and_rejects_or_in_a_sentence(
    content: bytes, packed: bool, headed: bool, block: int
) -> None:
    content = HEADER.encode() + content if headed else content
    content = gzip.compress(content, 1) if packed else content
    try:
        with opened(content, block=block, max_record=100) as reader:
            columns = Columns(reader.header())
            for records in reader.chunks(7):
                columns.copy_rows(records)
                for reject in records.rejects:
                    assert reject.code and reject.message.endswith(".")
                    assert "\0" not in reject.row.encode().decode()
    except UnusableFile as error:
        assert str(error).endswith(".")
        str(error).encode()


@given(st.data())
def test_a_damaged_gzip_file_ends_in_rows_or_in_a_sentence(data: st.DataObject) -> None:
    content = bytearray(gzip.compress(b"sku,name\n" + b"a,b\n" * 50))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        parse(bytes(content[:cut]) + data.draw(st.binary(max_size=4)), block=64)
    except UnusableFile as error:
        assert str(error).endswith(".")


@given(broken_texts | st.text('ab",\r\n\0'), block_sizes, chunk_sizes, st.integers(10, 100))
@example("aaaaaaaaa,bbbbbbbbb\nc,d\n", 16, 1, 15)
@example('a,"b\nbbbbbbbbbbbb"\nc,d\n', 16, 1, 15)
@example('a,"b\nbbbbbbbbbbbb",' + "c" * 40 + "\nc,d\n", 16, 1, 15)
def test_where_blocks_and_chunks_end_changes_nothing(text: str, block: int, chunk_rows: int, max_record: int) -> None:
    content = (HEADER + text).encode()
    tiny = parse(content, block=block, chunk_rows=chunk_rows, max_record=max_record)
    assert tiny == parse(content, max_record=max_record)


@given(broken_texts | broken_rows, block_sizes, chunk_sizes)
def test_looking_at_many_lines_together_changes_nothing(text: str, block: int, chunk_rows: int) -> None:
    content = (HEADER + text).encode()
    together = parse(content, block=block, chunk_rows=chunk_rows)
    with mock.patch.object(row_reader, "TOGETHER_LINES", 1 << 30):
        assert parse(content) == together
    with mock.patch.object(row_reader, "TOGETHER_LINES", 2):
        assert parse(content) == together


def copied(
    content: bytes, *, short_cut: bool, block: int, chunk_rows: int, max_record: int
) -> tuple[list[list[str]], list[Reject]]:
    """What COPY gets of a file, and what is set aside, in the order of the file."""
    rows: list[list[str]] = []
    rejects: list[Reject] = []
    with opened(content, block=block, max_record=max_record) as reader:
        columns = Columns(reader.header())
        for records in reader.chunks(chunk_rows, columns.layout if short_cut else None):
            payload, count = columns.copy_rows(records)
            assert count <= chunk_rows
            added = list(csv.reader(io.StringIO(payload.decode(), newline=""), strict=True))
            assert len(added) == count
            rows += added
            rejects += records.rejects
    return rows, sorted(rejects)


almost_clean_texts = st.lists(
    st.sampled_from(
        ["a,b\n"] * 6 + ['"c","d"\n', 'e,"f\n""g"\r\n', "h\n", "\n", 'i,"j"k\n', 'l,"m\n', "n,\0\n", "o,p\r"]
    ),
    max_size=30,
).map("".join)


@given(almost_clean_texts, block_sizes, chunk_sizes, st.integers(10, 100))
def test_the_short_cut_for_clean_blocks_changes_nothing(
    text: str, block: int, chunk_rows: int, max_record: int
) -> None:
    content = (HEADER + text).encode()
    short = copied(content, short_cut=True, block=block, chunk_rows=chunk_rows, max_record=max_record)
    assert short == copied(content, short_cut=False, block=HUGE_BLOCK, chunk_rows=1000, max_record=max_record)


good_rows = st.lists(
    st.lists(st.sampled_from(["a", '"b"', '"b,c"', '"b\nc"', '"b""c"', 'd"e', ""]), min_size=2, max_size=3),
    max_size=8,
).map(lambda rows: [",".join(row) for row in rows])


@given(good_rows, st.sampled_from(['x,"y"z', 'x,"y" ,z', '"x" y', 'x,"y"z","']), good_rows, block_sizes)
def test_a_field_that_goes_on_behind_its_quote_costs_its_own_line_and_no_other(
    before: list[str], bad: str, behind: list[str], block: int
) -> None:
    expected = parse("\n".join([HEADER.strip(), *before, "x,y", *behind]).encode())
    line = expected.rows[len(before)][0]
    parsed = parse("\n".join([HEADER.strip(), *before, bad, *behind]).encode(), block=block)
    assert parsed.rows == [row for row in expected.rows if row[0] != line]
    assert [(reject.line, reject.code, reject.row) for reject in parsed.rejects] == [(line, "bad_quoting", bad)]


# What an open quote does is only seen at the next one: where that is followed by text, or there is none within the
# limit, it did not close anything. Where it is followed by a comma or a line end it did, and the rows between are one
# field, as RFC 4180 has it.
rows_that_close_nothing = st.lists(
    st.lists(st.sampled_from(["a", '"b"', '"b\nc"', '"b""c"']), min_size=2, max_size=3), max_size=8
).map(lambda rows: [",".join(row) for row in rows])


@given(good_rows, st.sampled_from(['x,"y', '"x,y', 'x,"y""']), rows_that_close_nothing, block_sizes)
def test_a_quote_that_is_never_closed_costs_its_own_line_and_no_other(
    before: list[str], bad: str, behind: list[str], block: int
) -> None:
    expected = parse("\n".join([HEADER.strip(), *before, "x,y", *behind]).encode())
    line = expected.rows[len(before)][0]
    parsed = parse("\n".join([HEADER.strip(), *before, bad, *behind]).encode(), block=block)
    assert parsed.rows == [row for row in expected.rows if row[0] != line]
    assert [(reject.line, reject.code, reject.row) for reject in parsed.rejects] == [(line, "bad_quoting", bad)]


@pytest.mark.parametrize("block", [16, HUGE_BLOCK])
def test_a_record_is_taken_up_to_the_limit_and_set_aside_beyond_it(block: int) -> None:
    content = HEADER + "a," + "x" * 17 + "\nb," + "x" * 18 + '\nc,"' + "\n" * 15 + '"\nd,"' + "x\n" * 8 + '"\ne,f\n'
    parsed = parse(content.encode(), block=block, max_record=20)
    assert parsed.rows[0] == (2, ["a", "x" * 17])
    assert parsed.rows[1] == (4, ["c", "\n" * 15])
    assert parsed.rows[-1][1] == ["e", "f"]
    assert [(reject.line, reject.code) for reject in parsed.rejects][:2] == [(3, "row_too_long"), (20, "bad_quoting")]


def test_a_long_line_behind_a_quoted_line_end_is_not_cut_in_two() -> None:
    parsed = parse((HEADER + 'a,"b\nc",' + "x" * 500 + "\nd,e\n").encode(), block=16, max_record=50)
    assert parsed.rows == [(4, ["d", "e"])]
    assert [(reject.line, reject.code) for reject in parsed.rejects] == [(2, "bad_quoting"), (3, "row_too_long")]


def test_the_line_of_a_header_behind_blank_lines_counts_too() -> None:
    with opened(b'\n\r\n , \rsku,"na\nme"\n\na,b\n') as reader:
        assert reader.header() == ["sku", "na\nme"]
        (records,) = list(reader.chunks(10))
    assert [(line, row) for line, row in zip(records.lines(), records.rows, strict=True) if row] == [(7, ["a", "b"])]


def test_a_nul_costs_only_its_row_whatever_ends_the_lines() -> None:
    for line_end in (b"\n", b"\r\n", b"\r"):
        parsed = parse(line_end.join([b"sku,name", b"a,b", b"c,\0", b'd,"e\0', b'f"', b"g,h"]))
        assert [row for _, row in parsed.rows] == [["a", "b"], ["g", "h"]]
        assert [(reject.line, reject.code) for reject in parsed.rejects] == [(3, "nul"), (4, "nul")]
