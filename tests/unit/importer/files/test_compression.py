"""Compressed files: gzip, bzip2, XZ, Zstandard, and ZIP archives with one CSV file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import sys
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import UnusableFile
from support.files import read_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CSV = b"sku,name\n" + b"".join(b"a-%d,b\n" % number for number in range(200))


def create_archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP archive; names that end in / are folders."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def create_encrypted_archive() -> bytes:
    """Return an archive whose file is marked as encrypted."""
    data = bytearray(create_archive({"a.csv": CSV}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + offset] |= 1
    return bytes(data)


def create_unsupported_archive() -> bytes:
    """Return an archive with an unknown compression method."""
    data = bytearray(create_archive({"a.csv": CSV}))
    for magic, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", data, data.index(magic) + offset, 77)
    return bytes(data)


@pytest.mark.parametrize(
    "others",
    [
        {},
        {"folder/": b"", "__MACOSX/._products.csv": b"x", "__MACOSX/products.csv": b"x", ".hidden.csv": b"x"},
        {"README.txt": b"read me", "picture.png": b"\x89PNG", ".git/index.csv": b"x"},
    ],
)
@pytest.mark.parametrize("name", ["products.csv", "PRODUCTS.CSV", "deep/er/products.tsv", "products.tab"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_only_csv_file_of_an_archive_is_read(others: dict[str, bytes], name: str, method: int) -> None:
    read = read_file(create_archive({**others, name: CSV}, method), block=100)
    assert (len(read.rows), read.description["packing"]) == (200, "zip")


def test_a_text_file_is_read_if_there_is_no_csv_file() -> None:
    assert len(read_file(create_archive({"export.txt": CSV})).rows) == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (create_archive({}), "no CSV file and no workbook in it. It is empty"),
        (create_archive({"a.png": b"x", "b/": b"", "c.json": b"{}"}), "It holds a.png, c.json"),
        (
            create_archive({f"{n}.csv": CSV for n in range(7)}),
            "7 CSV files: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more",
        ),
        (create_archive({f"{n}.csv": CSV for n in range(5)}), r"5 CSV files: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv\. Keep"),
        (create_archive({"a\nb\u202e.png": b"x"}), r"It holds ab.png\. Add"),
        (create_archive({"[Content_Types].xml": b"x", "word/document.xml": b"x"}), "a Word document"),
        (create_archive({"mimetype": b"x", "content.xml": b"x", "a.csv": CSV}), "an OpenDocument file"),
        (create_archive({f"{n}.xlsx": b"x" for n in range(2)}), r"2 workbooks: 0.xlsx, 1.xlsx\. Keep"),
        (create_archive({"a.csv": b"\x89PNG"}), "a PNG picture"),
        (create_archive({"a.csv": create_archive({"b.csv": CSV})}), "a ZIP archive inside"),
        (create_archive({"a.csv": b"\x1f\x8b"}), "a gzip file inside"),
        (create_archive({"a.csv": b""}), "empty"),
        (create_encrypted_archive(), "without a password"),
        (create_unsupported_archive(), "unusual compression"),
        (create_archive({"a.csv": CSV})[:-30], "ZIP archive is damaged"),
        (b"PK\x03\x04 and nothing else", "ZIP archive is damaged"),
        (gzip.compress(CSV)[:-30], "gzip file is damaged"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_an_unusable_archive_gives_a_sentence(content: bytes, message: str) -> None:
    with pytest.raises(UnusableFile, match=message) as failure:
        read_file(content)
    assert str(failure.value).endswith(".")


def compress_zstd(content: bytes, window_log: int = 20) -> bytes:
    options: dict[int, int] = {
        zstd.CompressionParameter.window_log: window_log,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=options)
    # In one call, the frame would state the size of its content, which may be smaller than the window.
    return compressor.compress(content) + compressor.flush()


def compress_xz(content: bytes, window_bytes: int = 1 << 20) -> bytes:
    return lzma.compress(content, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": window_bytes}])


STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": compress_zstd,
}
NAMES = {"gzip": "gzip", "bzip2": "bzip2", "xz": "XZ", "zstd": "Zstandard"}
every_stream = pytest.mark.parametrize("name", STREAMS)


@every_stream
@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_a_compressed_file_is_read(name: str, block: int) -> None:
    read = read_file(STREAMS[name](CSV), block=block)
    assert (len(read.rows), read.description["packing"]) == (200, name)


@every_stream
def test_streams_that_were_joined_are_one_file(name: str) -> None:
    compress = STREAMS[name]
    parts = [compress(CSV[:500]), compress(b""), compress(CSV[500:1000]), compress(CSV[1000:]), bytes(64)]
    for block in (100, 1 << 20):
        assert len(read_file(b"".join(parts), block=block).rows) == 200


def test_a_zstandard_file_may_begin_with_a_frame_to_skip() -> None:
    for kind in (0x50, 0x5F):
        skipped = bytes([kind]) + b"\x2a\x4d\x18" + struct.pack("<L", 4) + b"size"
        read = read_file(skipped + compress_zstd(CSV) + skipped)
        assert (len(read.rows), read.description["packing"]) == (200, "zstd")


@every_stream
def test_a_truncated_or_damaged_file_gives_a_sentence(name: str) -> None:
    content = STREAMS[name](random.Random(1).randbytes(1000).hex().encode() + CSV)
    sentence = f"The {NAMES[name]} file is damaged or incomplete"
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 0xFF
    for unusable in (content[:-1], content[: len(content) // 2], bytes(damaged), content + b"rubbish"):
        with pytest.raises(UnusableFile, match=sentence):
            read_file(b"".join([STREAMS[name](b"sku,name\n"), unusable]))


@every_stream
def test_a_file_that_decompresses_to_too_much_is_not_read_to_its_end(name: str) -> None:
    bomb = STREAMS[name](CSV + (b"a," + b"b" * 97 + b"\n") * 40_000)
    tracemalloc.start()
    try:
        with pytest.raises(UnusableFile, match=r"decompresses to more than 0\.001 GB"):
            read_file(bomb, max_unpacked_bytes=1_000_000, block=1000)
        # The dictionary of an XZ decoder counts, too.
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_window_of_128_mb_is_read_and_a_larger_one_is_refused() -> None:
    for compress, window in ((compress_xz, 1 << 27), (compress_zstd, 27)):
        assert len(read_file(compress(CSV, window)).rows) == 200
    for compress, window, name in ((compress_xz, 1 << 28, "XZ"), (compress_zstd, 28, "Zstandard")):
        with pytest.raises(UnusableFile, match=f"The {name} file needs more than 134 MB of memory"):
            read_file(compress(CSV, window))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (bz2.compress(gzip.compress(CSV)), "a gzip file inside"),
        (gzip.compress(bz2.compress(CSV)), "a bzip2 file inside"),
        (gzip.compress(lzma.compress(CSV)), "an XZ file inside"),
        (gzip.compress(compress_zstd(CSV)), "a Zstandard file inside"),
        (lzma.compress(bytes(257) + b"ustar" + bytes(1000)), "a TAR archive"),
    ],
)
def test_a_file_inside_a_compressed_file_is_named(content: bytes, sentence: str) -> None:
    with pytest.raises(UnusableFile, match=sentence):
        read_file(content)


def test_a_text_that_begins_like_a_bzip2_file_is_a_text() -> None:
    assert read_file(b"BZh9,sku\na,b\n").rows == [("b",)]


def test_a_wrong_checksum_is_found() -> None:
    data = create_archive({"a.csv": CSV}, zipfile.ZIP_STORED).replace(b"a-1,b", b"a-1,c")
    with pytest.raises(UnusableFile, match="damaged"):
        read_file(data)


def test_an_archive_that_decompresses_to_too_much_is_not_read_to_its_end() -> None:
    bomb = create_archive({"a.csv": CSV + b"a,b\n" * 1_000_000})
    assert len(bomb) < 20_000
    with pytest.raises(UnusableFile, match=r"decompresses to more than 0\.001 GB"):
        read_file(bomb, max_unpacked_bytes=1_000_000, block=1000)


@given(st.data())
def test_a_damaged_archive_gives_rows_or_a_sentence(data: st.DataObject) -> None:
    content = bytearray(create_archive({"a.csv": CSV, "b/": b""}))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(4, len(content)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_file(bytes(content[:cut]), max_unpacked_bytes=100_000)
    except UnusableFile as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error)


def create_large_directory(entries: int, *, zip64: bool = False, told: tuple[int, int] | None = None) -> bytes:
    """Return an archive of one CSV file and so many entries; `told` replaces their number and size at its end."""
    archive = create_archive({"a.csv": CSV})
    end = archive.index(b"PK\x05\x06")
    directory_start = archive.index(b"PK\x01\x02")
    entry = archive[directory_start:end].replace(b"a.csv", b"b.png")
    directory = archive[directory_start:end] + entry * (entries - 1)
    count, size = told or (entries, len(directory))
    record = b""
    if zip64:
        record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, directory_start)
        record += struct.pack("<4sLQL", b"PK\x06\x07", 0, directory_start + len(directory), 1)
        count, size = 0xFFFF, 0xFFFFFFFF
    record += struct.pack(
        "<4sHHHHLLH", b"PK\x05\x06", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), size, directory_start, 0
    )
    return archive[:directory_start] + directory + record


@pytest.mark.parametrize("zip64", [False, True])
def test_an_archive_of_many_files_is_read_up_to_a_limit(zip64: bool) -> None:
    assert len(read_file(create_large_directory(10_000, zip64=zip64)).rows) == 200
    tracemalloc.start()
    try:
        with pytest.raises(UnusableFile, match=r"has too many files: its directory is larger than 1 MB"):
            read_file(create_large_directory(100_000, zip64=zip64))
        # The archive itself is one of the test.
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("told", [(1, 1 << 40), (1 << 40, 1 << 62), (1, (1 << 64) - 1)])
def test_an_archive_that_lies_about_its_directory_gives_a_sentence(told: tuple[int, int]) -> None:
    with pytest.raises(UnusableFile, match=r"damaged|too many files"):
        read_file(create_large_directory(3, zip64=True, told=told))
    # A large directory that claims to be small is not found where it should be.
    with pytest.raises(UnusableFile, match=r"damaged"):
        read_file(create_large_directory(100_000, told=(1, 50)))
