"""Malformed and hostile workbooks give rows or a sentence, and stay within their limits."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from importer.errors import UnusableFile
from importer.files.workbook.workbook_file import WorkbookLimits
from support.files import read_file
from support.workbooks import (
    Sheets,
    create_ods,
    create_ole,
    create_xls,
    create_xlsb,
    create_xlsx,
    edit_parts,
    wrap_ods,
    zip_files,
)

HEADER = ["sku", "name", "active"]
ROWS: list[list[Any]] = [HEADER, ["00123", "Bolt", True], [123, "Größe", False], [4006381333931, "x", None]]
READ_ROWS = [("00123", "Bolt", "true"), ("123", "Größe", "false"), ("4006381333931", "x", "")]
KINDS: dict[str, Callable[[Sheets], bytes]] = {
    "xlsx": create_xlsx,
    "xlsb": create_xlsb,
    "xls": create_xls,
    "ods": create_ods,
}


def fail(content: bytes, **limits: int) -> str:
    """Read an unusable workbook and return the sentence that says why."""
    with pytest.raises(UnusableFile) as failure:
        read_file(content, workbook_limits=WorkbookLimits(**limits))
    sentence = str(failure.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_an_encrypted_workbook_is_named_as_such() -> None:
    assert "protected by a password" in fail(create_ole({"EncryptionInfo": b"x", "EncryptedPackage": b"y"}))
    # FILEPASS, the record of an encrypted .xls file, follows the first record, which has 20 bytes.
    content = bytearray(create_xls({"P": ROWS}))
    struct.pack_into("<HHH", content, 512 + 20, 0x2F, 2, 1)
    assert "protected by a password" in fail(bytes(content))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (create_ole({"WordDocument": b"x"}), "a Word document"),
        (create_ole({"PowerPoint Document": b"x"}), "a PowerPoint presentation"),
        (create_ole({"Contents": b"x"}), "is damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is damaged"),
        (create_xls({"P": ROWS})[:2000], "is damaged"),
        (create_xlsx({"P": ROWS})[:3000], "damaged"),
        (create_xlsx({}), "no sheet with cells"),
        (create_xlsx({"P": [], "Q": []}), "no sheet with cells"),
        (create_ods({}), "no sheet with cells"),
        (create_ods({"P": []}), "no sheet with cells"),
        (create_xlsx({"P": [["colour", "size"], ["a", "b"]]}), "no column `sku`. Its columns are: `colour`, `size`"),
        (create_xlsx({"P": [["sku"]]}), ""),
        (zip_files({"xl/workbook.xml": "<not xml"}), "is damaged"),
        (gzip.compress(zip_files({"a.csv": "sku\na\n"})), "a ZIP archive inside"),
        (gzip.compress(create_ole({"WordDocument": b"x"})), "a Word document"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_an_unusable_workbook_gives_a_sentence(content: bytes, sentence: str) -> None:
    if sentence:
        assert sentence in fail(content)
    else:
        assert read_file(content).rows == []


def replace_sheet(old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    return lambda name, content: content.replace(old, new) if name.startswith("xl/worksheets/sheet") else content


def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_loaded() -> None:
    content = edit_parts(create_xlsx({"P": ROWS}), replace_sheet(b"</sheetData>", b"</sheetData>" + b" " * 30_000_000))
    assert len(content) < 50_000
    assert "has 30 MB once it is unpacked; at most 20 MB" in fail(content, unpacked_bytes=20_000_000)
    assert len(read_file(content).rows) == 3
    assert "unpacked" in fail(create_xls({"P": ROWS}), unpacked_bytes=1000)
    # Its directory states a size that is wrong.
    lying = bytearray(content)
    place = lying.index(b"PK\x01\x02", lying.index(b"PK\x01\x02") + 1)
    while b"sheet1.xml" not in lying[place : place + 80]:
        place = lying.index(b"PK\x01\x02", place + 1)
    struct.pack_into("<L", lying, place + 24, 1000)
    assert "damaged" in fail(bytes(lying), unpacked_bytes=20_000_000)


def test_pictures_do_not_count() -> None:
    content = io.BytesIO(create_xlsx({"P": ROWS}))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr("xl/media/image1.png", bytes(200_000))
    assert len(read_file(content.getvalue(), workbook_limits=WorkbookLimits(unpacked_bytes=100_000)).rows) == 3


def test_a_workbook_that_needs_too_much_memory_gives_a_sentence() -> None:
    def add(workbook: xlsxwriter.Workbook) -> None:
        workbook.worksheets()[0].write_string(1_048_575, 16_383, "stray")

    sentence = fail(create_xlsx({"P": ROWS}, add))
    assert "needs more than 4,000 MB of memory" in sentence
    assert "stray cells" in sentence
    bomb = replace_sheet(
        b"</sheetData>",
        b'<row r="9"><c r="A9" t="inlineStr"><is><t>' + b"x" * 150_000_000 + b"</t></is></c></row></sheetData>",
    )
    assert "needs more than 250 MB" in fail(edit_parts(create_xlsx({"P": ROWS}), bomb), memory_bytes=250_000_000)


@pytest.mark.thorough
def test_a_million_empty_rows_with_a_format_are_no_rows() -> None:
    cells = b"".join(b'<row r="%d"><c r="A%d" s="0"/></row>' % (row, row) for row in range(5, 1_048_577))
    content = edit_parts(create_xlsx({"P": ROWS}), replace_sheet(b"</sheetData>", cells + b"</sheetData>"))
    assert read_file(content).rows == READ_ROWS


def test_a_sheet_of_all_columns_is_read() -> None:
    header = ["sku", *(f"column {number}" for number in range(16_383))]
    read = read_file(create_xlsx({"P": [header, *(["a", *["x"] * 16_383] for _ in range(3))]}), max_record=1 << 20)
    assert (read.rows, len(read.description["columns"])) == ([("a",)] * 3, 16_384)


def test_repeated_rows_and_columns_of_a_sheet_do_not_fill_the_memory() -> None:
    text = '<table:table-cell office:value-type="string" {}><text:p>{}</text:p></table:table-cell>'
    rows = "<table:table-row {}>{}</table:table-row>"
    # LibreOffice describes the rest of a sheet like this.
    rest = rows.format(
        'table:number-rows-repeated="1048573"', '<table:table-cell table:number-columns-repeated="16384"/>'
    )
    start = rows.format("", text.format("", "sku")) + rows.format(
        'table:number-rows-repeated="2"', text.format("", "a")
    )
    table = '<table:table table:name="P">{}</table:table>'
    assert read_file(wrap_ods(table.format(start + rest))).rows == [("a",), ("a",)]
    for count in ("1048576", "4000000000"):
        bomb = rows.format(
            f'table:number-rows-repeated="{count}"', text.format(f'table:number-columns-repeated="{count}"', "x")
        )
        assert fail(wrap_ods(table.format(start + bomb)), memory_bytes=500_000_000)


def test_entities_that_multiply_do_not_fill_the_memory() -> None:
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (number, b"&e%d;" % (number - 1) * 10 if number else b"x" * 100) for number in range(9)
    )

    def change(name: str, content: bytes) -> bytes:
        if name != "xl/workbook.xml":
            return content
        declaration, _, rest = content.partition(b"?>")
        return declaration + b"?><!DOCTYPE w [" + entities + b"]>" + rest.replace(b'name="P"', b'name="&e8;"')

    content = edit_parts(create_xlsx({"P": ROWS}), change)
    try:
        read_file(content, workbook_limits=WorkbookLimits(memory_bytes=500_000_000))
    except UnusableFile as error:
        assert str(error).endswith(".")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([*KINDS]), st.data())
def test_a_damaged_workbook_gives_rows_or_a_sentence(kind: str, data: st.DataObject) -> None:
    content = bytearray(KINDS[kind]({"P": ROWS}))
    # The choices must not depend on the length of the file, which varies with the date in a compressed part.
    for _ in range(data.draw(st.integers(0, 6))):
        content[8 + data.draw(st.integers(0, 1 << 20)) % (len(content) - 8)] = data.draw(st.integers(0, 255))
    try:
        read_file(bytes(content), workbook_limits=WorkbookLimits(memory_bytes=500_000_000))
    except UnusableFile as error:
        assert str(error).endswith(".")
