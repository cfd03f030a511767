"""Encodings are found, wherever their first letter stands, and cost only the rows with bytes that are no text."""

from __future__ import annotations

import codecs
import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import UnusableFile
from importer.files.csv_file import FileOptions
from importer.files.encoding import LOOK_AHEAD_BYTES, encoding_named, guess, is_utf_8
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
def test_an_encoding_is_found_however_late_its_first_letter_comes(name: str, before: int) -> None:
    text = "sku\tname\n" + "".join(f"{n}\tplain row\n" for n in range(before)) + f"x\t{TEXTS[name]}\n" * 5
    read = read_file(text.encode(CODECS.get(name, name)))
    assert read.about["encoding"] == name
    assert read.rows[-1] == ("x", TEXTS[name])
    assert (len(read.rows), read.rejects) == (before + 5, [])


@pytest.mark.parametrize("name", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("block", [16, 101, 1 << 20])
@pytest.mark.parametrize("packed", [False, True])
def test_unicode_is_found_with_and_without_a_mark(name: str, block: int, packed: bool) -> None:
    text = "sku,name\r\nä,日本🙂\r\nb,plain\r\n"
    content = text.encode(name)
    read = read_file(gzip.compress(content) if packed else content, block=block)
    assert read.rows == [("ä", "日本🙂"), ("b", "plain")]
    assert read.about["encoding"] == name


def test_utf_16_big_endian_with_a_mark_and_japanese_without_one() -> None:
    content = "商品コード,商品名\r\nA-1,青いランプ\r\nA-2,赤い椅子\r\n"
    for data in (codecs.BOM_UTF16_BE + content.encode("utf-16-be"), content.encode("utf-16-be")):
        assert read_file(data).rows == [("A-1", "青いランプ"), ("A-2", "赤い椅子")]
    assert read_file(content.encode("utf-16-le")).about["encoding"] == "utf-16-le"


def test_utf_16_that_is_cut_within_a_letter_costs_the_last_row() -> None:
    read = read_file("sku,name\na,b\nc,dé".encode("utf-16")[:-1])
    assert (read.rows, read.bad) == ([("a", "b")], [(3, "invalid_encoding")])


def test_half_a_surrogate_pair_in_utf_16_costs_its_row() -> None:
    data = codecs.BOM_UTF16_LE + "sku,name\na,".encode("utf-16-le") + b"\x00\xd8" + ",\nc,d\n".encode("utf-16-le")[2:]
    read = read_file(data)
    assert (read.rows, read.bad) == ([("c", "d")], [(2, "invalid_encoding")])


@pytest.mark.parametrize(
    ("name", "bad"), [("utf-8", b"\xff"), ("cp1252", b"\x81"), ("shift_jis", b"\x82"), ("gb18030", b"\xff")]
)
@pytest.mark.parametrize("block", [16, 1 << 20])
def test_a_bad_byte_costs_its_row_in_any_encoding(name: str, bad: bytes, block: int) -> None:
    text = TEXTS.get(name, "Größe für Möbel").replace(",", " ").encode(CODECS.get(name, name))
    rows = [b"sku,name", b"1," + text + bad, *([b"2," + text] * 30), b"3,x" + bad, b"4," + bad + b",", b"5,y", b""]
    read = read_file(b"\n".join(rows), block=block)
    assert read.bad == [(2, "invalid_encoding"), (33, "invalid_encoding"), (34, "wrong_field_count")]
    assert [row[0] for row in read.rows] == ["2"] * 30 + ["5"]
    assert read.about["encoding"] == name


def test_utf_8_is_told_from_others_by_its_sequences() -> None:
    assert is_utf_8("éèü".encode() + b"\xff\xfe")
    assert not is_utf_8("Größe für Möbel".encode("cp1252"))
    assert is_utf_8("é".encode()[:1] + "é".encode())
    assert is_utf_8("aé".encode() + b"\xc3", whole=False)
    assert not is_utf_8(b"a\xe9")
    # A letter that stands alone is one of Western Europe; nothing else is as likely.
    for text in ("Größe", "été", "5 €", "½ inch", "90° hose"):
        assert guess(text.encode("cp1252")) == "cp1252"


def test_bytes_beyond_the_look_ahead_change_nothing() -> None:
    plain = b"x,plain\n" * (LOOK_AHEAD_BYTES // 8)
    read = read_file(b"sku,name\na," + "é".encode() + b"\n" + plain + b"b,\xe9\n")
    assert (read.about["encoding"], read.bad) == ("utf-8", [(len(plain) // 8 + 3, "invalid_encoding")])


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
def test_encodings_have_many_names(name: str, found: str) -> None:
    assert encoding_named(name) == found
    content = "sku,name\na,é\n" if found != "shift_jis" else "sku,name\na,①\n"
    read = read_file(content.encode(CODECS.get(found, found)), FileOptions(encoding=name))
    assert (read.rows[0][1], read.about["encoding"]) == (content[-2], found)


@pytest.mark.parametrize(
    "name", ["", "klingon", "rot13", "base64", "punycode", "idna", "unicode_escape", "a\0b", "é" * 99]
)
def test_what_is_no_encoding_of_files_is_refused(name: str) -> None:
    with pytest.raises(UnusableFile, match="There is no encoding"):
        read_file(b"sku\na\n", FileOptions(encoding=name))


def test_a_wrong_encoding_costs_rows_or_ends_in_a_sentence() -> None:
    cp1252 = "sku,name\na,x\nb,é\n".encode("cp1252")
    read = read_file(cp1252, FileOptions(encoding="utf-8"))
    assert (read.rows, read.bad) == ([("a", "x")], [(3, "invalid_encoding")])
    assert read_file(cp1252, FileOptions(encoding="ascii")).bad == [(3, "invalid_encoding")]
    with pytest.raises(UnusableFile, match="no column `sku`"):
        read_file(cp1252, FileOptions(encoding="utf-16"))
    with pytest.raises(UnusableFile, match="NUL"):
        read_file("sku,name\n".encode("utf-16"), FileOptions(encoding="cp1252"))


@given(
    st.binary(max_size=60), st.sampled_from([None, "utf-16", "utf-8", "shift_jis", "gb18030", "cp1252"]), st.booleans()
)
def test_any_bytes_are_read_the_same_in_any_blocks(content: bytes, name: str | None, headed: bool) -> None:
    content = (b"sku,name\na,b\n" if headed else b"") + content
    outcomes: list[Any] = []
    for block in (16, 1 << 20):
        try:
            read = read_file(content, FileOptions(encoding=name), block=block)
            outcomes.append((read.rows, read.rejects, read.about))
        except UnusableFile as error:
            assert str(error).endswith(".")
            str(error).encode()
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]
