"""The program of the process that reads a workbook. `frames` describes what it exchanges with the worker.

It ends when the worker ends, when it exceeds its memory or its processor time, or when nobody wants its answers.
"""

from __future__ import annotations

import contextlib
import csv
import ctypes
import io
import json
import os
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from importer.files.rewritten_skus import find_rewritten
from importer.files.rows import count_line_breaks
from importer.files.workbook import frames
from importer.files.workbook.cells import find_dates, format_row, has_date, has_long_number
from importer.files.workbook.scanners import SCAN_ERRORS, CellScanner, open_scanner
from importer.files.workbook.special_cells import SpecialCell

PR_SET_PDEATHSIG = 1  # From <linux/prctl.h>.
MAX_CPU_SECONDS = 600
HEAD_ROWS = 50
MAX_LINES = 20
MAX_SAMPLES = 5
LINE_END = "\r\n"
# How python-calamine refuses an .xlsx file with an error that it does not know.
UNKNOWN_ERROR_MESSAGE = "Unsupported cell error value"


class Places:
    """Places of a sheet of which a person should know: how many, the first rows, and the first texts."""

    def __init__(self) -> None:
        self.count = 0
        self.lines: list[int] = []
        self.samples: list[str] = []

    def add(self, row: int, text: str) -> None:
        """Add a place in a row that is counted from 0."""
        self.count += 1
        if len(self.lines) < MAX_LINES:
            self.lines.append(row + 1)
        if len(self.samples) < MAX_SAMPLES and text not in self.samples:
            self.samples.append(text)


class Dates:
    """The dates and times in a column: how many, and the rows and the texts of the first ones.

    The worker leaves out those above the header, so these are more than a notice shows.
    """

    def __init__(self) -> None:
        self.count = 0
        self.lines: list[int] = []
        self.texts: list[str] = []

    def add(self, row: int, text: str) -> None:
        """Add a date in a row that is counted from 0."""
        self.count += 1
        if len(self.lines) < HEAD_ROWS + MAX_LINES:
            self.lines.append(row + 1)
            self.texts.append(text)


