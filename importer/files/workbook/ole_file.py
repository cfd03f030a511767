"""What an OLE compound file is, by the streams in its directory ([MS-CFB])."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import IO

SECTOR_BITS_OFFSET, DIRECTORY_OFFSET = 30, 48
HEADER_BYTES = 512
MIN_SECTOR_BITS, MAX_SECTOR_BITS = 9, 12
# An entry begins with its name in UTF-16, at most 32 characters, and the length of the name in bytes.
ENTRY_BYTES, NAME_BYTES, START_OFFSET = 128, 64, 116

# An encrypted .xlsx, .xlsm or .xlsb file is a stream with this name.
ENCRYPTED_PACKAGE = "EncryptedPackage"
# The record of an encrypted .xls file is the first or second one after the start of the stream ([MS-XLS]).
XLS_STREAMS = ("Workbook", "Book")
FILE_PASS_RECORD = 0x2F
MAX_RECORDS_BEFORE_FILE_PASS = 3
OTHER_FILES = {"WordDocument": "a Word document", "PowerPoint Document": "a PowerPoint presentation"}


class OleFile:
    """The first sector of the directory of an open file. A damaged file has no streams."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sector_bits = 0
        self._starts = self._read_directory()

    @property
    def is_encrypted(self) -> bool:
        """Whether the file is a workbook that is protected by a password."""
        if ENCRYPTED_PACKAGE in self._starts:
            return True
        stream = next((self._starts[name] for name in XLS_STREAMS if name in self._starts), None)
        if stream is None:
            return False
        records = self._read_sector(stream)
        place = 0
        for _ in range(MAX_RECORDS_BEFORE_FILE_PASS):
            if place + 4 > len(records):
                break
            kind, length = struct.unpack_from("<HH", records, place)
            if kind == FILE_PASS_RECORD:
                return True
            place += 4 + length
        return False

    @property
    def other_kind(self) -> str | None:
        """What the file is, if it is known not to be a workbook."""
        return next((what for name, what in OTHER_FILES.items() if name in self._starts), None)

    def _read_directory(self) -> Mapping[str, int]:
        """Return the numbers of the sectors in which the streams begin. There are at least four entries in a sector."""
        self._file.seek(0)
        header = self._file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES:
            return {}
        (self._sector_bits,) = struct.unpack_from("<H", header, SECTOR_BITS_OFFSET)
        (directory,) = struct.unpack_from("<L", header, DIRECTORY_OFFSET)
        if not MIN_SECTOR_BITS <= self._sector_bits <= MAX_SECTOR_BITS:
            return {}
        entries = self._read_sector(directory)
        starts: dict[str, int] = {}
        for entry in range(0, len(entries) - ENTRY_BYTES + 1, ENTRY_BYTES):
            (length,) = struct.unpack_from("<H", entries, entry + NAME_BYTES)
            if 2 <= length <= NAME_BYTES:
                name = entries[entry : entry + length - 2].decode("utf-16-le", "replace")
                (starts[name],) = struct.unpack_from("<L", entries, entry + START_OFFSET)
        return starts

    def _read_sector(self, number: int) -> bytes:
        self._file.seek((number + 1) << self._sector_bits)
        return self._file.read(1 << self._sector_bits)
