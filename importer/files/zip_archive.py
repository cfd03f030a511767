"""ZIP archives: finds the file with the products, and opens it so that it is decompressed while it is read."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import IO, cast

from importer.errors import FailureKind, UnusableFile

ENCRYPTED_FLAG = 0x1
SHOWN_NAMES = 5
SHOWN_NAME_CHARACTERS = 60
# `zipfile` reads the whole directory of an archive into memory. Each entry takes 46 bytes and its name, so this is
# enough for about 10,000 files and limits the memory to about 20 MB.
MAX_ZIP_DIRECTORY_BYTES = 1_000_000

# Which files of an archive may have the products. If it has files of several groups, those of the first group count.
PRODUCT_SUFFIXES = (
    (".csv", ".tsv", ".tab"),
    (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
    (".txt",),
)
# Workbooks are ZIP archives. Each of them contains one of these files.
EXCEL_PARTS = ("xl/workbook.xml", "xl/workbook.bin")
WORKBOOK_SUFFIXES = (".xml", ".bin")
OPENDOCUMENT_PART = "content.xml"
OPENDOCUMENT_TYPE_PART = "mimetype"
OPENDOCUMENT_SPREADSHEET = b"application/vnd.oasis.opendocument.spreadsheet"
# Other documents that are ZIP archives, by a file that each of them contains.
OTHER_DOCUMENTS = {
    "word/document.xml": "word",
    "ppt/presentation.xml": "powerpoint",
    "Index/Document.iwa": "iwork",
    OPENDOCUMENT_PART: "opendocument",
}
OTHER_DOCUMENT = FailureKind(
    "other_document",
    "This is {type}, not a file of products. Save the products as CSV and upload that.",
    words={
        "type": {
            "iwork": "a Numbers, Pages or Keynote document",
            "opendocument": "an OpenDocument file",
            "powerpoint": "a PowerPoint presentation",
            "word": "a Word document",
        }
    },
)
DAMAGED_ZIP = FailureKind(
    "damaged_zip", "The ZIP archive is damaged or incomplete. Create it again and upload it again."
)
ENCRYPTED_ZIP = FailureKind(
    "encrypted_zip", "The ZIP archive is encrypted. Create it without a password and upload it again."
)
UNSUPPORTED_ZIP = FailureKind(
    "unsupported_zip",
    "The ZIP archive uses an unusual compression. Create it again as a standard ZIP archive, or use .csv.gz.",
)
LARGE_ZIP_DIRECTORY = FailureKind(
    "zip_has_too_many_files",
    "The ZIP archive has too many files: its directory is larger than {megabytes:.0f} MB, which is the limit. Create an"
    " archive of the file with the products alone.",
)


def _describe_several(count: int, type: str, names: list[str], more: int) -> str:
    files = "workbooks" if type == "workbook" else "CSV files"
    return (
        f"The ZIP archive has {count:,} {files}: {_join(names, more)}. Keep only the one with the products, or upload"
        " them one by one."
    )


def _describe_none(count: int, names: list[str], more: int) -> str:
    holds = f"It holds {_join(names, more)}." if count else "It is empty."
    return (
        f"The ZIP archive has no CSV file and no workbook in it. {holds} Add the file with the products and upload"
        " it again."
    )


def _join(names: list[str], more: int) -> str:
    return ", ".join(names) + (f" and {more:,} more" if more else "")


SEVERAL_FILES = FailureKind("zip_has_several_files", _describe_several)
NO_FILE = FailureKind("zip_has_no_products", _describe_none)
# The exceptions that the standard library raises for malformed archives; it validates little of what it reads.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError, IndexError)


class _LimitedFile:
    """A file that raises `UnusableFile` before it reads more than `bytes_left`, which limits the directory."""

    def __init__(self, file: IO[bytes]) -> None:
        self.bytes_left: float = MAX_ZIP_DIRECTORY_BYTES
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size`."""
        if size > self.bytes_left:
            raise UnusableFile(LARGE_ZIP_DIRECTORY, megabytes=MAX_ZIP_DIRECTORY_BYTES / 1e6)
        data = self._file.read(size)
        self.bytes_left -= len(data)
        return data


class ZipArchive:
    """The directory of an archive, which is an open file. Raises `UnusableFile` if it is damaged or too large."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        limited = _LimitedFile(file)
        try:
            self._archive = zipfile.ZipFile(cast("IO[bytes]", limited))
        except ZIP_ERRORS:
            raise UnusableFile(DAMAGED_ZIP) from None
        limited.bytes_left = math.inf
        self._members = [member for member in self._archive.infolist() if not member.is_dir()]
        self._names = {member.filename for member in self._members}

    @property
    def is_workbook(self) -> bool:
        """Whether the archive is a workbook itself."""
        if any(part in self._names for part in EXCEL_PARTS):
            return True
        if not {OPENDOCUMENT_PART, OPENDOCUMENT_TYPE_PART} <= self._names:
            return False
        try:
            with self._archive.open(OPENDOCUMENT_TYPE_PART) as part:
                return part.read(len(OPENDOCUMENT_SPREADSHEET)) == OPENDOCUMENT_SPREADSHEET
        except (*ZIP_ERRORS, RuntimeError):
            return False

    @property
    def workbook_bytes(self) -> int:
        """The size of the parts of a workbook once they are unpacked, without pictures, as the directory states it."""
        return sum(member.file_size for member in self._members if member.filename.lower().endswith(WORKBOOK_SUFFIXES))

    def open_products(self) -> IO[bytes]:
        """Open the only file that may have the products. Raise `UnusableFile` if there is none, or several."""
        member = self._find_products()
        if member.flag_bits & ENCRYPTED_FLAG:
            raise UnusableFile(ENCRYPTED_ZIP)
        try:
            stream = self._archive.open(member)
        except RuntimeError:
            # Python does not know the compression method (NotImplementedError), or was built without it.
            raise UnusableFile(UNSUPPORTED_ZIP) from None
        except ZIP_ERRORS:
            raise UnusableFile(DAMAGED_ZIP) from None
        # Opening the archive read the directory at its end.
        self._file.seek(0)
        return stream

    def _find_products(self) -> zipfile.ZipInfo:
        for name, document in OTHER_DOCUMENTS.items():
            if name in self._names:
                raise UnusableFile(OTHER_DOCUMENT, type=document)
        members = [member for member in self._members if not _is_hidden(member.filename)]
        for suffixes in PRODUCT_SUFFIXES:
            found = [member for member in members if member.filename.lower().endswith(suffixes)]
            if len(found) == 1:
                return found[0]
            if found:
                names, more = _shown(found)
                kind = "workbook" if ".xlsx" in suffixes else "csv"
                raise UnusableFile(SEVERAL_FILES, count=len(found), type=kind, names=names, more=more)
        names, more = _shown(members)
        raise UnusableFile(NO_FILE, count=len(members), names=names, more=more)


def _is_hidden(name: str) -> bool:
    # macOS adds a folder __MACOSX with metadata of the files. Office programs leave lock files that begin with `~$`.
    return any(part.startswith((".", "~$")) or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _shown(members: Iterable[zipfile.ZipInfo]) -> tuple[list[str], int]:
    """Return the first names, shortened and without control characters, and how many others there are."""
    names = ["".join(filter(str.isprintable, member.filename))[-SHOWN_NAME_CHARACTERS:] for member in members]
    return names[:SHOWN_NAMES], max(0, len(names) - SHOWN_NAMES)