class SheetText:
    """The rows of a sheet as texts. `width` is what rows are padded to, so that all are as wide as the header.

    Cells that are empty at the end of a row, beyond the width, are left out: a stray cell far to the right widens all
    rows of a sheet. `dates` has the cells with dates and times by column.
    """

    def __init__(self, sheet: CalamineSheet, scanner: CellScanner | None, width: int = 0) -> None:
        self._sheet = sheet
        self._scanner = scanner
        self._width = width
        self._first_column = sheet.start[1] if sheet.start else 0
        self.long_numbers = Places()
        self.dates: defaultdict[int, Dates] = defaultdict(Dates)
        self.is_scanned = scanner is not None

    def rows(self) -> Iterator[list[str]]:
        """Yield the texts of each row from the first row of the sheet on."""
        special_cells = self._scan()
        special = next(special_cells, None)
        for index, cells in enumerate(self._sheet.iter_rows()):
            changes: dict[int, str] = {}
            while special is not None and special.row <= index:
                if special.row == index:
                    self._apply(special, cells, changes)
                special = next(special_cells, None)
            texts = format_row(cells)
            for column, text in changes.items():
                # An error at the end of a row may be beyond the last cell that has a value.
                texts += [""] * (column + 1 - len(texts))
                texts[column] = text
            if has_long_number(cells):
                for cell, text in zip(cells, texts, strict=False):
                    if has_long_number([cell]):
                        self.long_numbers.add(index, text)
            if has_date(cells):
                for column in find_dates(cells):
                    # A date with a time of day is recognised by its text, as in a CSV file.
                    if not find_rewritten([texts[column]]):
                        self.dates[column].add(index, texts[column])
            width = len(texts)
            while width > self._width and not texts[width - 1]:
                width -= 1
            yield texts[:width]

    def _scan(self) -> Iterator[SpecialCell]:
        if self._scanner is None:
            return
        try:
            yield from self._scanner.scan(self._sheet.name)
        except SCAN_ERRORS as error:
            print(f"The formats cannot be read: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            self.is_scanned = False

    def _apply(self, special: SpecialCell, cells: Sequence[Any], changes: dict[int, str]) -> None:
        column = special.column - self._first_column
        if column < 0:
            return
        if special.text is not None:
            changes[column] = special.text
        elif special.format is not None and column < len(cells) and cells[column].__class__ in {float, int}:
            text = special.format.apply(float(cells[column]))
            if text is not None:
                changes[column] = text


class Reader:
    """Answers the commands of the worker about the workbook at `path`."""

    def __init__(self, path: str, out: IO[bytes]) -> None:
        self._path = path
        self._out = out
        self._scanner: CellScanner | None = None
        self._workbook: CalamineWorkbook
        self._sheet: CalamineSheet

    def run(self, commands: Iterator[str]) -> None:
        """Open the workbook and answer commands until the worker closes the pipe. Report what goes wrong."""
        try:
            self._open()
            for command in commands:
                name, argument = json.loads(command)
                if name == "load":
                    self._load(argument)
                else:
                    self._send_rows(argument)
        except MemoryError:
            self._fail(frames.OUT_OF_MEMORY)
        except PasswordError:
            self._fail(frames.ENCRYPTED)
        except CalamineError as error:
            print(f"The workbook cannot be read: {error}", file=sys.stderr)  # noqa: T201
            self._fail(frames.UNKNOWN_ERROR if UNKNOWN_ERROR_MESSAGE in str(error) else frames.DAMAGED)
        except BrokenPipeError:
            raise
        except BaseException as error:
            # Rust code that panics raises a subclass of BaseException.
            print(f"The workbook cannot be read: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            self._fail(frames.DAMAGED)

    def _open(self) -> None:
        self._workbook = CalamineWorkbook.from_path(self._path)
        self._scanner = open_scanner(Path(self._path).open("rb"))  # noqa: SIM115 - open until the process ends.
        sheets = [
            {
                "name": sheet.name,
                "is_visible": sheet.visible == SheetVisibleEnum.Visible,
                "is_worksheet": sheet.typ == SheetTypeEnum.WorkSheet,
            }
            for sheet in self._workbook.sheets_metadata
        ]
        self._send(frames.SHEETS, sheets)

    def _load(self, index: int) -> None:
        with contextlib.suppress(AttributeError):
            # Two sheets at a time would need the memory of both.
            del self._sheet
        self._sheet = self._workbook.get_sheet_by_index(index)
        head = list(islice(SheetText(self._sheet, self._scanner).rows(), HEAD_ROWS))
        rows = self._sheet.total_height if self._sheet.start else 0
        self._send(frames.HEAD, {"rows": rows, "head": head})

    def _send_rows(self, width: int) -> None:
        text = SheetText(self._sheet, self._scanner, width)
        rows = text.rows()
        first = 0
        while batch := list(islice(rows, frames.BATCH_ROWS)):
            encoded = [_encode(batch)]
            if count_line_breaks(encoded[0]) != len(batch):
                encoded = [_encode([row]) for row in batch]
                breaks = [[first + index, count_line_breaks(row) - 1] for index, row in enumerate(encoded)]
                self._send(frames.BREAKS, [part for part in breaks if part[1]])
            self._send_bytes(frames.TEXT, "".join(encoded).encode())
            first += len(batch)
        end = {
            "is_scanned": text.is_scanned,
            "notices": {"long_numbers": vars(text.long_numbers)},
            "dates": {column: vars(dates) for column, dates in text.dates.items()},
        }
        self._send(frames.END, end)

    def _fail(self, code: str) -> None:
        self._send(frames.FAILED, code)

    def _send(self, kind: bytes, value: Any) -> None:
        self._send_bytes(kind, json.dumps(value).encode())

    def _send_bytes(self, kind: bytes, payload: bytes) -> None:
        self._out.write(frames.HEADER.pack(kind, len(payload)) + payload)
        self._out.flush()


def _encode(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO(newline="")
    # A row with a single empty value would be written as an empty quoted field, which is the same for the importer.
    csv.writer(out, lineterminator=LINE_END).writerows(rows)
    return out.getvalue()


def limit_process(parent: int, memory_bytes: int) -> None:
    """End this process when the worker ends, and limit its memory and its processor time."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        with contextlib.suppress(OSError):
            # If the machine runs out of memory, Linux kills this process rather than the worker or a database.
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if os.getppid() != parent:
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS + 5))
    with contextlib.suppress(ValueError):
        # macOS does not support this limit.
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def main(path: str, parent: str, memory_bytes: str) -> None:
    """Read the workbook at `path` for the process `parent`, with at most `memory_bytes` of memory."""
    limit_process(int(parent), int(memory_bytes))
    with contextlib.suppress(BrokenPipeError):
        Reader(path, sys.stdout.buffer).run(iter(sys.stdin.readline, ""))
    # Freeing a large workbook takes a while, and the worker waits for the end of this process.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
