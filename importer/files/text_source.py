"""From a file to text, in blocks of bounded size: unpacked, decoded, and known not to be something else entirely."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType

from importer.errors import UnusableFile
from importer.files.compression import PackedFile
from importer.files.encoding import BLOCK_BYTES, SNIFFED_BYTES, Decoder

__all__ = ["BLOCK_BYTES", "Source"]

BYTE_ORDER_MARK = "\ufeff"


class Source:
    """An open file as blocks of text: plain, gzip or ZIP, in any encoding.

    `encoding` is Python's name of one, None for finding it out. Bytes that are no text in it arrive as lone surrogates
    (PEP 383), so that the parser can set their rows aside. Raises `UnusableFile` where the file as a whole is none that
    can be imported.
    """

    def __init__(self, path: Path, *, max_unpacked_bytes: int, encoding: str | None = None) -> None:
        self._file = PackedFile(path, max_unpacked_bytes=max_unpacked_bytes)
        self._decoder = Decoder(self._file.read, encoding)
        self._at_start = True

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    @property
    def packing(self) -> str:
        """`none`, `gzip` or `zip`."""
        return self._file.packing

    @property
    def encoding(self) -> str:
        """Python's name of the encoding, `utf-8` as long as all that was read is ASCII."""
        return self._decoder.name

    @property
    def share_read(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return self._file.share_read

    def read_block(self) -> str:
        """Returns the next block of text, or "" at the end of the file."""
        if not self._at_start:
            return self._decoder.read_block()
        self._at_start = False
        text = ""
        while len(text) < SNIFFED_BYTES and (block := self._decoder.read_block()):
            text += block
        if "\0" in re.split("[\r\n]", text[:SNIFFED_BYTES], maxsplit=1)[0]:
            raise UnusableFile(
                "The first line contains NUL bytes: this is a binary file, or text in another encoding."
                " Save it as CSV in UTF-8."
            )
        return text.removeprefix(BYTE_ORDER_MARK)
