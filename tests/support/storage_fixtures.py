"""Fixtures of storages: a folder, and buckets of two S3-compatible servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.object_store import ACCESS_KEY, SECRET_KEY
from importer.storage.folder import FolderStorage
from importer.storage.storage import Storage
from support.s3 import S3Server, running_moto, running_seaweedfs

MAX_UPLOAD_BYTES = 2_000_000_000


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A moto server that the tests of this process share."""
    with running_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS server that the tests of this process share."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process the credentials of the servers."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture(params=["moto", "seaweedfs"])
def s3_server(request: pytest.FixtureRequest, credentials: None) -> S3Server:
    """Each of the S3-compatible servers."""
    server: S3Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture(params=["folder", "moto", "seaweedfs"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path, credentials: None) -> Callable[[], Storage]:
    """Open the storage of the test, each time as another process would: of each kind."""
    if request.param == "folder":
        return lambda: FolderStorage(tmp_path)
    # boto3 takes time, which most tests need not spend.
    from importer.storage.s3 import S3Storage

    server: S3Server = request.getfixturevalue(request.param)
    url = server.create_bucket()
    return lambda: S3Storage(url, endpoint_url=server.endpoint_url, max_bytes=MAX_UPLOAD_BYTES)


@pytest.fixture
def storage(open_again: Callable[[], Storage]) -> Storage:
    """An empty storage of each kind."""
    return open_again()
