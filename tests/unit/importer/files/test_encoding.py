"""Encodings are found at their first letter, and only rows with undecodable bytes are rejected."""

from __future__ import annotations

import codecs
import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.columns.product_file import FileOptions
from importer.errors import UnusableFile
from importer.files.encoding import is_utf_8
from importer.files.encoding_guess import guess_encoding
from importer.files.encoding_names import find_encoding
from importer.files.escapes import ESCAPE_HANDLER
from importer.files.mixed_encoding import LOOK_AHEAD_BYTES
from support.files import read_file

TEXTS = {
    "cp1252": "Größe für Möbel, Straße; été à côté, dorée; señor niño; 5 € – “½”",
    "shift_jis": "青いランプ、リビング用の照明です。木製の椅子",
    "cp1250": "Łóżko dziecięce, krzesło żółte, półki ścienne, źródło światła",
    "cp1251": "Синяя лампа для дома, красный деревянный стул",
    "gb18030": "蓝色台灯,客厅用的灯具。红色的木制椅子",
    "big5": "藍色檯燈,客廳用的燈具",
    "euc_kr": "파란 램프, 거실용 조명입니다.",
}
CODECS = {"shift_jis": "cp932", "big5": "cp950", "euc_kr": "cp949"}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("before", [0, 3, 70_000])
def test_an_encoding_is_found_at_its_first_letter_however_late(name: str, before: int) -> None:
    text = "sku\tname\n" + "".join(f"{n}\tplain row\n" for n in range(before)) + f"x\t{TEXTS[name]}\n" * 5
    read = read_file(text.encode(CODECS.get(name, name)))
    assert read.description["encoding"] == name
    assert read.rows[-1] == ("x", TEXTS[name])
    assert (len(read.rows), read.rejects) == (before + 5, [])


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("block", [16, 101, 1 << 20])
@pytest.mark.parametrize("packed", [False, True])
def test_unicode_is_found_with_and_without_a_byte_order_mark(name: str, block: int, packed: bool) -> None:
    text = "sku,name\r\nä,日本🙂\r\nb,plain\r\n"
    content = text.encode(name)
    read = read_file(gzip.compress(content) if packed else content, block=block)
    assert read.rows == [("ä", "日本🙂"), ("b", "plain")]
    assert read.description["encoding"] == name


def test_utf_16_is_found_in_big_endian_and_in_japanese() -> None:
    content = "商品コード,商品名\r\nA-1,青いランプ\r\nA-2,赤い椅子\r\n"
    for data in (codecs.BOM_UTF16_BE + content.encode("utf-16-be"), content.encode("utf-16-be")):
        assert read_file(data).rows == [("A-1", "青いランプ"), ("A-2", "赤い椅子")]
    assert read_file(content.encode("utf-16-le")).description["encoding"] == "utf-16-le"


def test_utf_16_cut_within_a_character_rejects_the_last_row() -> None:
    read = read_file("sku,name\na,b\nc,dé".encode("utf-16")[:-1])
    assert (read.rows, read.reject_codes) == ([("a", "b")], [(3, "invalid_encoding")])


def test_half_a_surrogate_pair_in_utf_16_rejects_its_row() -> None:
    data = codecs.BOM_UTF16_LE + "sku,name\na,".encode("utf-16-le") + b"\x00\xd8" + ",\nc,d\n".encode("utf-16-le")[2:]
    read = read_file(data)
    assert (read.rows, read.reject_codes) == ([("c", "d")], [(2, "invalid_encoding")])


@pytest.mark.parametrize(
    ("encoding", "bad", "shown"),
    [
        ("utf-16-le", b"\x41\xd8", "\ufffd"),
        ("utf-16-be", b"\xd8\x41", "\ufffd"),
        ("utf-32-le", b"\x41\xd8\0\0", "\ufffd"),
        ("utf-32-be", b"\0\0\xd8\x41", "\ufffd"),
        ("iso2022_jp", b"\x1b$Z", "\ufffd$Z"),
        ("shift_jis", b"\x81 ", "\ufffd "),
        ("euc_jp", b"\x8f\x80\x81", "\ufffd€\ufffd"),
        ("gb18030", b"\xfe\xff", "þÿ"),
        ("ascii", b"\x80", "€"),
    ],
)
def test_undecodable_bytes_are_shown_and_cost_no_byte_after_them(encoding: str, bad: bytes, shown: str) -> None:
    content = "sku,name\na,b".encode(encoding) + bad + "x\nc,d\n".encode(encoding)
    read = read_file(content, FileOptions(encoding=encoding))
    assert (read.rows, read.reject_codes) == ([("c", "d")], [(2, "invalid_encoding")])
    assert read.rejects[0].row == f"a,b{shown}x"


