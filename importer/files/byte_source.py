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
    is_workbook = False

    def report(share: float) -> None:
        # Unpacking a workbook is no progress: the rows come after it.
        after_read(0.0 if is_workbook else share)

    packed = CompressedFile(file, max_unpacked_bytes=max_unpacked_bytes, after_read=report)
    is_workbook = packed.may_be_workbook
    if not is_workbook:
        return packed
    try:
        unpacked = packed.unpack()
    except BaseException:
        packed.close()
        raise
    if packed.needs_copy:
        packed.close()
    return WorkbookFile(unpacked, sheet or SheetChoice(), compression=packed.compression, after_read=after_read)
