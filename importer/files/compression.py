"""Reads the bytes of a file: as they are, decompressed, or from the only file of products in a ZIP archive."""

from __future__ import annotations

import errno
import gzip
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, cast

from importer.errors import FailureKind, ImportFailure, UnusableFile
from importer.files.decompression import DAMAGED_COMPRESSION, DECOMPRESSORS, DecompressedStream
from importer.files.stored_file import StoredFile
from importer.files.zip_archive import DAMAGED_ZIP, ZIP_ERRORS, ZipArchive

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
# Zstandard files may begin with a skippable frame, whose first byte is 0x50 to 0x5f.
SKIPPABLE_FRAME_HIGH_DIGIT = 5
SKIPPABLE_FRAME_MAGIC = b"\x2a\x4d\x18"
MAGICS = {
    GZIP_MAGIC: "gzip",
    ZIP_MAGIC: "zip",
    b"PK\x05\x06": "zip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
# The signature of bzip2, without the digit after it, and how the first block begins, or the end if there is none.
BZIP2_MAGIC = b"BZh"
BZIP2_BLOCK_MAGICS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
TAR_MAGIC = b"ustar"
TAR_MAGIC_OFFSET = 257
# The length of the start of a file that shows what it is.
MAGIC_BYTES = TAR_MAGIC_OFFSET + len(TAR_MAGIC)

# Files that people upload by mistake, by the bytes that they start with.
OTHER_FILE_TYPES = {
    ZIP_MAGIC: "nested_zip",
    b"PK\x05\x06": "nested_empty_zip",
    b"\x89PNG": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF8": "gif",
    b"%PDF": "pdf",
    b"7z\xbc\xaf": "7zip",
    b"Rar!": "rar",
    GZIP_MAGIC: "nested_gzip",
    b"\x28\xb5\x2f\xfd": "nested_zstd",
    b"\xfd7zXZ": "nested_xz",
    b"PAR1": "parquet",
    b"SQLite format 3": "sqlite",
}
OTHER_FILE_TYPE = FailureKind(
    "other_file_type",
    "This is {type}, not a CSV file. Export the products as CSV and upload that.",
    words={
        "type": {
            "7zip": "a 7-Zip archive",
            "gif": "a GIF picture",
            "jpeg": "a JPEG picture",
            "nested_bzip2": "a bzip2 file inside a compressed file",
            "nested_empty_zip": "an empty ZIP archive inside a compressed file",
            "nested_gzip": "a gzip file inside a compressed file",
            "nested_xz": "an XZ file inside a compressed file",
            "nested_zip": "a ZIP archive inside a compressed file",
            "nested_zstd": "a Zstandard file inside a compressed file",
            "parquet": "a Parquet file",
            "pdf": "a PDF document",
            "png": "a PNG picture",
            "rar": "a RAR archive",
            "sqlite": "an SQLite database",
            "tar": "a TAR archive",
        }
    },
)
UNPACKED_TOO_LARGE = FailureKind(
    "unpacked_too_large",
    "The file decompresses to more than {gigabytes:.3g} GB, which is the limit. Split it into smaller files.",
)
NO_SPACE = FailureKind(
    "no_space_to_unpack",
    "The server has no space to unpack the file. Free some space on its disk, or upload the file without compression.",
)
UNPACKED_BLOCK_BYTES = 1 << 20
BYTES_PER_GB = 1e9

# Called after each read of a file with the share of the file that has been read, from 0 to 1. It may raise an exception
# to end the reading.
AfterRead = Callable[[float], None]


def ignore_progress(_share: float) -> None:
    """Do nothing after a read."""


class _RawFile(io.BufferedReader):
    """The bytes of a file. Adds what it reads to the checksum of a stored file.

    Calls `after_read` after each read.
    """

    def __init__(self, file: Path | StoredFile, after_read: Callable[[], None]) -> None:
        raw = file.open() if isinstance(file, StoredFile) else io.FileIO(file)
        super().__init__(raw)
        self.is_on_disk = isinstance(raw, io.FileIO)
        self._stored_file = file if isinstance(file, StoredFile) else None
        self._after_read = after_read

    def read(self, size: int | None = -1, /) -> bytes:
        position = self.tell()
        if self._stored_file is None:
            data = super().read(size)
        else:
            with self._stored_file.reading():
                data = super().read(size)
            self._stored_file.add(position, data)
        self._after_read()
        return data


class ByteStream(Protocol):
    """A stream of decompressed bytes."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`, b"" at the end."""

    def close(self) -> None:
        """Close the stream, but not the file that it reads."""


class CompressedFile:
    """An open file as decompressed bytes. `compression` is `none`, `gzip`, `zip`, `bzip2`, `xz` or `zstd`.

    Calls `after_read` at least once for each read, also while a compressed file yields no bytes. Raises `UnusableFile`
    if it is not a file of products, is damaged, or decompresses to more than `max_unpacked_bytes`.
    """

    def __init__(
        self, file: Path | StoredFile, *, max_unpacked_bytes: int, after_read: AfterRead = ignore_progress
    ) -> None:
        self._size_bytes = 0
        self._after_read = after_read
        self._is_open = False
        self._max_unpacked_bytes = max_unpacked_bytes
        self._unpacked_bytes = 0
        self._at_start = True
        self._raw = _RawFile(file, self._report)
        try:
            self._size_bytes = self._raw.seek(0, io.SEEK_END)
            self._raw.seek(0)
            self.compression = _find_compression(self._raw.read(MAGIC_BYTES))
            self._raw.seek(0)
            self._stream = self._open_stream()
            # A compressed file may have a lot of bytes before the first decompressed one.
            self._is_open = self.compression not in {"none", "zip"}
            # What was read to see what the file is, and not returned yet.
            self._start = self._read_stream(MAGIC_BYTES)
            self._is_open = True
        except BaseException:
            self._raw.close()
            raise

    def _open_stream(self) -> ByteStream:
        if self.compression == "gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw))
        if self.compression in DECOMPRESSORS:
            return DecompressedStream(self._raw.read, self.compression)
        if self.compression == "zip":
            archive = ZipArchive(self._raw)
            if not archive.is_workbook:
                return archive.open_products()
            self.compression = "none"
            self._raw.seek(0)
        return self._raw

    @property
    def may_be_workbook(self) -> bool:
        """Whether the decompressed file is an OLE file or a ZIP archive, as workbooks are."""
        return self._start.startswith((OLE_MAGIC, ZIP_MAGIC))

    @property
    def needs_copy(self) -> bool:
        """Whether `unpack` writes a file: this one is compressed, or not on this machine's disk."""
        return self.compression != "none" or not self._raw.is_on_disk

    def unpack(self) -> IO[bytes]:
        """Return the decompressed file as an open file on disk: itself, or a temporary file that has no name.

        Raises `UnusableFile` as `read` does, and if the disk is full.
        """
        if not self.needs_copy:
            self._raw.seek(0)
            return self._raw
        self._at_start = False
        unpacked = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115
        try:
            while block := self.read(UNPACKED_BLOCK_BYTES):
                unpacked.write(block)
            unpacked.flush()
            unpacked.seek(0)
        except OSError as error:
            unpacked.close()
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise ImportFailure(NO_SPACE) from None
            raise
        except BaseException:
            unpacked.close()
            raise
        return unpacked

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def _report(self) -> None:
        # Opening an archive reads the directory at its end, which is no progress.
        position = self._raw.tell() if self._is_open else 0
        self._after_read(min(1.0, position / self._size_bytes) if self._size_bytes else 1.0)

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`, b"" at the end."""
        data, self._start = self._start[:size], self._start[size:]
        if len(data) < size:
            data += self._read_stream(size - len(data))
        # Many blocks may come from bytes that were read before, so each block reports, not only each read of the file.
        self._report()
        self._unpacked_bytes += len(data)
        if self.compression != "none" and self._unpacked_bytes > self._max_unpacked_bytes:
            raise UnusableFile(UNPACKED_TOO_LARGE, gigabytes=self._max_unpacked_bytes / BYTES_PER_GB)
        if self._at_start and data:
            self._at_start = False
            refuse_other_file_types(data)
        return data

    def _read_stream(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (*ZIP_ERRORS, RuntimeError) as error:
            if self.compression not in {"gzip", "zip"}:
                raise
            if self.compression == "gzip":
                raise UnusableFile(DAMAGED_COMPRESSION, format="gzip") from error
            raise UnusableFile(DAMAGED_ZIP) from error


def _find_compression(start: bytes) -> str:
    if start[:3] == BZIP2_MAGIC and start[4:10] in BZIP2_BLOCK_MAGICS:
        return "bzip2"
    if start[1:4] == SKIPPABLE_FRAME_MAGIC and start[0] >> 4 == SKIPPABLE_FRAME_HIGH_DIGIT:
        return "zstd"
    return next((name for magic, name in MAGICS.items() if start.startswith(magic)), "none")


def refuse_other_file_types(start: bytes) -> None:
    """Raise `UnusableFile` if a file that starts like this is known not to be a file of products."""
    found = next((what for magic, what in OTHER_FILE_TYPES.items() if start.startswith(magic)), None)
    if start[TAR_MAGIC_OFFSET:].startswith(TAR_MAGIC):
        found = "tar"
    if _find_compression(start) == "bzip2":
        found = "nested_bzip2"
    if found:
        raise UnusableFile(OTHER_FILE_TYPE, type=found)
