"""What an OLE compound file is, by the names in its directory ([MS-CFB])."""

from __future__ import annotations

import struct
from typing import IO

SECTOR_SIZE_OFFSET, DIRECTORY_START_OFFSET = 30, 48
HEADER_BYTES = 512
MIN_SECTOR_BITS, MAX_SECTOR_BITS = 9, 12
# An entry begins with its name in UTF-16, at most 32 characters, and the length of the name in bytes.
ENTRY_BYTES, NAME_BYTES = 128, 64


def read_entry_names(file: IO[bytes]) -> set[str]:
    """Return the names in the first sector of the directory, which has at least four entries.

    A damaged file has no names. The streams that tell what a file is come first.
    """
    file.seek(0)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return set()
    (bits,) = struct.unpack_from("<H", header, SECTOR_SIZE_OFFSET)
    (start,) = struct.unpack_from("<L", header, DIRECTORY_START_OFFSET)
    if not MIN_SECTOR_BITS <= bits <= MAX_SECTOR_BITS:
        return set()
    file.seek((start + 1) << bits)
    sector = file.read(1 << bits)
    names = set()
    for entry in range(0, len(sector) - ENTRY_BYTES + 1, ENTRY_BYTES):
        (length,) = struct.unpack_from("<H", sector, entry + NAME_BYTES)
        if 2 <= length <= NAME_BYTES:
            names.add(sector[entry : entry + length - 2].decode("utf-16-le", "replace"))
    return names
