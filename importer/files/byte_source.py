"""Opens a file as the bytes of CSV text, whatever its packing is."""

from __future__ import annotations

from pathlib import Path

from importer.files.compression import AfterRead, CompressedFile
from importer.files.stored_file import StoredFile
from importer.files.workbook.workbook_file import SheetChoice, WorkbookFile


def open_byte_source(
    file: Path | StoredFile, sheet: SheetChoice | None, *, max_unpacked_bytes: int, after_read: AfterRead
) -> CompressedFile | WorkbookFile:
    """Open a file and decompress it. If it is a workbook, judged by its content, open its sheet.

    Raises `UnusableFile` if it cannot be read.
    """
    packed = CompressedFile(file, max_unpacked_bytes=max_unpacked_bytes, after_read=after_read)
    if not packed.may_be_workbook:
        return packed
    try:
        unpacked = packed.unpack()
    except BaseException:
        packed.close()
        raise
    if packed.compression != "none":
        packed.close()
    return WorkbookFile(unpacked, sheet or SheetChoice(), compression=packed.compression, after_read=after_read)
