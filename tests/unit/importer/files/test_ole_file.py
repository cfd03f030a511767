"""Streams of OLE compound files: in long directories, in small sectors, and in damaged chains."""

from __future__ import annotations

import io
import struct

from hypothesis import given
from hypothesis import strategies as st

from importer.files.workbook.ole_file import OleFile
from support.workbooks import create_ole

RECORDS = bytes(range(256)) * 8
SECTOR_BYTES, SMALL_SECTOR_BYTES = 512, 64


def read_workbook(content: bytes) -> bytes:
    return OleFile(io.BytesIO(content)).read_workbook()


def test_a_stream_is_found_behind_the_first_sector_of_the_directory() -> None:
    streams = {f"Macro {number}": b"x" for number in range(20)}
    assert read_workbook(create_ole({**streams, "Workbook": RECORDS * 3})) == RECORDS * 3
    assert OleFile(io.BytesIO(create_ole({**streams, "EncryptedPackage": b"x"}))).is_encrypted


def test_a_large_stream_is_whole() -> None:
    # The table of sectors does not fit into the 109 sectors that the header lists.
    records = RECORDS * 3600
    assert read_workbook(create_ole({"Workbook": records})) == records


def test_a_small_stream_is_a_part_of_the_stream_of_the_root() -> None:
    count = len(RECORDS) // SMALL_SECTOR_BYTES
    # Every other small sector belongs to another stream.
    small_sectors = b"".join(
        RECORDS[number * SMALL_SECTOR_BYTES : (number + 1) * SMALL_SECTOR_BYTES] + bytes(SMALL_SECTOR_BYTES)
        for number in range(count)
    )
    chain = [number + 2 if number < 2 * count - 2 else 0xFFFFFFFE for number in range(2 * count)]
    content = bytearray(create_ole({"Workbook": small_sectors, "Chain": struct.pack(f"<{len(chain)}L", *chain)}))
    chain_sector = len(small_sectors) // SECTOR_BYTES
    (directory,) = struct.unpack_from("<L", content, 48)
    struct.pack_into("<LL", content, 60, chain_sector, 1)
    root = (directory + 1) * SECTOR_BYTES
    struct.pack_into("<LQ", content, root + 116, 0, len(small_sectors))
    struct.pack_into("<LQ", content, root + 128 + 116, 0, len(RECORDS))
    assert read_workbook(bytes(content)) == RECORDS


@given(st.lists(st.tuples(st.integers(8, 6000), st.integers(0, 255)), max_size=8))
def test_a_damaged_file_does_not_keep_the_reader_busy(changes: list[tuple[int, int]]) -> None:
    content = bytearray(create_ole({"Workbook": RECORDS * 2}))
    for place, byte in changes:
        content[min(place, len(content) - 1)] = byte
    file = OleFile(io.BytesIO(bytes(content)))
    assert len(file.read_workbook()) <= len(content)
    assert file.is_encrypted in {True, False}
