"""The key that signs sessions: SECRET_KEY, or one that the first process generates and keeps in DATA_DIR."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO

import config
from durable_files import sync_folder

SECRET_KEY_BYTES = 32


def load_secret_key(settings: config.Settings) -> str:
    """Return SECRET_KEY or, if it is not set, the key in DATA_DIR. The first process that needs that key generates it.

    A file that a power cut left empty gets a new key, which is harmless: the old one only signed sessions. Raises
    `ConfigError` if the key cannot be read or written.
    """
    if settings.secret_key:
        return settings.secret_key
    path = config.make_folder("DATA_DIR", settings.data_dir) / "secret_key"
    try:
        with suppress(FileNotFoundError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if key := _read_secret_key(file):
                return key
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            # Processes that start together take turns, and the first one writes the key.
            fcntl.flock(file, fcntl.LOCK_EX)
            return _read_secret_key(file) or _write_secret_key(file, path.parent)
    except OSError as error:
        raise config.ConfigError(f"SECRET_KEY: {path} cannot be written ({error.strerror}); set SECRET_KEY") from None


def _read_secret_key(file: IO[bytes]) -> str:
    """Return the key in a file, or "" if a power cut has left the file empty or full of zeros."""
    return file.read().strip(b"\0 \r\n\t").decode(errors="replace")


def _write_secret_key(file: IO[bytes], folder: Path) -> str:
    """Generate a key and return it once it is on the disk."""
    key = secrets.token_hex(SECRET_KEY_BYTES)
    try:
        file.truncate(0)
        file.seek(0)
        file.write(key.encode())
        os.fsync(file.fileno())
        sync_folder(folder)
    except OSError:
        file.truncate(0)
        raise
    return key
