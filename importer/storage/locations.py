"""Opens the storage of the settings."""

from __future__ import annotations

import logging
from functools import lru_cache

import config
from importer.storage.folder import FolderStorage
from importer.storage.storage import Storage, StorageUnavailable, UnusableStorage

log = logging.getLogger(__name__)

BYTES_PER_MB = 1_000_000


def open_storage(settings: config.Settings) -> Storage:
    """Return the storage that the settings name."""
    if not settings.storage_is_s3:
        return FolderStorage(settings.storage_folder, reserve_bytes=settings.disk_reserve_mb * BYTES_PER_MB)
    return _open_s3(settings.storage_url, settings.s3_endpoint_url or None, settings.max_upload_mb * BYTES_PER_MB)


def prepare_storage(settings: config.Settings) -> Storage:
    """Return the storage that the settings name, after a look at whether it can be used.

    Raises `ConfigError` if it cannot. A service that does not answer now may answer later.
    """
    storage = open_storage(settings)
    if not settings.storage_is_s3:
        config.make_folder("STORAGE_URL" if settings.storage_url else "UPLOAD_DIR", settings.storage_folder)
        return storage
    try:
        storage.check()
    except UnusableStorage as error:
        raise config.ConfigError(f"STORAGE_URL: {error}") from None
    except StorageUnavailable as error:
        log.warning("Uploads and imports have to wait: %s", error)
    return storage


@lru_cache
def _open_s3(url: str, endpoint_url: str | None, max_bytes: int) -> Storage:
    # boto3 takes time and memory, which a folder does not need.
    from importer.storage.s3 import S3Storage

    return S3Storage(url, endpoint_url=endpoint_url, max_bytes=max_bytes)
