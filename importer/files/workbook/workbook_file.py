"""A workbook as a stream of CSV text, read by a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from importer.errors import FailureKind, UnusableFile
from importer.files.cells import Row
from importer.files.compression import ZIP_MAGIC, AfterRead, ignore_progress, refuse_other_file_types
from importer.files.workbook import frames
from importer.files.workbook.ole_file import OleFile
from importer.files.zip_archive import OTHER_DOCUMENT, ZipArchive
from importer.notices import Notices

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = "importer.files.workbook.reader"
# How often the worker reports progress while it waits for the process.
WAIT_SECONDS = 0.5
SHOWN_SHEETS = 20
SHOWN_NAME_CHARACTERS = 60
BYTES_PER_MB = 1e6

OUT_OF_MEMORY = FailureKind(
    "workbook_needs_memory",
    "The workbook needs more than {megabytes:,.0f} MB of memory, which is the limit. Delete rows and columns that"
    " only have formats, or stray cells far below or to the right of the products, or save the sheet as CSV and upload"
    " that.",
)
OUT_OF_TIME = FailureKind(
    "workbook_takes_too_long",
    "The workbook takes too long to read. Save the sheet with the products as CSV and upload that.",
)
TOO_LARGE = FailureKind(
    "workbook_too_large",
    "The workbook has {megabytes:,.0f} MB once it is unpacked; at most {limit_megabytes:,.0f} MB are allowed. Save the"
    " sheet with the products as CSV and upload that.",
)
STOPPED = FailureKind(
    "workbook_reader_stopped",
    "The process that reads the workbook was stopped, probably because the server ran out of memory. Retry the import"
    " when it has more, or save the sheet with the products as CSV and upload that.",
)
DAMAGED = FailureKind(
    "damaged_workbook",
    "The workbook is damaged or incomplete. Open it in a spreadsheet program, save it again and upload it again, or"
    " save the sheet with the products as CSV.",
)
ENCRYPTED = FailureKind(
    "encrypted_workbook",
    "The workbook is protected by a password. Save it without a password to open it (in Excel: File, Info, Protect"
    " Workbook, Encrypt with Password) and upload it again.",
)
UNKNOWN_ERROR = FailureKind(
    "unknown_cell_error",
    "The sheet has a cell with an error of an unknown kind. Correct or empty the cells with errors, which begin with #,"
    " and upload the workbook again, or save the sheet with the products as CSV.",
)
NO_SHEETS = FailureKind(
    "workbook_without_cells",
    "The workbook has no sheet with cells. Add the sheet with the products and upload it again.",
)


def _describe_missing_sheet(sheet: str, sheets: list[str], more: int) -> str:
    return f"The workbook has no sheet “{sheet}”. Its sheets are: {_join(sheets, more)}. Choose one of them."


NO_SUCH_SHEET = FailureKind("no_such_sheet", _describe_missing_sheet)
FAILURES = {frames.ENCRYPTED: ENCRYPTED, frames.DAMAGED: DAMAGED, frames.UNKNOWN_ERROR: UNKNOWN_ERROR}


@dataclass(frozen=True)
class WorkbookLimits:
    """The largest size of a workbook once it is unpacked, and the memory of the process that reads it, in bytes."""

    unpacked_bytes: int = 1_000_000_000
    memory_bytes: int = 4_000_000_000


DEFAULT_WORKBOOK_LIMITS = WorkbookLimits()


@dataclass(frozen=True)
class SheetChoice:
    """Which sheet of a workbook to read: the one with this name, or else the first with a row that `is_header`.

    `notices` collects what a person should know about the workbook.
    """

    name: str | None = None
    is_header: Callable[[Row], bool] = lambda _row: False
    limits: WorkbookLimits = DEFAULT_WORKBOOK_LIMITS
    notices: Notices = field(default_factory=Notices)


@dataclass
class RowNumbers:
    """The numbers of the rows of a sheet, by the lines of its CSV text. Both are counted from 1.

    They differ behind rows with line breaks in their values.
    """

    _lines: array[int] = field(default_factory=lambda: array("q"))
    _breaks: array[int] = field(default_factory=lambda: array("q", [0]))

    def add(self, row: int, breaks: int) -> None:
        """Add a row with line breaks; rows come in their order."""
        self._lines.append(row + self._breaks[-1])
        self._breaks.append(self._breaks[-1] + breaks)

    def __bool__(self) -> bool:
        return bool(self._lines)

    def find(self, line: int) -> int:
        """Return the number of the row that begins on a line."""
        return line - self._breaks[bisect_right(self._lines, line - 1)]


class WorkbookFile:
    """The rows of a sheet of a workbook as CSV in UTF-8, with commas and double quotes. Closes `file`.

    `file` is the workbook on disk, and `compression` tells how it was compressed in addition. Raises `UnusableFile` if
    it cannot be read, exceeds a limit, or lacks the sheet. Calls `after_read` at least every half second with the share
    of the rows that has been read.
    """

    def __init__(
        self,
        file: IO[bytes],
        choice: SheetChoice,
        *,
        compression: str = "none",
        after_read: AfterRead = ignore_progress,
    ) -> None:
        self.compression = compression
        self._file = file
        self._limits = choice.limits
        self._notices = choice.notices
        self._after_read = after_read
        self._rest = memoryview(b"")
        self._rows_received = self._row_count = 0
        self._at_end = False
        # The first rows of the sheet that was loaded last.
        self._head: list[Row] = []
        self.row_numbers = RowNumbers()
        self._dates: Mapping[int, Mapping[str, Any]] = {}
        self._selector = selectors.DefaultSelector()
        try:
            self._check_file()
            self._process = self._start_process()
        except BaseException:
            file.close()
            raise
        try:
            self._selector.register(self._output, selectors.EVENT_READ)
            sheets = self._receive_json(frames.SHEETS)
            self.sheets = [sheet["name"] for sheet in sheets if sheet["is_worksheet"]]
            self.sheet = self._choose(sheets, choice)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process and close the file."""
        self._selector.close()
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            # A command that the process did not read may be left in the buffer.
            with contextlib.suppress(BrokenPipeError):
                cast("IO[bytes]", pipe).close()
        self._process.wait()
        self._file.close()

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`, b"" at the end."""
        while not self._rest and not self._at_end:
            self._receive_rows()
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def _check_file(self) -> None:
        """Raise `UnusableFile` if the file is too large, or if its directory shows that it is no workbook."""
        self._file.seek(0, os.SEEK_END)
        size = self._file.tell()
        self._file.seek(0)
        start = self._file.read(len(ZIP_MAGIC))
        if start == ZIP_MAGIC:
            archive = ZipArchive(self._file)
            if not archive.is_workbook:
                refuse_other_file_types(start)
            size = archive.workbook_bytes
        else:
            ole_file = OleFile(self._file)
            if ole_file.is_encrypted:
                raise UnusableFile(ENCRYPTED)
            if ole_file.other_kind:
                raise UnusableFile(OTHER_DOCUMENT, type=ole_file.other_kind)
        if size > self._limits.unpacked_bytes:
            limit = self._limits.unpacked_bytes
            raise UnusableFile(TOO_LARGE, megabytes=size / BYTES_PER_MB, limit_megabytes=limit / BYTES_PER_MB)
        self._file.seek(0)

    def _start_process(self) -> subprocess.Popen[bytes]:
        descriptor = self._file.fileno()
        # The process opens the file again, so that both have positions of their own.
        command = [
            sys.executable,
            "-m",
            PROGRAM,
            f"/dev/fd/{descriptor}",
            str(os.getpid()),
            str(self._limits.memory_bytes),
        ]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "RUST_BACKTRACE": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
            # Ctrl-C in the terminal ends the worker in good order. It must not reach the process before that.
            start_new_session=True,
        )

    @property
    def _output(self) -> IO[bytes]:
        return cast("IO[bytes]", self._process.stdout)

    def _choose(self, sheets: Sequence[dict[str, Any]], choice: SheetChoice) -> str:
        """Let the process load the sheet to read and send its rows; return its name."""
        names = self.sheets
        if not names:
            raise UnusableFile(NO_SHEETS)
        if choice.name is not None:
            index = self._find(choice.name, sheets)
            self._load(index)
            self._send_rows()
            return str(sheets[index]["name"])
        first_with_cells = None
        candidates = [index for index, sheet in enumerate(sheets) if sheet["is_worksheet"] and sheet["is_visible"]] or [
            index for index, sheet in enumerate(sheets) if sheet["is_worksheet"]
        ]
        for index in candidates:
            self._load(index)
            if any(map(choice.is_header, self._head)):
                break
            if first_with_cells is None and self._row_count:
                first_with_cells = index
        else:
            if first_with_cells is None:
                raise UnusableFile(NO_SHEETS)
            # The column mapping says what is missing.
            if index != first_with_cells:
                index = first_with_cells
                self._load(index)
        self._send_rows()
        name = str(sheets[index]["name"])
        if others := [sheets[other]["name"] for other in candidates if other != index]:
            self._notices.add("other_sheets", count=len(others), sheet=_quote([name]), others=_quote(others))
        return name

    def _find(self, name: str, sheets: Sequence[dict[str, Any]]) -> int:
        """Return the index of a sheet by its name. An exact name takes precedence over another case."""
        for fold in (str, _fold):
            for index, sheet in enumerate(sheets):
                if sheet["is_worksheet"] and fold(sheet["name"]) == fold(name):
                    return index
        names, more = _shorten(self.sheets)
        raise UnusableFile(NO_SUCH_SHEET, sheet=_shorten([name])[0][0], sheets=names, more=more)

    def _load(self, index: int) -> None:
        self._command("load", index)
        answer = self._receive_json(frames.HEAD)
        self._head = answer["head"]
        self._row_count = answer["rows"]

    def _send_rows(self) -> None:
        self._command("send", max(map(len, self._head), default=0))

    def _command(self, name: str, argument: int) -> None:
        # If the process has ended, the missing answer shows why.
        with contextlib.suppress(BrokenPipeError):
            pipe = cast("IO[bytes]", self._process.stdin)
            pipe.write(json.dumps([name, argument]).encode() + b"\n")
            pipe.flush()

    def _receive_rows(self) -> None:
        kind, payload = self._receive()
        if kind == frames.TEXT:
            self._rest = memoryview(payload)
            self._rows_received = min(self._row_count, self._rows_received + frames.BATCH_ROWS)
        elif kind == frames.BREAKS:
            for index, breaks in json.loads(payload):
                self.row_numbers.add(index + 1, breaks)
        else:
            self._at_end = True
            self._add_notices(json.loads(payload))
        self._after_read(self._rows_received / self._row_count if self._row_count else 1.0)

    def _add_notices(self, end: Mapping[str, Any]) -> None:
        for code, places in end["notices"].items():
            if places["count"]:
                samples = [{"text": text} for text in places["samples"]]
                self._notices.add(code, count=places["count"], lines=places["lines"], samples=samples)
        if not end["is_scanned"]:
            self._notices.add("formats_unreadable")
        self._dates = {int(column): dates for column, dates in end["dates"].items()}

    def add_rewritten_skus(self, column: int, first_row: int, notices: Notices) -> None:
        """Add a notice if the column of the SKU has dates or times from a row on. All rows must have been read."""
        dates = self._dates.get(column, {"count": 0, "lines": [], "texts": []})
        above = sum(line < first_row for line in dates["lines"])
        if count := dates["count"] - above:
            samples = [{"text": text} for text in dict.fromkeys(dates["texts"][above:])]
            notices.add("skus_rewritten_by_spreadsheet", count=count, lines=dates["lines"][above:], samples=samples)

    def _receive_json(self, kind: bytes) -> Any:
        received, payload = self._receive()
        if received != kind:
            raise UnusableFile(DAMAGED)
        return json.loads(payload)

    def _receive(self) -> tuple[bytes, bytes]:
        """Return the kind and the payload of the next frame. Raise `UnusableFile` if the process failed or ended."""
        kind, length = frames.HEADER.unpack(self._receive_bytes(frames.HEADER.size))
        payload = self._receive_bytes(length)
        if kind == frames.FAILED:
            code = json.loads(payload)
            raise self._out_of_memory() if code == frames.OUT_OF_MEMORY else UnusableFile(FAILURES[code])
        return kind, payload

    def _receive_bytes(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            if not self._selector.select(WAIT_SECONDS):
                self._after_read(self._rows_received / self._row_count if self._row_count else 0.0)
                continue
            block = os.read(self._output.fileno(), size - len(data))
            if not block:
                raise self._explain_end()
            data += block
        return bytes(data)

    def _explain_end(self) -> UnusableFile:
        """Return the failure that says why the process ended without an answer."""
        status = self._process.wait()
        log.warning("The process that reads the workbook ended with status %d", status)
        if status == -signal.SIGABRT:
            # A program in Rust that cannot allocate memory aborts.
            return self._out_of_memory()
        kind = OUT_OF_TIME if status == -signal.SIGXCPU else STOPPED if status == -signal.SIGKILL else DAMAGED
        return UnusableFile(kind)

    def _out_of_memory(self) -> UnusableFile:
        return UnusableFile(OUT_OF_MEMORY, megabytes=self._limits.memory_bytes / BYTES_PER_MB)


def _fold(name: str) -> str:
    return name.strip().casefold()


def _quote(names: Sequence[str]) -> str:
    """Return the first names in quotes, shortened and without control characters."""
    return _join(*_shorten(names))


def _shorten(names: Sequence[str]) -> tuple[list[str], int]:
    """Return the first names, shortened and without control characters, and how many others there are."""
    shown = ["".join(filter(str.isprintable, name))[:SHOWN_NAME_CHARACTERS] for name in names[:SHOWN_SHEETS]]
    return shown, max(0, len(names) - SHOWN_SHEETS)


def _join(names: Sequence[str], more: int) -> str:
    return ", ".join(f"“{name}”" for name in names) + (f" and {more:,} more" if more else "")
