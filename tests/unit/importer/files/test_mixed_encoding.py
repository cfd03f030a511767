"""Files that are UTF-8 in some rows only: the other rows are read and reported, and nothing is damaged silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions
from importer.errors import UnusableFile
from importer.files.line_decoder import LINE_MAX_BYTES, LineCounter
from importer.files.mixed_encoding import LOOK_AHEAD_BYTES
from importer.files.rows import count_line_breaks
from support.files import ReadResult, read_file

UTF_8_ROWS = "u1,Möbel für Gärten\nu2,Straße\n".encode()
OTHER_ROWS = "w1,Größe\nw2,Müller\n".encode("cp1252")
HEADER = b"sku,name\n"
ROWS = {"u1": "Möbel für Gärten", "u2": "Straße", "w1": "Größe", "w2": "Müller"}


def read_names(read: ReadResult) -> dict[str, str]:
    """Return the names of the products by SKU."""
    return {row[0]: row[1] for row in read.rows}


def read_lines(read: ReadResult) -> list[int]:
    """Return the lines of the notice about the encoding, the only one."""
    assert [notice["code"] for notice in read.notices] == ["encoding_uncertain"]
    assert read.notices[0]["count"] == len(read.notices[0]["lines"])
    return list(read.notices[0]["lines"])


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_rows_that_are_not_utf_8_are_read_and_reported(block: int, mark: bytes) -> None:
    read = read_file(mark + HEADER + UTF_8_ROWS + OTHER_ROWS, block=block)
    assert (read_names(read), read.rejects) == (ROWS, [])
    assert read.description["encoding"] == "utf-8+cp1252"
    assert read_lines(read) == [4, 5]
    assert read.notices[0]["message"] == (
        "2 rows were read as Windows-1252 (Western European), because the rest of the file is UTF-8."
        " Compare their readings and choose the right one."
    )
    assert read.notices[0]["samples"][0] == {"text": "w1,Größe", "line": 4, "readings": {"cp1252": "w1,Größe"}}
    assert read.notices[0]["details"] == {
        "extent": "exact",
        "encoding": "cp1252",
        "reason": "rest_differs",
        "rest": "utf-8",
    }
    (fix,) = read.notices[0]["fixes"]
    assert (fix["label"], fix["options"]) == ("Reject these rows", {"encoding": "utf-8"})


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_rows_in_utf_8_within_another_encoding_are_read_and_reported(block: int) -> None:
    read = read_file(HEADER + OTHER_ROWS * 5 + UTF_8_ROWS, block=block)
    assert (read_names(read), read.rejects) == (ROWS, [])
    assert read.description["encoding"] == "utf-8+cp1252"
    assert read_lines(read) == [12, 13]
    readings = {"utf-8": "u2,Straße", "cp1252": "u2,StraÃŸe"}
    assert read.notices[0]["samples"][1] == {"text": "u2,Straße", "line": 13, "readings": readings}
    assert read.notices[0]["fix"]["options"] == {"encoding": "cp1252"}


@pytest.mark.parametrize(("first", "second"), [(UTF_8_ROWS, OTHER_ROWS), (OTHER_ROWS, UTF_8_ROWS)])
def test_the_other_file_is_found_beyond_the_look_ahead(first: bytes, second: bytes) -> None:
    plain = b"x,plain\n" * (LOOK_AHEAD_BYTES // 8)
    read = read_file(HEADER + first + plain + second)
    assert (read_names(read), read.rejects) == (ROWS | {"x": "plain"}, [])
    assert read_lines(read) == [len(plain) // 8 + 4, len(plain) // 8 + 5]


@pytest.mark.parametrize("name", ["cp1251", "koi8-r", "cp1250", "mac-roman"])
def test_the_other_encoding_is_found_by_its_letters(name: str) -> None:
    text = {
        "cp1250": "Łóżko dziecięce\nw,Półka ścienna\n",
        "mac-roman": "Größe für Mädchen\nw,Müsli\n",
    }.get(name, "Стул складной\nw,Лампа настольная\n")
    other = ("w," + text).encode(name)
    read = read_file(HEADER + UTF_8_ROWS * 2 + other)
    assert read.description["encoding"] == f"utf-8+{name}"
    assert [row[1] for row in read.rows[-2:]] == [line.removeprefix("w,") for line in text.splitlines()]


def test_damaged_utf_8_is_rejected() -> None:
    # A letter that was cut off, a byte that is no letter, and a row with letters of both.
    damaged = b"a,Caf\xc3\nb,x\xff\nb,\xff\nc," + "Größe".encode() + b" f\xfcr\n"
    read = read_file(HEADER + UTF_8_ROWS + damaged)
    assert read.reject_codes == [(line, "invalid_encoding") for line in (4, 5, 6, 7)]
    assert (read.description["encoding"], read.notices) == ("utf-8", [])


def test_a_cut_off_letter_is_rejected_beside_rows_in_another_encoding() -> None:
    read = read_file(HEADER + UTF_8_ROWS + OTHER_ROWS + b"a,Caf\xc3\n")
    assert (read.reject_codes, read_names(read)) == ([(6, "invalid_encoding")], ROWS)


def test_a_row_with_letters_of_both_is_rejected_in_another_encoding() -> None:
    read = read_file(HEADER + OTHER_ROWS * 5 + b"a," + "Möbel für Gärten".encode() + b" 50 \xb0\n")
    assert (read.reject_codes, read.description["encoding"]) == ([(12, "invalid_encoding")], "cp1252")


@pytest.mark.parametrize(
    ("text", "name"),
    [("« CAFÉ»", "cp1252"), ("DÉCOR «É»", "cp1252"), ("ёлка, ещё её", "koi8-r"), ("Кімната", "cp1251")],
)
def test_letters_that_happen_to_be_sequences_of_utf_8_stay_as_they_are(text: str, name: str) -> None:
    row = {"cp1252": "été à côté", "koi8-r": "Стул складной, красный", "cp1251": "Стілець, червоний"}[name]
    content = "sku;name\n" + f"a;{row}\n" * 3 + f"b;{text}\n"
    read = read_file(content.encode(name))
    assert (read.rows[-1], read.notices) == (("b", text), [])
    assert read.description["encoding"] == name


@pytest.mark.parametrize(
    ("name", "found", "word"),
    [("utf-8+windows-1252", "utf-8+cp1252", "Größe"), ("UTF8+mac_roman", "utf-8+mac-roman", "Grˆﬂe")],
)
def test_both_encodings_can_be_given(name: str, found: str, word: str) -> None:
    read = read_file(HEADER + UTF_8_ROWS + OTHER_ROWS, FileOptions(encoding=name))
    assert (read.description["encoding"], read.notices) == (found, [])
    assert (read.rows[2], read.rows[0]) == (("w1", word), ("u1", ROWS["u1"]))


@pytest.mark.parametrize("name", ["utf-8+", "utf-8+utf-16", "utf-8+shift_jis", "cp1252+utf-8", "utf-8+cp1252+cp1250"])
def test_other_pairs_of_encodings_are_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match="unknown"):
        read_file(HEADER, FileOptions(encoding=name))


@pytest.mark.parametrize("block", [1 << 16, 1 << 20])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_line_that_is_too_long_to_be_held_costs_no_other(block: int, line_end: bytes) -> None:
    lines = [
        b"sku,name",
        *UTF_8_ROWS.split(),
        b"x," + b"a" * LINE_MAX_BYTES + b"\xe9",
        *OTHER_ROWS.split(),
        b"y,z",
        b"",
    ]
    read = read_file(line_end.join(lines).replace(b"M\xf6bel", b"x"), block=block)
    assert [reject.code for reject in read.rejects if reject.code == "row_too_long"] == ["row_too_long"]
    assert read.rows[-3:] == [("w1", "Größe"), ("w2", "Müller"), ("y", "z")]


PARTS = st.sampled_from(
    [*UTF_8_ROWS.splitlines(), *OTHER_ROWS.splitlines(), b"", b"p,plain", b"c,Caf\xc3", b"x,\xff", b"b,\xc3\xbc\xfc"]
)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n"])


@given(st.lists(PARTS, max_size=12), LINE_ENDS, st.sampled_from([None, "utf-8", "utf-8+cp1252"]), st.booleans())
def test_block_boundaries_change_nothing(
    lines: list[bytes], line_end: bytes, encoding: str | None, has_last_end: bool
) -> None:
    content = line_end.join([b"sku,name", b"a,b", *lines]) + line_end * has_last_end
    outcomes = []
    for block in (1, 2, 7, 16, 1 << 20):
        read = read_file(content, FileOptions(encoding=encoding), block=block)
        outcomes.append((read.rows, read.rejects, read.description, read.notices))
    assert all(outcome == outcomes[-1] for outcome in outcomes)


@given(
    st.lists(st.sampled_from(["", "a"])), st.sampled_from(["\n", "\r", "\r\n"]), st.integers(0, 9), st.integers(0, 9)
)
def test_lines_are_counted_as_the_reader_counts_them(lines: list[str], line_end: str, first: int, second: int) -> None:
    text = line_end.join(lines)
    counter = LineCounter()
    for part in (text[:first], text[first : first + second], "", text[first + second :]):
        counter.add(part.encode())
    assert counter.line == 1 + count_line_breaks(text)


def test_stray_carriage_returns_are_lines() -> None:
    counter = LineCounter()
    counter.add(b"a\r\nb\rc\r\nd\n\ne")
    assert counter.line == 6
