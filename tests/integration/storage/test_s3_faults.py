"""S3-compatible services that fail: connections that break, a service that stays away, settings that are wrong."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

import config
from importer.storage import s3, s3_reader
from importer.storage.locations import prepare_storage
from importer.storage.s3 import S3Storage
from importer.storage.storage import StorageUnavailable
from support.s3 import S3Server
from support.tcp_proxy import TcpProxy, running_proxy

CONTENT = bytes(range(256)) * 100_000
NAME = "0f5b.upload"
MAX_UPLOAD_BYTES = 2_000_000_000


@pytest.fixture
def proxy(moto: S3Server, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TcpProxy]:
    """A proxy in front of the S3 server. What fails is repeated at once."""
    monkeypatch.setattr(s3_reader, "FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(s3, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(s3, "CONNECT_TIMEOUT_SECONDS", 1)
    with running_proxy(urlsplit(moto.endpoint_url).port or 0) as proxy:
        yield proxy


@pytest.fixture
def storage(moto: S3Server, proxy: TcpProxy) -> S3Storage:
    """A storage behind the proxy, with one file."""
    url = moto.create_bucket()
    upload = S3Storage(url, endpoint_url=moto.endpoint_url, max_bytes=MAX_UPLOAD_BYTES).create(NAME)
    upload.write(CONTENT)
    upload.finish()
    return S3Storage(url, endpoint_url=f"http://127.0.0.1:{proxy.port}", max_bytes=MAX_UPLOAD_BYTES)


def test_a_range_is_read_again_when_its_connection_breaks(storage: S3Storage, proxy: TcpProxy) -> None:
    with contextlib.closing(storage.open(NAME)) as file:
        # Every second connection breaks in the middle of a range, the others after one.
        proxy.cut_after = lambda number: 1_000_000 if number % 2 else s3_reader.RANGE_BYTES + 100_000
        assert file.readall() == CONTENT
    assert proxy.connections > 4


def test_a_service_that_stays_away_is_an_error_after_some_attempts(storage: S3Storage, proxy: TcpProxy) -> None:
    with contextlib.closing(storage.open(NAME)) as file:
        assert file.read(10) == CONTENT[:10]
        proxy.is_down = True
        file.seek(3 * s3_reader.RANGE_BYTES)
        with pytest.raises(StorageUnavailable):
            file.read(10)
    for request in (
        lambda: storage.open(NAME),
        lambda: storage.exists(NAME),
        lambda: storage.delete(NAME),
        lambda: list(storage.list_files()),
        lambda: storage.create("1.upload").finish(),
    ):
        with pytest.raises(StorageUnavailable):
            request()


def test_an_upload_that_cannot_be_stored_is_aborted_without_an_error(storage: S3Storage, proxy: TcpProxy) -> None:
    upload = storage.create("1.upload")
    upload.write(CONTENT)
    proxy.is_down = True
    with pytest.raises(StorageUnavailable):
        upload.finish()
    upload.abort()


@pytest.mark.parametrize(
    ("bucket", "access_key", "sentence"),
    [("missing-bucket", "tests", "create it"), ("another-bucket", None, "AWS_ACCESS_KEY_ID")],
)
def test_wrong_settings_are_refused_at_the_start(
    moto: S3Server,
    settings: config.Settings,
    monkeypatch: pytest.MonkeyPatch,
    bucket: str,
    access_key: str | None,
    sentence: str,
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
        if access_key:
            monkeypatch.setenv(name, access_key)
    changed = replace(settings, storage_url=f"s3://{bucket}", s3_endpoint_url=moto.endpoint_url)
    with pytest.raises(config.ConfigError, match=sentence) as raised:
        prepare_storage(changed)
    assert str(raised.value).startswith("STORAGE_URL: ")


def test_a_service_that_does_not_answer_keeps_no_process_from_starting(
    settings: config.Settings, proxy: TcpProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.is_down = True
    changed = replace(settings, storage_url="s3://bucket/a", s3_endpoint_url=f"http://127.0.0.1:{proxy.port}")
    with caplog.at_level(logging.WARNING):
        prepare_storage(changed)
    assert "Uploads and imports have to wait: s3://bucket/a does not answer" in caplog.text
