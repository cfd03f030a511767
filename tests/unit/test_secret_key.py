"""The generated secret key: one for all processes, on the disk before it is used."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

import config
from secret_key import SECRET_KEY_BYTES, load_secret_key

SECRET_KEY_READERS = 16


def test_processes_that_start_together_share_one_generated_secret_key(tmp_path: Path) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path / "data")})
    barrier = threading.Barrier(SECRET_KEY_READERS)
    keys: list[str] = []

    def read() -> None:
        barrier.wait(30)
        keys.append(load_secret_key(settings))

    threads = [threading.Thread(target=read) for _ in range(SECRET_KEY_READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == SECRET_KEY_READERS
    assert set(keys) == {load_secret_key(settings)}
    assert len(keys[0]) == 2 * SECRET_KEY_BYTES
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_configured_secret_key_is_used(tmp_path: Path) -> None:
    assert load_secret_key(config.load({"SECRET_KEY": "given", "DATA_DIR": str(tmp_path)})) == "given"


@pytest.mark.parametrize("content", [b"", b"\n", bytes(64)], ids=["empty", "blank", "zeros"])
def test_a_secret_key_that_a_power_cut_destroyed_is_generated_again(tmp_path: Path, content: bytes) -> None:
    settings = config.load({"DATA_DIR": str(tmp_path)})
    (tmp_path / "secret_key").write_bytes(content)
    key = load_secret_key(settings)
    assert len(key) == 2 * SECRET_KEY_BYTES
    assert (tmp_path / "secret_key").read_text() == load_secret_key(settings) == key


def test_a_secret_key_that_someone_wrote_is_used(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("chosen by the operator\n")
    assert load_secret_key(config.load({"DATA_DIR": str(tmp_path)})) == "chosen by the operator"
    assert path.read_text() == "chosen by the operator\n"


def test_a_generated_secret_key_and_its_name_are_on_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, str]] = []

    def record(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((is_folder, (tmp_path / "secret_key").read_text()))

    monkeypatch.setattr(os, "fsync", record)
    key = load_secret_key(config.load({"DATA_DIR": str(tmp_path)}))
    assert synced == [(False, key), (True, key)]
    load_secret_key(config.load({"DATA_DIR": str(tmp_path)}))
    assert len(synced) == 2


def test_a_secret_key_that_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(config.ConfigError, match=r"SECRET_KEY: .*secret_key cannot be written \(No space left"):
        load_secret_key(config.load({"DATA_DIR": str(tmp_path)}))
    monkeypatch.undo()
    # What did not reach the disk is not used by the next start, either.
    assert (tmp_path / "secret_key").read_bytes() == b""
