"""From a file to text: what kind of file it is, its bytes unpacked, its text in blocks of bounded size."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

from importer.errors import UnusableFile

GZIP_MAGIC = b"\x1f\x8b"
BLOCK_BYTES = 1 << 20
SNIFFED_BYTES = 4096

# What people upload by mistake, by the bytes the file begins with.
FOREIGN_FILES = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    GZIP_MAGIC: "a gzip file within a gzip file",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"\xfd7zXZ": "an XZ archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite database",
}
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Source:
    """An open file as blocks of text: plain or gzip, UTF-8 with or without a byte order mark.

    Bytes that are not UTF-8 arrive as lone surrogates (PEP 383), so that the parser can set their rows aside.
    Raises `UnusableFile` where the file as a whole is none that can be imported.
    """

    def __init__(self, path: Path, *, max_unpacked_bytes: int) -> None:
        self.size_bytes = path.stat().st_size
        self._raw = path.open("rb")
        self._max_unpacked_bytes = max_unpacked_bytes
        self._unpacked_bytes = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._at_start = True
        packed = self._raw.read(2) == GZIP_MAGIC
        self._raw.seek(0)
        self._stream: BinaryIO = cast(BinaryIO, gzip.GzipFile(fileobj=self._raw)) if packed else self._raw
        self._packed = packed

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()
        self._raw.close()

    @property
    def share_read(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return min(1.0, self._raw.tell() / self.size_bytes) if self.size_bytes else 1.0

    def read_block(self) -> str:
        """Returns the next block of text, or "" at the end of the file."""
        while True:
            data = self._read_bytes()
            if self._at_start and data:
                data = self._check_start(data)
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text

    def _read_bytes(self) -> bytes:
        try:
            data = self._stream.read(BLOCK_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise UnusableFile(
                "The gzip file is damaged or cut off before its end. Pack it again and upload it once more."
            ) from None
        self._unpacked_bytes += len(data)
        if self._packed and self._unpacked_bytes > self._max_unpacked_bytes:
            limit = f"{self._max_unpacked_bytes / 1e9:.3g} GB"
            raise UnusableFile(
                f"The file unpacks to more than {limit}, which is the limit. Split it into smaller files."
            )
        return data

    def _check_start(self, data: bytes) -> bytes:
        """Refuses what is no CSV; returns the data without its byte order mark."""
        self._at_start = False
        for magic, what in FOREIGN_FILES.items():
            if data.startswith(magic):
                raise UnusableFile(f"This is {what}, not a CSV file. Export the products as CSV and upload that.")
        if data.startswith(UTF16_MARKS):
            raise UnusableFile("The file is UTF-16 text. Save it as CSV in UTF-8 and upload it again.")
        if b"\0" in (data[:SNIFFED_BYTES].splitlines() or [b""])[0]:
            raise UnusableFile(
                "The first line contains NUL bytes: this is a binary file or UTF-16 text. Save it as CSV in UTF-8."
            )
        return data.removeprefix(codecs.BOM_UTF8)
