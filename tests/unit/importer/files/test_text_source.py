"""Files are read as text in blocks, without losing anything at the start or the end."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from importer.errors import UnusableFile
from importer.files.text_source import TextSource

CSV = b"sku,name\n" + b"".join(b"%d,name %d\n" % (number, number * number) for number in range(2000))


def open_source(path: Path, *, block: int = 64, encoding: str | None = None) -> TextSource:
    """Open a file in blocks of `block` bytes."""
    return TextSource(path, max_unpacked_bytes=1 << 30, encoding=encoding, block_bytes=block)


def read_blocks(source: TextSource) -> list[str]:
    """Read a source to its end."""
    blocks = list(iter(source.read_block, ""))
    assert source.read_block() == ""
    return blocks


def test_a_file_is_read_in_blocks_of_the_given_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CSV)
    with open_source(path) as source:
        blocks = read_blocks(source)
    assert "".join(blocks) == CSV.decode()
    assert {len(block) for block in blocks[:-1]} == {64}


@pytest.mark.parametrize("block", [3, 4, 1000])
@pytest.mark.parametrize("encoding", [None, "utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_not_text(tmp_path: Path, block: int, encoding: str | None) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\xef\xbb\xbf" + CSV[:100])
    with open_source(path, block=block, encoding=encoding) as source:
        assert "".join(read_blocks(source)) == CSV[:100].decode()


@pytest.mark.parametrize("compression", ["none", "gzip", "zip"])
def test_the_share_that_has_been_read_grows_from_0_to_1(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "file"
    if compression == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("products.csv", CSV * 10)
            archive.writestr("README", b"x")
    else:
        path.write_bytes(CSV if compression == "none" else gzip.compress(CSV * 10))
    shares: list[float] = []
    with TextSource(path, max_unpacked_bytes=1 << 30, block_bytes=4096, after_read=shares.append) as source:
        assert source.compression == compression
        # Opening an archive reads its end, which does not count.
        assert max(shares, default=0) < 0.2
        read_blocks(source)
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    # A ZIP archive ends with the list of its files, which is not read again.
    assert 0.9 < shares[-1] <= 1 if compression == "zip" else shares[-1] == 1
    assert len(set(shares)) > 2


def test_an_empty_file_has_been_read_completely(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    shares: list[float] = []
    with TextSource(path, max_unpacked_bytes=1 << 30, after_read=shares.append) as source:
        assert (read_blocks(source), shares[-1], source.encoding) == ([], 1, "utf-8")


@pytest.mark.parametrize("compression", ["none", "gzip", "zip"])
def test_reading_can_be_ended_after_each_read(tmp_path: Path, compression: str) -> None:
    """Also while a compressed file yields no bytes: this one starts with many empty members."""

    class Ended(Exception):
        """Ends the reading."""

    reads = 0

    def end(_share: float) -> None:
        nonlocal reads
        reads += 1
        if reads == 5:
            raise Ended

    path = tmp_path / "file"
    if compression == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("products.csv", CSV * 10)
    else:
        path.write_bytes(CSV if compression == "none" else gzip.compress(b"") * 10_000 + gzip.compress(CSV))
    with pytest.raises(Ended), TextSource(path, max_unpacked_bytes=1 << 30, block_bytes=64, after_read=end) as source:
        read_blocks(source)
    assert reads == 5


@pytest.mark.parametrize("block", [16, 1 << 20])
def test_a_nul_in_the_first_line_is_refused_and_a_later_one_is_text(tmp_path: Path, block: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"sku,name,description\0\na,b,c\n")
    with open_source(path, block=block) as source, pytest.raises(UnusableFile, match="NUL"):
        source.read_block()
    path.write_bytes(b"sku,name,description\na,b\0,c\n")
    with open_source(path, block=block) as source:
        assert "".join(read_blocks(source)) == "sku,name,description\na,b\0,c\n"


def test_a_failing_disk_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CSV)
    source = open_source(path)
    source.close()
    with pytest.raises(ValueError, match="closed file"):
        source.read_block()