@pytest.mark.parametrize(
    ("name", "bad"), [("utf-8", b"\xff"), ("cp1252", b"\x81"), ("shift_jis", b"\x82"), ("gb18030", b"\xff")]
)
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_an_undecodable_byte_rejects_its_row_in_every_encoding(name: str, bad: bytes, block: int) -> None:
    text = TEXTS.get(name, "Größe für Möbel").replace(",", " ").encode(CODECS.get(name, name))
    rows = [b"sku,name", b"1," + text + bad, *([b"2," + text] * 30), b"3,x" + bad, b"4," + bad + b",", b"5,y", b""]
    read = read_file(b"\n".join(rows), block=block)
    assert read.reject_codes == [(2, "invalid_encoding"), (33, "invalid_encoding"), (34, "invalid_encoding")]
    assert [row[0] for row in read.rows] == ["2"] * 30 + ["5"]
    assert read.description["encoding"] == name


@pytest.mark.parametrize(
    ("name", "cut", "shown"), [("gb18030", b"\x81\x30", "\ufffd0"), ("euc_jp", b"\x8f\xb0", "\ufffd°")]
)
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_a_character_cut_off_at_the_end_rejects_its_row(name: str, cut: bytes, shown: str, block: int) -> None:
    read = read_file(b"sku,name\n1,x\n2," + cut, FileOptions(encoding=name), block=block)
    assert (read.rows, read.reject_codes) == ([("1", "x")], [(3, "invalid_encoding")])
    assert read.rejects[0].row == f"2,{shown}"


def test_the_error_handler_does_not_hide_errors_of_encoding() -> None:
    with pytest.raises(UnicodeEncodeError):
        "é".encode("ascii", ESCAPE_HANDLER)


def test_utf_8_is_recognised_by_its_sequences() -> None:
    assert is_utf_8("éèü".encode() + b"\xff\xfe")
    assert not is_utf_8("Größe für Möbel".encode("cp1252"))
    assert is_utf_8("é".encode()[:1] + "é".encode())
    assert is_utf_8("aé".encode() + b"\xc3", is_complete=False)
    assert not is_utf_8(b"a\xe9")
    # A single letter beyond ASCII is most likely Western European.
    for text in ("Größe", "été", "5 €", "½ inch", "90° hose"):
        assert guess_encoding(text.encode("cp1252")).name == "cp1252"


def test_bytes_after_the_look_ahead_do_not_change_the_encoding() -> None:
    plain = b"x,plain\n" * (LOOK_AHEAD_BYTES // 8)
    read = read_file(b"sku,name\na," + "é".encode() + b"\n" + plain + b"b,\xe9\n")
    assert (read.description["encoding"], read.reject_codes) == ("utf-8", [(len(plain) // 8 + 3, "invalid_encoding")])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("latin-1", "iso8859-1"),
        ("Windows-1252", "cp1252"),
        (" UTF8 ", "utf-8"),
        ("SJIS", "shift_jis"),
        ("U16", "utf-16"),
    ],
)
def test_encodings_are_found_by_their_aliases(name: str, found: str) -> None:
    assert find_encoding(name) == found
    content = "sku,name\na,é\n" if found != "shift_jis" else "sku,name\na,①\n"
    read = read_file(content.encode(CODECS.get(found, found)), FileOptions(encoding=name))
    assert (read.rows[0][1], read.description["encoding"]) == (content[-2], found)


@pytest.mark.parametrize(
    "name", ["", "klingon", "rot13", "base64", "punycode", "idna", "unicode_escape", "a\0b", "é" * 99]
)
def test_codecs_that_are_not_file_encodings_are_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match=r"encoding .* is unknown"):
        read_file(b"sku\na\n", FileOptions(encoding=name))


def test_the_message_shows_the_start_of_an_unknown_encoding() -> None:
    with pytest.raises(UnusableFile) as failure:
        find_encoding("\0x\n" + "é" * 99)
    assert str(failure.value).startswith(f"The encoding `{'x' + 'é' * 39}` is unknown. ")


def test_a_wrong_encoding_rejects_rows_or_gives_a_sentence() -> None:
    cp1252 = "sku,name\na,x\nb,é\n".encode("cp1252")
    read = read_file(cp1252, FileOptions(encoding="utf-8"))
    assert (read.rows, read.reject_codes) == ([("a", "x")], [(3, "invalid_encoding")])
    assert read_file(cp1252, FileOptions(encoding="ascii")).reject_codes == [(3, "invalid_encoding")]
    with pytest.raises(UnusableFile, match="no column `sku`"):
        read_file(cp1252, FileOptions(encoding="utf-16"))
    with pytest.raises(UnusableFile, match="NUL"):
        read_file("sku,name\n".encode("utf-16"), FileOptions(encoding="cp1252"))


@given(
    st.binary(max_size=60), st.sampled_from([None, "utf-16", "utf-8", "shift_jis", "gb18030", "cp1252"]), st.booleans()
)
def test_the_block_size_changes_nothing(content: bytes, name: str | None, has_header: bool) -> None:
    content = (b"sku,name\na,b\n" if has_header else b"") + content
    outcomes: list[Any] = []
    for block in (16, 1 << 20):
        try:
            read = read_file(content, FileOptions(encoding=name), block=block)
            outcomes.append((read.rows, read.rejects, read.description))
        except UnusableFile as error:
            assert str(error).endswith(".")
            str(error).encode()
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
