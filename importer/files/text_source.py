"""Reads a file as text: decompressed, decoded, and in blocks of bounded size."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from importer.errors import FailureKind, UnusableFile
from importer.files.byte_source import open_byte_source
from importer.files.compression import AfterRead, ignore_progress
from importer.files.encoding import SNIFFED_BYTES, Decoder
from importer.files.stored_file import StoredFile
from importer.files.tuning import DEFAULT_TUNING
from importer.files.workbook.workbook_file import SheetChoice, WorkbookFile
from importer.notices import Notices

BYTE_ORDER_MARK = "\ufeff"
# DOS programs end a text with this character, and repeat it to fill a sector.
DOS_END = "\x1a"
DOS_END_MAX_CHARACTERS = 4096
# What files that were joined have between them: the end of one and the start of the next.
MARKS = BYTE_ORDER_MARK + DOS_END
MARKS_BEFORE_LINE = re.compile(f"(?<=[\r\n])[{MARKS}]+")

BINARY_FILE = FailureKind(
    "binary_file",
    "The first line contains NUL bytes: this is a binary file, or text in another encoding. Save it as CSV in UTF-8.",
)


class TextSource:
    """An open file as blocks of text: compressed or not, in any encoding, or a sheet of a workbook.

    `encoding` is Python's name of an encoding; if it is None, the encoding is detected. Bytes that are not text in that
    encoding become lone surrogates (PEP 383), so that the parser can reject their rows. Byte order marks before a line
    and the end of a DOS file are left out. `after_read` is called after each read. `workbook` is the workbook, if the
    file is one; its text is CSV with commas and double quotes. Raises `UnusableFile` if the file as a whole cannot be
    imported.
    """

    def __init__(
        self,
        file: Path | StoredFile,
        *,
        max_unpacked_bytes: int,
        encoding: str | None = None,
        notices: Notices | None = None,
        block_bytes: int = DEFAULT_TUNING.block_bytes,
        after_read: AfterRead = ignore_progress,
        sheet: SheetChoice | None = None,
    ) -> None:
        self.block_bytes = block_bytes
        self._arguments = file, max_unpacked_bytes, encoding, sheet
        self._after_read = after_read
        self._second: TextSource | None = None
        self._file = open_byte_source(file, sheet, max_unpacked_bytes=max_unpacked_bytes, after_read=after_read)
        self.workbook = self._file if isinstance(self._file, WorkbookFile) else None
        encoding = "utf-8" if self.workbook else encoding
        self._decoder = Decoder(self._file.read, encoding, notices or Notices(), block_bytes=block_bytes)
        self._at_start = True
        # Blocks that were read to check the start of the file and are not returned yet.
        self._start: deque[str] = deque()
        # The last character before the next block, and the end of a DOS file if no text follows it.
        self._last = "\n"
        self._dos_end = ""

    def __enter__(self) -> TextSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._second is not None:
            self._second.close()
        self._file.close()

    def reopen(self) -> TextSource:
        """Open the file a second time, to read ahead in it. Its reads are reported, too.

        `close` closes both. A later call closes what the earlier one opened.
        """
        if self._second is not None:
            self._second.close()
        file, max_unpacked_bytes, encoding, sheet = self._arguments
        self._second = TextSource(
            file,
            max_unpacked_bytes=max_unpacked_bytes,
            encoding=encoding,
            block_bytes=self.block_bytes,
            after_read=self._after_read,
            # The notices about the sheets were added when the file was opened first.
            sheet=None if sheet is None else replace(sheet, notices=Notices()),
        )
        return self._second

    @property
    def compression(self) -> str:
        """`none`, `gzip`, `zip`, `bzip2`, `xz` or `zstd`."""
        return self._file.compression

    @property
    def encoding(self) -> str:
        """Python's name of the encoding; `utf-8` while everything read is ASCII."""
        return self._decoder.name

    def read_block(self) -> str:
        """Return the next block of text, "" at the end of the file."""
        if self._at_start:
            self._at_start = False
            self._check_start()
        while block := self._start.popleft() if self._start else self._decoder.read_block():
            if block := self._remove_marks(block):
                return block
        return ""

    def _remove_marks(self, block: str) -> str:
        """Remove byte order marks before lines, and hold back what may be the end of a DOS file."""
        block, self._dos_end = self._dos_end + block, ""
        if DOS_END in block[-DOS_END_MAX_CHARACTERS:]:
            end = len(block.rstrip(f"{DOS_END}\r\n"))
            end = block.find(DOS_END, end)
            if 0 <= len(block) - end <= DOS_END_MAX_CHARACTERS and end >= 0:
                block, self._dos_end = block[:end], block[end:]
        if not block:
            return ""
        last, self._last = self._last, block[-1]
        if DOS_END in block or (not block.isascii() and BYTE_ORDER_MARK in block):
            if last in "\r\n":
                block = block.lstrip(MARKS)
            block = MARKS_BEFORE_LINE.sub("", block)
        return block

    def _check_start(self) -> None:
        """Read the blocks that the file starts with, remove the byte order mark, and refuse binary files."""
        size = 0
        while size < SNIFFED_BYTES and (block := self._decoder.read_block()):
            if not size:
                block = block.removeprefix(BYTE_ORDER_MARK)
            if block:
                # An empty block would mean the end of the file.
                self._start.append(block)
                size += len(block)
        # A cell of a workbook may have any character.
        if not self.workbook and "\0" in re.split("[\r\n]", "".join(self._start)[:SNIFFED_BYTES], maxsplit=1)[0]:
            raise UnusableFile(BINARY_FILE)
