"""What an OLE compound file is, and its streams ([MS-CFB])."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import IO, NamedTuple

HEADER_BYTES = 512
SECTOR_BITS_OFFSET, DIRECTORY_OFFSET, SMALL_FAT_OFFSET, FAT_LIST_OFFSET = 30, 48, 60, 68
MIN_SECTOR_BITS, MAX_SECTOR_BITS, SMALL_SECTOR_BITS = 9, 12, 6
# Shorter streams are parts of the stream of the root entry.
MIN_STREAM_BYTES = 4096
# The header lists the first sectors of the table of sectors.
FAT_SECTORS_IN_HEADER = 109
LAST_SECTOR = 0xFFFFFFFA
# An entry begins with its name in UTF-16, at most 32 characters, and the length of the name in bytes.
ENTRY_BYTES, NAME_BYTES, START_OFFSET = 128, 64, 116
ROOT_ENTRY = "Root Entry"

# An encrypted .xlsx, .xlsm or .xlsb file is a stream with this name.
ENCRYPTED_PACKAGE = "EncryptedPackage"
# The record of an encrypted .xls file is the first or second one after the start of the stream ([MS-XLS]).
XLS_STREAMS = ("Workbook", "Book")
FILE_PASS_RECORD = 0x2F
MAX_RECORDS_BEFORE_FILE_PASS = 3
OTHER_FILES = {"WordDocument": "word", "PowerPoint Document": "powerpoint"}


class Entry(NamedTuple):
    """An entry of the directory: the first sector of a stream, and its size in bytes."""

    start: int
    size: int


class OleFile:
    """The directory of an open file. A damaged file has no streams, or streams that end early."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        file.seek(0)
        self._header = file.read(HEADER_BYTES)
        self._sector_bits = 0
        self._entries = self._read_directory()

    @property
    def is_encrypted(self) -> bool:
        """Whether the file is a workbook that is protected by a password."""
        if ENCRYPTED_PACKAGE in self._entries:
            return True
        records = self.read_workbook(1 << MIN_SECTOR_BITS)
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
        """What the file is, a `type` of `OTHER_DOCUMENT`, if it is known not to be a workbook."""
        return next((what for name, what in OTHER_FILES.items() if name in self._entries), None)

    def read_workbook(self, size: int | None = None) -> bytes:
        """Return the records of an .xls file, or the first `size` bytes of them; b"" if there are none."""
        entry = next((self._entries[name] for name in XLS_STREAMS if name in self._entries), None)
        if entry is None:
            return b""
        size = entry.size if size is None else min(size, entry.size)
        if entry.size >= MIN_STREAM_BYTES:
            return self._read_chain(entry.start, size)
        small_fat = _unpack_numbers(self._read_chain(struct.unpack_from("<L", self._header, SMALL_FAT_OFFSET)[0]))
        root = self._entries.get(ROOT_ENTRY, Entry(LAST_SECTOR, 0))
        small_sectors = self._read_chain(root.start, root.size)
        data = b"".join(
            small_sectors[number << SMALL_SECTOR_BITS : (number + 1) << SMALL_SECTOR_BITS]
            for number in _follow(small_fat, entry.start)
        )
        return data[:size]

    def _read_directory(self) -> Mapping[str, Entry]:
        if len(self._header) < HEADER_BYTES:
            return {}
        (self._sector_bits,) = struct.unpack_from("<H", self._header, SECTOR_BITS_OFFSET)
        if not MIN_SECTOR_BITS <= self._sector_bits <= MAX_SECTOR_BITS:
            return {}
        directory = self._read_chain(struct.unpack_from("<L", self._header, DIRECTORY_OFFSET)[0])
        entries: dict[str, Entry] = {}
        for place in range(0, len(directory) - ENTRY_BYTES + 1, ENTRY_BYTES):
            (length,) = struct.unpack_from("<H", directory, place + NAME_BYTES)
            if 2 <= length <= NAME_BYTES:
                name = directory[place : place + length - 2].decode("utf-16-le", "replace")
                # An embedded workbook may have the name of one that comes first.
                entries.setdefault(name, Entry(*struct.unpack_from("<LL", directory, place + START_OFFSET)))
        return entries

    @cached_property
    def _fat(self) -> Sequence[int]:
        """The number of the sector that follows each sector."""
        first, count = struct.unpack_from("<LL", self._header, FAT_LIST_OFFSET)
        places = list(struct.unpack_from(f"<{FAT_SECTORS_IN_HEADER}L", self._header, FAT_LIST_OFFSET + 8))
        for _ in range(count):
            # Large files have further lists, each with the number of the next one at its end.
            numbers = _unpack_numbers(self._read_sector(first))
            if first >= LAST_SECTOR or not numbers:
                break
            *more, first = numbers
            places += more
        fat: list[int] = []
        for place in places:
            if place >= LAST_SECTOR:
                break
            fat += _unpack_numbers(self._read_sector(place))
        return fat

    def _read_chain(self, start: int, size: int | None = None) -> bytes:
        """Return a stream that begins in a sector. Without its size, it has whole sectors."""
        parts: list[bytes] = []
        left = size
        # A table that is damaged does not keep the first sector from being read.
        for number in _follow(self._fat, start):
            if left is not None and left <= 0:
                break
            parts.append(self._read_sector(number))
            left = None if left is None else left - len(parts[-1])
        return b"".join(parts)[:size]

    def _read_sector(self, number: int) -> bytes:
        if number >= LAST_SECTOR:
            return b""
        self._file.seek((number + 1) << self._sector_bits)
        return self._file.read(1 << self._sector_bits)


def _follow(fat: Sequence[int], start: int) -> Sequence[int]:
    """Return the numbers of the sectors of a chain."""
    chain: list[int] = []
    number = start
    # A damaged chain may come back to itself.
    while number < LAST_SECTOR and len(chain) <= len(fat):
        chain.append(number)
        number = fat[number] if number < len(fat) else LAST_SECTOR
    return chain


def _unpack_numbers(data: bytes) -> Sequence[int]:
    return struct.unpack(f"<{len(data) // 4}L", data[: len(data) // 4 * 4])
