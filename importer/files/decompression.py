"""Streams of bytes decompressed from bzip2, XZ or Zstandard, with bounded memory.

The classes of the standard library read such files, too, but they do not limit the memory of XZ and Zstandard, whose
files say how large a window the reader must keep.
"""

from __future__ import annotations

import bz2
import lzma
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from importer.errors import FailureKind, UnusableFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INPUT_BYTES = 1 << 16
# Enough for files of `xz -9` (65 MB) and of `zstd --ultra -22` or `--long` (128 MB).
MAX_WINDOW_BYTES = 1 << 27
MAX_WINDOW_LOG = MAX_WINDOW_BYTES.bit_length() - 1
# The program `xz` states slightly more than the window for the whole memory of a decoder.
XZ_MEMORY_BYTES = MAX_WINDOW_BYTES + (1 << 20)

NAMES = {"bzip2": "bzip2", "xz": "XZ", "zstd": "Zstandard"}
DAMAGED_COMPRESSION = FailureKind(
    "damaged_compression", "The {format} file is damaged or incomplete. Compress it again and upload it again."
)
NEEDS_MEMORY = FailureKind(
    "compression_needs_memory",
    "The {format} file needs more than {megabytes:.0f} MB of memory to decompress, which is the limit. Compress it"
    " again with the normal settings and upload it again.",
)
MEMORY_WORDS = ("Memory usage limit", "too much memory")


class _Decompressor(Protocol):
    """What the decompressors of `bz2`, `lzma` and `zstd` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _create_zstd() -> Any:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG})


DECOMPRESSORS: Mapping[str, Callable[[], _Decompressor]] = {
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES),
    "zstd": _create_zstd,
}


class DecompressedStream:
    """The decompressed bytes of a file of one or more compressed streams, as `pbzip2`, `pzstd` and `cat` create them.

    `read_raw` returns the next bytes of the file, at most as many as it is asked for. `name` is a key of `NAMES`.
    """

    def __init__(self, read_raw: Callable[[int], bytes], name: str) -> None:
        self._read_raw = read_raw
        self._name = NAMES[name]
        self._create = DECOMPRESSORS[name]
        self._decompressor = self._create()
        self._input = b""

    def close(self) -> None:
        """Free the window of the decompressor."""
        del self._decompressor

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`, b"" at the end. Raise `UnusableFile` if the file is damaged.

        Also raises it if the file needs more memory than the limit.
        """
        while True:
            if self._decompressor.eof and not self._start_next_stream():
                return b""
            if self._decompressor.needs_input and not self._input:
                self._input = self._read_raw(INPUT_BYTES)
                if not self._input:
                    raise self._damaged()
            data, self._input = self._decompress(self._input, size), b""
            if data:
                return data

    def _start_next_stream(self) -> bool:
        """Start with the stream after the present one; return False at the end of the file. Zeros are padding."""
        rest = self._decompressor.unused_data.lstrip(b"\0")
        while not rest and (block := self._read_raw(INPUT_BYTES)):
            rest = block.lstrip(b"\0")
        if not rest:
            return False
        self._decompressor = self._create()
        self._input = rest
        return True

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._decompressor.decompress(data, size)
        except (OSError, EOFError, ValueError, lzma.LZMAError, zstd.ZstdError) as error:
            if any(words in str(error) for words in MEMORY_WORDS):
                raise UnusableFile(NEEDS_MEMORY, format=self._name, megabytes=round(MAX_WINDOW_BYTES / 1e6)) from None
            raise self._damaged() from error

    def _damaged(self) -> UnusableFile:
        return UnusableFile(DAMAGED_COMPRESSION, format=self._name)
