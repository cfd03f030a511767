"""Settings of the storage of uploaded files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from settings import values
from settings.setting import Setting


@dataclass(frozen=True)
class StorageSettings:
    """Where uploaded files wait for their import."""

    storage_url: Annotated[
        str,
        Setting(
            "",
            "storage of uploaded files until their import ends: a folder, or s3://bucket/prefix with the usual AWS_*"
            " variables; if empty, UPLOAD_DIR",
            values.parse_storage_url,
        ),
    ]
    s3_endpoint_url: Annotated[
        str,
        Setting(
            "",
            "address of an S3-compatible service (MinIO, R2, Supabase, Garage …); if empty, Amazon S3",
            values.parse_endpoint_url,
        ),
    ]
    upload_dir: Annotated[
        Path,
        Setting(
            "./uploads",
            "folder of uploaded files, if STORAGE_URL is empty; web processes and workers must share it",
            values.parse_folder,
        ),
    ]

    disk_reserve_mb: Annotated[
        int,
        Setting(
            "100",
            "free space that uploads leave on the disk of the folder of uploaded files, in MB; an upload that needs it"
            " gets status 507",
            values.parse_integer(0, 100_000_000),
        ),
    ]

    @property
    def storage_is_s3(self) -> bool:
        """Whether uploaded files are objects of an S3-compatible service."""
        return self.storage_url.startswith(values.S3_SCHEME)

    @property
    def storage_folder(self) -> Path:
        """The folder of uploaded files, if they are not in a bucket."""
        return Path(self.storage_url) if self.storage_url else self.upload_dir
