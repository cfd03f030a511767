"""Reads a file as text: decompressed, decoded, and in blocks of bounded size."""

from __future__ import annotations

import re
from pathlib import Path
from types import TracebackType

from importer.errors import UnusableFile
from importer.files.compression import CompressedFile
from importer.files.encoding import SNIFFED_BYTES, Decoder
from importer.files.tuning import DEFAULT_TUNING

BYTE_ORDER_MARK = "\ufeff"


class TextSource:
    """An open file as blocks of text: uncompressed, gzip or ZIP, in any encoding.

    `encoding` is Python's name of an encoding; None finds it. Bytes that are not text in it become lone surrogates
    (PEP 383), so that the parser can reject their rows. Raises `UnusableFile` if the whole file cannot be imported.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_unpacked_bytes: int,
        encoding: str | None = None,
        block_bytes: int = DEFAULT_TUNING.block_bytes,
    ) -> None:
        self.block_bytes = block_bytes
        self._file = CompressedFile(path, max_unpacked_bytes=max_unpacked_bytes)
        self._decoder = Decoder(self._file.read, encoding, block_bytes=block_bytes)
        self._at_start = True

    def __enter__(self) -> TextSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def compression(self) -> str:
        """`none`, `gzip` or `zip`."""
        return self._file.compression

    @property
    def encoding(self) -> str:
        """Python's name of the encoding; `utf-8` while everything read is ASCII."""
        return self._decoder.name

    @property
    def share_read(self) -> float:
        """The share of the file that has been read, from 0 to 1."""
        return self._file.share_read

    def read_block(self) -> str:
        """Return the next block of text, "" at the end of the file."""
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
