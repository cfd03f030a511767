"""The process that reads a workbook ends with its file, and its own end gives a sentence."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from importer.columns.product_file import FileOptions, open_product_file
from importer.errors import UnusableFile
from support.workbooks import (
    create_xlsx,
)


def find_reader() -> psutil.Process:
    return next(
        child for child in psutil.Process().children() if "importer.files.workbook.reader" in " ".join(child.cmdline())
    )


def has_reader() -> bool:
    return any("importer.files.workbook.reader" in " ".join(child.cmdline()) for child in psutil.Process().children())


@pytest.fixture
def large_workbook(tmp_path: Path) -> Path:
    """An .xlsx file with more rows than the pipe from the process holds."""
    path = tmp_path / "large.xlsx"
    path.write_bytes(create_xlsx({"P": [["sku", "name"], *([f"a{n}", "some text " * 5] for n in range(30_000))]}))
    return path


@pytest.mark.thorough("24", "6")
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGXCPU, signal.SIGABRT, signal.SIGSEGV])
def test_the_end_of_the_process_gives_a_sentence(large_workbook: Path, kill: signal.Signals) -> None:
    sentences = {
        signal.SIGKILL: "was stopped",
        signal.SIGXCPU: "too long to read",
        signal.SIGABRT: "needs more than",
        signal.SIGSEGV: "damaged",
    }
    with (
        open_product_file(large_workbook, FileOptions(), max_record=1000, max_unpacked_bytes=1 << 30) as file,
        pytest.raises(UnusableFile, match=sentences[kill]),
    ):
        find_reader().send_signal(kill)
        list(file.read_chunks(1000))
    assert not has_reader()


def test_the_process_ends_when_the_file_is_closed(large_workbook: Path) -> None:
    with open_product_file(large_workbook, FileOptions(), max_record=1000, max_unpacked_bytes=1 << 30) as file:
        next(iter(file.read_chunks(1000)))
        assert has_reader()
    assert not has_reader()


def test_reading_can_be_ended_while_the_process_loads(large_workbook: Path) -> None:
    class Ended(Exception):
        pass

    def end(_share: float) -> None:
        if has_reader():
            raise Ended

    with pytest.raises(Ended):
        open_product_file(large_workbook, FileOptions(), max_record=1000, max_unpacked_bytes=1 << 30, after_read=end)
    assert not has_reader()
