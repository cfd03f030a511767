"""Reads the bytes of a file: as they are, decompressed from gzip, or from the only CSV file of a ZIP archive."""

from __future__ import annotations

import gzip
import io
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO, cast

from importer.errors import UnusableFile
from importer.files.stored_file import StoredFile

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
ENCRYPTED_FLAG = 0x1
SHOWN_NAMES = 5
SHOWN_NAME_CHARACTERS = 60
# `zipfile` reads the whole directory of an archive into memory. Each entry takes 46 bytes and its name, so this is
# enough for about 10,000 files and limits the memory to about 20 MB.
MAX_ZIP_DIRECTORY_BYTES = 1_000_000

# Files that people upload by mistake, by the bytes that they start with.
OTHER_FILE_TYPES = {
    b"PK\x03\x04": "a ZIP archive inside a compressed file",
    b"PK\x05\x06": "an empty ZIP archive inside a compressed file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    GZIP_MAGIC: "a gzip file inside a compressed file",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\xfd7zXZ": "an XZ archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
}
# If an archive has files of both groups, those of the first group count.
CSV_SUFFIXES = ((".csv", ".tsv", ".tab"), (".txt",))
# Documents that are ZIP archives, by a file that each of them contains.
ZIP_BASED_DOCUMENTS = {
    "xl/workbook.xml": "an Excel workbook",
    "xl/workbook.bin": "an Excel workbook",
    "word/document.xml": "a Word document",
    "content.xml": "an OpenDocument file",
}
DAMAGED_GZIP = "The gzip file is damaged or incomplete. Compress it again and upload it again."
DAMAGED_ZIP = "The ZIP archive is damaged or incomplete. Create it again and upload it again."
ENCRYPTED_ZIP = "The ZIP archive is encrypted. Create it without a password and upload it again."
UNSUPPORTED_ZIP = (
    "The ZIP archive uses an unusual compression. Create it again as a standard ZIP archive, or use .csv.gz."
)
LARGE_ZIP_DIRECTORY = (
    f"The ZIP archive has too many files: its directory is larger than {MAX_ZIP_DIRECTORY_BYTES / 1e6:.0f} MB, which is"
    " the limit. Create an archive of the CSV file alone."
)
# The exceptions that the standard library raises for malformed archives; it validates little of what it reads.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, IndexError)

# Called after each read of a file with the share of the file that has been read, from 0 to 1. It may raise an exception
# to end the reading.
AfterRead = Callable[[float], None]


def ignore_progress(_share: float) -> None:
    """Do nothing after a read."""


class _RawFile(io.BufferedReader):
    """The bytes of a file on disk. Adds what it reads to the checksum of a stored file.

    Calls `after_read` after each read. Raises `UnusableFile` before it reads more than `bytes_left`, which only limits
    the directory of an archive.
    """

    def __init__(self, file: Path | StoredFile, after_read: Callable[[], None]) -> None:
        super().__init__(file.open() if isinstance(file, StoredFile) else io.FileIO(file))
        self._stored_file = file if isinstance(file, StoredFile) else None
        self._after_read = after_read
        self.bytes_left = math.inf

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self.bytes_left:
            raise UnusableFile(LARGE_ZIP_DIRECTORY)
        position = self.tell()
        data = super().read(size)
        if self._stored_file is not None:
            self._stored_file.add(position, data)
        self.bytes_left -= len(data)
        self._after_read()
        return data


class CompressedFile:
    """An open file as decompressed bytes. `compression` is `none`, `gzip` or `zip`.

    Calls `after_read` at least once for each read, also while a compressed file yields no bytes. Raises `UnusableFile`
    if it is not a CSV file, is damaged, or decompresses to more than `max_unpacked_bytes`.
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
            self._size_bytes = os.fstat(self._raw.fileno()).st_size
            magic = self._raw.read(4)
            self._raw.seek(0)
            self.compression = "gzip" if magic[:2] == GZIP_MAGIC else "zip" if magic in ZIP_MAGICS else "none"
            self._stream = self._open_stream()
            self._is_open = True
        except BaseException:
            self._raw.close()
            raise

    def _open_stream(self) -> IO[bytes]:
        if self.compression == "gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw))
        return _open_member(self._raw) if self.compression == "zip" else self._raw

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
        try:
            data = self._stream.read(size)
        except (*ZIP_ERRORS, RuntimeError) as error:
            if self.compression == "none":
                raise
            raise UnusableFile(DAMAGED_GZIP if self.compression == "gzip" else DAMAGED_ZIP) from error
        # Many blocks may come from bytes that were read before, so each block reports, not only each read of the file.
        self._report()
        self._unpacked_bytes += len(data)
        if self.compression != "none" and self._unpacked_bytes > self._max_unpacked_bytes:
            limit = f"{self._max_unpacked_bytes / 1e9:.3g} GB"
            raise UnusableFile(
                f"The file decompresses to more than {limit}, which is the limit. Split it into smaller files."
            )
        if self._at_start and data:
            self._at_start = False
            _refuse_other_file_types(data)
        return data


def _refuse_other_file_types(data: bytes) -> None:
    for magic, what in OTHER_FILE_TYPES.items():
        if data.startswith(magic):
            raise UnusableFile(f"This is {what}, not a CSV file. Export the products as CSV and upload that.")


def _open_member(raw: _RawFile) -> IO[bytes]:
    """Open the only CSV file of an archive. It is decompressed while it is read."""
    raw.bytes_left = MAX_ZIP_DIRECTORY_BYTES
    try:
        archive = zipfile.ZipFile(raw)
        member = _find_csv(archive.infolist())
        if member.flag_bits & ENCRYPTED_FLAG:
            raise UnusableFile(ENCRYPTED_ZIP)
        stream = archive.open(member)
    except RuntimeError:
        # Python does not know the compression method (NotImplementedError), or was built without it.
        raise UnusableFile(UNSUPPORTED_ZIP) from None
    except ZIP_ERRORS:
        raise UnusableFile(DAMAGED_ZIP) from None
    raw.bytes_left = math.inf
    # Opening the archive read the directory at its end.
    raw.seek(0)
    return stream


def _find_csv(members: Iterable[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    members = [member for member in members if not member.is_dir()]
    names = {member.filename for member in members}
    for name, what in ZIP_BASED_DOCUMENTS.items():
        if name in names:
            raise UnusableFile(f"This is {what}, not a CSV file. Save it as CSV and upload that.")
    members = [member for member in members if not _is_hidden(member.filename)]
    for suffixes in CSV_SUFFIXES:
        found = [member for member in members if member.filename.lower().endswith(suffixes)]
        if len(found) == 1:
            return found[0]
        if found:
            raise UnusableFile(
                f"The ZIP archive has {len(found):,} CSV files: {_shown(found)}."
                " Keep only the one with the products, or upload them one by one."
            )
    holds = f"It holds {_shown(members)}." if members else "It is empty."
    raise UnusableFile(f"The ZIP archive has no CSV file in it. {holds} Add the CSV file and upload it again.")


def _is_hidden(name: str) -> bool:
    # macOS adds a folder __MACOSX with metadata of the files.
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _shown(members: list[zipfile.ZipInfo]) -> str:
    shown = [
        "".join(filter(str.isprintable, member.filename))[-SHOWN_NAME_CHARACTERS:] for member in members[:SHOWN_NAMES]
    ]
    more = f" and {len(members) - SHOWN_NAMES:,} more" if len(members) > SHOWN_NAMES else ""
    return ", ".join(shown) + more
