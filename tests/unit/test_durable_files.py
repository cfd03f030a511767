"""A file is synced while it grows, and no error of a sync is lost."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from durable_files import EARLY_SYNC_BYTES, EarlySync

MAX_WAIT_SECONDS = 60


@pytest.fixture
def file(tmp_path: Path) -> Iterator[io.FileIO]:
    with io.FileIO(tmp_path / "file", "x") as file:
        yield file


class Disk:
    """Stands for `os.fsync`: it waits for `go`, and fails in the calls of `failing`, which count from 1."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.threads: list[threading.Thread] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()

    def sync(self, _: int) -> None:
        self.threads.append(threading.current_thread())
        call = len(self.threads)
        self.begun.release()
        assert self.go.wait(MAX_WAIT_SECONDS)
        if call in self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_file_is_synced_in_a_thread_each_time_it_has_grown(file: io.FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.sync)
    sync = EarlySync(file, size=5)
    sync.grow(EARLY_SYNC_BYTES + 4)
    assert disk.threads == []
    sync.grow(EARLY_SYNC_BYTES + 5)
    assert disk.begun.acquire(timeout=MAX_WAIT_SECONDS)
    # The caller goes on meanwhile, and no second sync begins.
    sync.grow(3 * EARLY_SYNC_BYTES)
    disk.go.set()
    sync.finish()
    assert disk.threads[1:] == [threading.current_thread()]
    sync.grow(3 * EARLY_SYNC_BYTES)
    sync.close()
    assert len(disk.threads) == 3
    assert not disk.threads[0].is_alive()


def test_the_error_of_an_early_sync_is_raised_again_and_again(file: io.FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(1)
    disk.go.set()
    monkeypatch.setattr(os, "fsync", disk.sync)
    sync = EarlySync(file)
    sync.grow(EARLY_SYNC_BYTES)
    for _ in range(2):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            sync.finish()
    sync.close()
    assert len(disk.threads) == 1


def test_a_file_may_be_closed_only_after_its_sync(file: io.FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(1)
    monkeypatch.setattr(os, "fsync", disk.sync)
    sync = EarlySync(file)
    sync.grow(EARLY_SYNC_BYTES)
    assert disk.begun.acquire(timeout=MAX_WAIT_SECONDS)
    threading.Timer(0.1, disk.go.set).start()
    # Whoever gives the file up does not ask for the error.
    sync.close()
    assert disk.go.is_set()
