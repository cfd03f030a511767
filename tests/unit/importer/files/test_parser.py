"""The parser changes no row and loses no line, whatever the file contains and wherever its blocks end."""

from __future__ import annotations

import csv
import gzip
import io
import re
import string
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.columns.column_mapping import map_columns
from importer.columns.validation import RowValidator
from importer.errors import UnusableFile
from importer.files.cells import has_content
from importer.files.dialect import Dialect
from importer.files.parser import Parser
from importer.files.rows import Reject
from importer.files.text_source import TextSource
from importer.files.tuning import ReaderTuning

LINE_END = re.compile("\r\n|\r|\n")
# A line of only these characters may be a row of empty cells.
BLANK = string.whitespace + '\x1a\x1c\x1d\x1e\x1f,"\ufeff'
HUGE_BLOCK = 1 << 20
HEADER = "sku,name\n"

text_cells = st.text(
    # Byte order marks and the end of a DOS file are removed before lines, see test_text_source.py.
    st.sampled_from('ab",;\r\n\t \\\x01\x02é\u2028🙂')
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1a\ufeff"),
    max_size=12,
)
line_ends = st.sampled_from(["\n", "\r\n", "\r"])
quotings = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
block_sizes = st.integers(16, 200)
chunk_sizes = st.integers(1, 50)
# Texts that are likely to be malformed.
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
    """The rows and rejects of a file, each with its first line."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@contextmanager
def open_parser(
    content: bytes, *, block: int = HUGE_BLOCK, max_record: int = 10_000, batch_lines: int = 16
) -> Iterator[Parser]:
    """Open a parser that reads `content` in blocks of `block` bytes."""
    tuning = ReaderTuning(block_bytes=block, batch_lines=batch_lines)
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with TextSource(Path(file.name), max_unpacked_bytes=1 << 30, encoding="utf-8", block_bytes=block) as source:
            yield Parser(source, max_record=max_record, tuning=tuning)


def parse(
    content: bytes,
    *,
    block: int = HUGE_BLOCK,
    chunk_rows: int = 1000,
    max_record: int = 10_000,
    batch_lines: int = 16,
) -> Parsed:
    """Parse a whole file, without its blank lines and rows of empty cells."""
    parsed = Parsed()
    with open_parser(content, block=block, max_record=max_record, batch_lines=batch_lines) as parser:
        parser.read_header()
        for chunk in parser.read_chunks(chunk_rows):
            assert len(chunk.rows) <= chunk_rows
            parsed.rows += [
                (line, row) for line, row in zip(chunk.lines(), chunk.rows, strict=True) if has_content(row)
            ]
            parsed.rejects += chunk.rejects
    parsed.rejects.sort()
    return parsed


def encode_row(row: list[str], quoting: int) -> str:
    """Return a row as `csv.writer` writes it, without its line end."""
    out = io.StringIO()
    # With this line end, every Python version quotes both CR and LF.
    csv.writer(out, quoting=quoting, lineterminator="\r\n").writerow(row)  # type: ignore[arg-type]
    return out.getvalue().removesuffix("\r\n")


@given(
    records=st.lists(st.tuples(st.lists(text_cells, min_size=2, max_size=2), quotings), max_size=12),
    line_end=line_ends,
    ends_with_line=st.booleans(),
    byte_order_mark=st.booleans(),
    packed=st.booleans(),
    block=block_sizes,
    chunk_rows=chunk_sizes,
)
def test_every_table_is_read_as_it_was_written_with_the_lines_of_its_rows(
    records: list[tuple[list[str], int]],
    line_end: str,
    ends_with_line: bool,
    byte_order_mark: bool,
    packed: bool,
    block: int,
    chunk_rows: int,
) -> None:
    text, expected = HEADER.replace("\n", line_end), []
    for number, (row, quoting) in enumerate(records, 1):
        if has_content(row):
            expected.append((1 + len(LINE_END.findall(text)), row))
        text += encode_row(row, quoting) if row else ""
        text += line_end if ends_with_line or number < len(records) else ""
    content = text.encode("utf-8-sig" if byte_order_mark else "utf-8")
    parsed = parse(gzip.compress(content, 1) if packed else content, block=block, chunk_rows=chunk_rows)
    assert parsed == Parsed(rows=expected)


@given(broken_texts.map(str.encode) | broken_bytes | st.binary(), block_sizes, chunk_sizes, st.integers(10, 100))
@example(b'a,"x\r', 16, 1, 100)
@example(b'a,"b\n","c\n","d\n","e\n', 16, 2, 10)
@example(b'a,"b\n' + b"x" * 300 + b'",c\nd,e\n', 16, 3, 40)
@example(b'"xxxxxxxxxxxxxxxxxxxx\na"', 16, 1, 10)
def test_no_line_is_lost_or_read_twice(content: bytes, block: int, chunk_rows: int, max_record: int) -> None:
    content = HEADER.encode() + content
    parsed = parse(content, block=block, chunk_rows=chunk_rows, max_record=max_record)
    lines_read = [
        line + more for line, row in parsed.rows for more in range(1 + sum(len(LINE_END.findall(cell)) for cell in row))
    ]
    lines_read += [
        reject.line + more for reject in parsed.rejects for more in range(1 + len(LINE_END.findall(reject.row)))
    ]
    assert len(lines_read) == len(set(lines_read))
    lines = LINE_END.split(content.decode("utf-8", "surrogateescape"))
    starts = sorted([line for line, _ in parsed.rows] + [reject.line for reject in parsed.rejects])
    for reject in parsed.rejects:
        if reject.code == "row_too_long":
            # Its text is cut off, so it stands for all lines up to the next row.
            next_line = next((line for line in starts if line > reject.line), len(lines) + 1)
            lines_read += range(reject.line, next_line)
    assert {number for number, line in enumerate(lines, 1) if line.strip(BLANK) and number > 1} <= set(lines_read)


@given(st.binary() | broken_texts.map(str.encode) | broken_bytes, st.booleans(), st.booleans(), block_sizes)
@example(b"", True, False, 16)
@example(b"\xff\xfes\0k\0u\0", False, False, 16)
@example(b"\n\n,,\n \n", False, False, 16)
def test_any_bytes_give_rows_and_rejects_or_a_sentence(
    content: bytes, packed: bool, has_header: bool, block: int
) -> None:
    content = HEADER.encode() + content if has_header else content
    content = gzip.compress(content, 1) if packed else content
    try:
        with open_parser(content, block=block, max_record=100) as parser:
            validator = create_validator(parser)
            for chunk in parser.read_chunks(7):
                validator.encode_rows(chunk)
                for reject in chunk.rejects:
                    assert reject.code and reject.message.endswith(".")
                    assert "\0" not in reject.row.encode().decode()
    except UnusableFile as error:
        assert str(error).endswith(".")
        str(error).encode()


@given(st.data())
def test_a_damaged_gzip_file_gives_rows_or_a_sentence(data: st.DataObject) -> None:
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
def test_the_ends_of_blocks_and_chunks_change_nothing(text: str, block: int, chunk_rows: int, max_record: int) -> None:
    content = (HEADER + text).encode()
    tiny = parse(content, block=block, chunk_rows=chunk_rows, max_record=max_record)
    assert tiny == parse(content, max_record=max_record)


@given(broken_texts | broken_rows, block_sizes, chunk_sizes)
def test_reading_rows_in_batches_changes_nothing(text: str, block: int, chunk_rows: int) -> None:
    content = (HEADER + text).encode()
    parsed = parse(content, block=block, chunk_rows=chunk_rows)
    assert parse(content, batch_lines=1 << 30) == parsed
    assert parse(content, batch_lines=2) == parsed


def create_validator(parser: Parser) -> RowValidator:
    """Read the header and return the validator for its columns."""
    mapping = map_columns(parser.read_header())
    mapping.check()
    return RowValidator(mapping.fields, Dialect())


def read_for_copy(
    content: bytes, *, use_fast_path: bool, block: int, chunk_rows: int, max_record: int
) -> tuple[list[list[str]], list[Reject]]:
    """Return the rows of a file as COPY reads them, and its rejects in the order of the file."""
    rows: list[list[str]] = []
    rejects: list[Reject] = []
    with open_parser(content, block=block, max_record=max_record) as parser:
        validator = create_validator(parser)
        for chunk in parser.read_chunks(chunk_rows, validator.layout if use_fast_path else None):
            payload, count = validator.encode_rows(chunk)
            assert count <= chunk_rows
            added = list(csv.reader(io.StringIO(payload.decode(), newline=""), strict=True))
            assert len(added) == count
            rows += added
            rejects += chunk.rejects
    return rows, sorted(rejects)


almost_clean_texts = st.lists(
    st.sampled_from(
        ["a,b\n"] * 6
        + ['"c","d"\n', 'e,"f\n""g"\r\n', "h\n", "\n", 'i,"j"k\n', 'l,"m\n', "n,\0\n", "o,p\r"]
        + ["\r\n", "\n\n\n", ",\n", " , ,\n", '"",""\n', ",q\n", "\n" * 5000]
    ),
    max_size=30,
).map("".join)


@given(almost_clean_texts, block_sizes, chunk_sizes, st.integers(10, 100))
def test_the_fast_path_changes_nothing(text: str, block: int, chunk_rows: int, max_record: int) -> None:
    content = (HEADER + text).encode()
    fast = read_for_copy(content, use_fast_path=True, block=block, chunk_rows=chunk_rows, max_record=max_record)
    assert fast == read_for_copy(content, use_fast_path=False, block=HUGE_BLOCK, chunk_rows=1000, max_record=max_record)


good_rows = st.lists(
    st.lists(st.sampled_from(["a", '"b"', '"b,c"', '"b\nc"', '"b""c"', 'd"e', ""]), min_size=2, max_size=2),
    max_size=8,
).map(lambda rows: [",".join(row) for row in rows])


@given(good_rows, st.sampled_from(['x,"y"z', 'x,"y" ,z', '"x" y', 'x,"y"z","']), good_rows, block_sizes)
def test_text_after_a_closing_quote_rejects_only_its_own_line(
    before: list[str], bad: str, after: list[str], block: int
) -> None:
    expected = parse("\n".join([HEADER.strip(), *before, "x,y", *after]).encode())
    line = next(line for line, row in expected.rows if row == ["x", "y"])
    parsed = parse("\n".join([HEADER.strip(), *before, bad, *after]).encode(), block=block)
    assert parsed.rows == [row for row in expected.rows if row[0] != line]
    assert [(reject.line, reject.code, reject.row) for reject in parsed.rejects] == [(line, "bad_quoting", bad)]


# Only the next quote shows what an open quote means. If text follows that quote, or there is none within the limit, it
# closes nothing. If a comma or a line end follows it, the rows in between are one field (RFC 4180).
rows_that_close_nothing = st.lists(
    st.lists(st.sampled_from(["a", '"b"', '"b\nc"', '"b""c"']), min_size=2, max_size=2), max_size=8
).map(lambda rows: [",".join(row) for row in rows])


@given(good_rows, st.sampled_from(['x,"y', '"x,y', 'x,"y""']), rows_that_close_nothing, block_sizes)
def test_an_unclosed_quote_rejects_only_its_own_line(before: list[str], bad: str, after: list[str], block: int) -> None:
    expected = parse("\n".join([HEADER.strip(), *before, "x,y", *after]).encode())
    line = next(line for line, row in expected.rows if row == ["x", "y"])
    parsed = parse("\n".join([HEADER.strip(), *before, bad, *after]).encode(), block=block)
    assert parsed.rows == [row for row in expected.rows if row[0] != line]
    assert [(reject.line, reject.code, reject.row) for reject in parsed.rejects] == [(line, "bad_quoting", bad)]


@pytest.mark.parametrize("block", [16, HUGE_BLOCK])
def test_a_row_is_accepted_up_to_the_limit_and_rejected_beyond_it(block: int) -> None:
    content = HEADER + "a," + "x" * 17 + "\nb," + "x" * 18 + '\nc,"' + "\n" * 15 + '"\nd,"' + "x\n" * 8 + '"\ne,f\n'
    parsed = parse(content.encode(), block=block, max_record=20)
    assert parsed.rows[0] == (2, ["a", "x" * 17])
    assert parsed.rows[1] == (4, ["c", "\n" * 15])
    assert parsed.rows[-1][1] == ["e", "f"]
    assert [(reject.line, reject.code) for reject in parsed.rejects] == [(3, "row_too_long"), (20, "row_too_long")]


@pytest.mark.parametrize("long", ['"b\nc",' + "x" * 500, '"b' + "\nx,y" * 100 + '"', '"' + "x" * 500 + '\ny,z"'])
def test_a_long_row_is_rejected_as_a_whole(long: str) -> None:
    parsed = parse((HEADER + "a," + long + "\nd,e\n").encode(), block=16, max_record=50)
    assert parsed.rows == [(3 + long.count("\n"), ["d", "e"])]
    assert [(reject.line, reject.code) for reject in parsed.rejects] == [(2, "row_too_long")]


@pytest.mark.parametrize("end", ["", 'f,"g"h\n', 'f,"g'])
def test_a_long_quote_without_an_end_rejects_only_its_line(end: str) -> None:
    rows = "x,y\n" * 100
    parsed = parse(f'{HEADER}a,"b\n{rows}{end}'.encode(), block=16, max_record=50)
    assert parsed.rows == [(line, ["x", "y"]) for line in range(3, 103)]
    assert [(reject.line, reject.code) for reject in parsed.rejects] == [
        (2, "bad_quoting"),
        *([(103, "bad_quoting")] if end else []),
    ]


def test_lines_are_counted_from_the_start_of_the_file() -> None:
    with open_parser(b'\n\r\n , \rsku,"na\nme"\n\na,b\n') as parser:
        assert parser.read_header() == ["sku", "na\nme"]
        chunks = list(parser.read_chunks(10))
    assert [(list(chunk.lines()), chunk.rows) for chunk in chunks if chunk.rows] == [([7], [["a", "b"]])]


def test_a_nul_rejects_only_its_row_with_every_line_end() -> None:
    for line_end in (b"\n", b"\r\n", b"\r"):
        parsed = parse(line_end.join([b"sku,name", b"a,b", b"c,\0", b'd,"e\0', b'f"', b"g,h"]))
        assert [row for _, row in parsed.rows] == [["a", "b"], ["g", "h"]]
        assert [(reject.line, reject.code) for reject in parsed.rejects] == [(3, "nul"), (4, "nul")]
