"""The protocol tus 1.0: what each request answers, and that an upload survives whatever interrupts it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

import config
from database.connect import Component, connect
from importer.jobs.stored_files import delete_expired_files
from importer.pipeline.runner import ImportRunner
from support import tus
from support.api import read_error
from support.database import execute
from support.imports import get_import
from support.jobs import read_job
from support.sign_in import create_key, create_user

pytestmark = pytest.mark.usefixtures("own_broker")

CONTENT = b"sku,name\n" + b"".join(b"%05d,name\n" % number for number in range(500))
UNKNOWN = "/api/uploads/00000000-0000-4000-8000-000000000000"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A limit of 4 MB for uploads."""
    return {**environment, "MAX_UPLOAD_MB": "4"}


def test_a_file_in_several_parts_becomes_an_import(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    created = client.post(
        "/api/uploads", headers=tus.creation_headers(len(CONTENT), filename="My list.csv", mode="create")
    )
    assert (created.status_code, created.headers["Tus-Resumable"]) == (201, "1.0.0")
    assert created.headers["Upload-Expires"].endswith("GMT")
    path = created.headers["Location"]
    for start in range(0, len(CONTENT), 2000):
        part = CONTENT[start : start + 2000]
        response = tus.append(client, path, start, part)
        assert (response.status_code, response.headers["Upload-Offset"]) == (204, str(start + len(part)))
        assert ("Location" in response.headers) == (start + len(part) == len(CONTENT))
        assert response.headers["Tus-Resumable"] == "1.0.0"
    task_id = tus.task_id_of(response)
    assert path == f"/api/uploads/{task_id}"
    job = read_job(settings.database_url, task_id)
    assert (job["filename"], job["mode"], job["file_size"]) == ("My list.csv", "create", len(CONTENT))
    assert job["file_sha256"] == hashlib.sha256(CONTENT).hexdigest()
    # A client that has lost the last response finds the import.
    found = client.head(path, headers=tus.VERSION)
    assert (found.headers["Upload-Offset"], tus.task_id_of(found)) == (str(len(CONTENT)), task_id)
    assert runner.run(task_id) is False
    assert get_import(client, task_id)["created_count"] == 500
    entries = execute(settings.database_url, "SELECT action, target_id FROM audit_entries")
    assert entries == [("import.started", task_id)]


def test_the_server_says_what_it_supports(client: FlaskClient) -> None:
    for path in ("/api/uploads", UNKNOWN):
        response = client.options(path)
        assert response.status_code == 204
        assert response.headers["Tus-Version"] == "1.0.0"
        assert response.headers["Tus-Extension"] == "creation,termination,checksum,expiration"
        assert response.headers["Tus-Max-Size"] == "4000000"
        assert response.headers["Tus-Checksum-Algorithm"] == "sha1,sha256,md5,sha512"


def test_a_head_says_how_much_has_arrived_and_repeats_the_metadata(client: FlaskClient) -> None:
    path = tus.create(client, 10, preview="true")
    assert tus.append(client, path, 0, b"sku\n").status_code == 204
    response = client.head(path, headers=tus.VERSION)
    assert response.headers["Upload-Offset"] == "4"
    assert response.headers["Upload-Length"] == "10"
    assert response.headers["Upload-Metadata"] == tus.encode_metadata(filename="products.csv", preview="true")
    assert response.headers["Cache-Control"] == "no-store"
    assert "Location" not in response.headers


@pytest.mark.parametrize("version", ["0.2.2", None])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
def test_another_version_is_refused(client: FlaskClient, method: str, version: str | None) -> None:
    path = "/api/uploads" if method == "POST" else UNKNOWN
    headers = {"Tus-Resumable": version} if version else {}
    response = client.open(path, method=method, headers=headers)
    assert (response.status_code, response.headers["Tus-Version"]) == (412, "1.0.0")
    assert response.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize(
    ("changes", "status", "code", "fields"),
    [
        ({"Upload-Length": None}, 400, "invalid_header", []),
        ({"Upload-Length": "-1"}, 400, "invalid_header", []),
        ({"Upload-Length": "1e3"}, 400, "invalid_header", []),
        ({"Upload-Length": "9" * 30}, 400, "invalid_header", []),
        ({"Upload-Length": None, "Upload-Defer-Length": "1"}, 400, "invalid_header", []),
        ({"Upload-Length": "0"}, 400, "invalid_file", ["file"]),
        ({"Upload-Length": "4000001"}, 413, "too_large", ["file"]),
        ({"Upload-Metadata": None}, 400, "invalid_file", ["file"]),
        ({"Upload-Metadata": tus.encode_metadata(filename="a.pdf")}, 400, "invalid_file", ["file"]),
        ({"Upload-Metadata": "filename !"}, 400, "invalid_header", []),
        ({"Upload-Metadata": "filename YS5jc3Y=,filename YS5jc3Y="}, 400, "invalid_header", []),
        ({"Upload-Metadata": "filename YS5jc3Y=,na\u00efve YQ=="}, 400, "invalid_header", []),
        ({"Upload-Metadata": "filename /////w=="}, 400, "invalid_header", []),
        ({"Upload-Metadata": "filename pr\u00f6ducts"}, 400, "invalid_header", []),
        (
            {"Upload-Metadata": tus.encode_metadata(filename="a.csv", mode="replace")},
            400,
            "invalid_parameter",
            ["mode"],
        ),
    ],
    ids=str,
)
def test_an_upload_that_cannot_succeed_is_refused_before_a_byte_is_sent(
    client: FlaskClient, settings: config.Settings, changes: dict[str, str | None], status: int, code: str, fields: Any
) -> None:
    headers = {**tus.creation_headers(10), **changes}
    given = {name: value for name, value in headers.items() if value is not None}
    fields = [] if code == "too_large" else fields
    response = client.post("/api/uploads", headers=given)
    if code == "too_large":
        assert (response.status_code, (response.json or {})["code"]) == (status, code)
    else:
        read_error(response, status, code, *fields)
    assert execute(settings.database_url, "SELECT FROM uploads") == []


def test_a_body_at_the_creation_is_refused_with_what_to_do(client: FlaskClient) -> None:
    headers = {**tus.creation_headers(4), "Content-Type": tus.BODY_TYPE}
    response = client.post("/api/uploads", data=b"sku\n", headers=headers)
    assert "PATCH" in read_error(response, 415, "unsupported_media_type")


def test_an_empty_file_is_refused_with_its_reason(client: FlaskClient) -> None:
    response = client.post("/api/uploads", headers=tus.creation_headers(0))
    assert read_error(response, 400, "invalid_file", "file") == "The file is empty. Choose another one."
    assert (response.json or {})["details"] == {"reason": "empty"}


def test_a_part_at_another_offset_is_refused_and_changes_nothing(client: FlaskClient) -> None:
    path = tus.create(client, 10)
    assert tus.append(client, path, 0, b"sku\n").status_code == 204
    for offset in (0, 3, 5, 10):
        response = tus.append(client, path, offset, b"xxx")
        read_error(response, 409, "wrong_offset")
        assert (response.json or {})["details"] == {"offset": 4}
    assert tus.read_offset(client, path) == 4


def test_a_part_that_is_malformed_is_refused_and_changes_nothing(client: FlaskClient) -> None:
    path = tus.create(client, 10)
    read_error(tus.append(client, path, 0, b"12345678901"), 413, "body_exceeds_file")
    headers = {**tus.append_headers(0), "Content-Type": "text/csv"}
    read_error(client.patch(path, data=b"sku\n", headers=headers), 415, "unsupported_media_type")
    read_error(
        client.patch(path, data=b"sku\n", headers={**tus.append_headers(0), "Upload-Offset": "x"}),
        400,
        "invalid_header",
    )
    for checksum in ("crc32 AAAA", "sha1 AAAA", "sha1 !", "sha1 \u00e9", "sha1"):
        response = tus.append(client, path, 0, b"sku\n", **{"Upload-Checksum": checksum})
        read_error(response, 400, "invalid_header")
    assert tus.read_offset(client, path) == 0


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5", "sha512"])
def test_a_part_with_another_checksum_does_not_count(
    client: FlaskClient, settings: config.Settings, algorithm: str
) -> None:
    path = tus.create(client, len(CONTENT))
    assert (
        tus.append(client, path, 0, CONTENT[:100], **tus.checksum_header(CONTENT[:100], algorithm)).status_code == 204
    )
    wrong = tus.append(client, path, 100, b"x" * 900, **tus.checksum_header(CONTENT[100:1000], algorithm))
    read_error(wrong, 460, "checksum_mismatch")
    assert tus.read_offset(client, path) == 100
    rest = tus.append(client, path, 100, CONTENT[100:], **tus.checksum_header(CONTENT[100:], algorithm))
    job = read_job(settings.database_url, tus.task_id_of(rest))
    assert job["file_sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (settings.upload_dir / job["stored_name"]).read_bytes() == CONTENT


def test_a_removed_upload_is_gone(client: FlaskClient, settings: config.Settings) -> None:
    path = tus.create(client, 10)
    assert tus.append(client, path, 0, b"sku\n").status_code == 204
    assert len(tus.list_files(settings)) == 1
    assert client.delete(path, headers=tus.VERSION).status_code == 204
    assert (tus.list_files(settings), execute(settings.database_url, "SELECT FROM uploads")) == ([], [])
    # Nobody else has seen it, and nothing was changed (docs/access.md).
    assert execute(settings.database_url, "SELECT FROM audit_entries") == []
    for method in ("HEAD", "DELETE"):
        assert client.open(path, method=method, headers=tus.VERSION).status_code == 404
    read_error(tus.append(client, path, 4, b"a\n"), 404, "upload_not_found")
    read_error(tus.append(client, "/api/uploads/x", 4, b"a\n"), 404, "upload_not_found")


def test_the_import_of_a_finished_upload_outlives_it(client: FlaskClient, settings: config.Settings) -> None:
    path = tus.create(client, 6)
    task_id = tus.task_id_of(tus.append(client, path, 0, b"sku\na\n"))
    assert client.delete(path, headers=tus.VERSION).status_code == 204
    assert tus.list_files(settings) == [f"{task_id}.upload"]
    assert read_job(settings.database_url, task_id)["status"] == "pending"


def test_post_may_stand_for_the_methods_that_a_client_cannot_send(client: FlaskClient) -> None:
    path = tus.create(client, 10)
    headers = {**tus.append_headers(0), "X-HTTP-Method-Override": "PATCH"}
    assert client.post(path, data=b"sku\n", headers=headers).status_code == 204
    assert tus.read_offset(client, path) == 4
    assert client.post(path, headers={**tus.VERSION, "X-HTTP-Method-Override": "DELETE"}).status_code == 204
    read_error(client.post(path, headers=tus.VERSION), 405, "method_not_allowed")
    # Other calls do not know the header.
    override = {"X-HTTP-Method-Override": "DELETE"}
    read_error(client.post("/api/products/1", headers=override), 405, "method_not_allowed")


def test_an_upload_belongs_to_who_created_it(client: FlaskClient, settings: config.Settings) -> None:
    owner = create_user(settings.database_url, "editor")
    keys = [create_key(settings.database_url, owner, {"imports:write"}) for _ in range(2)]
    mine, other = ({"Authorization": f"Bearer {key}"} for key in keys)
    created = client.post("/api/uploads", headers={**tus.creation_headers(6), **mine})
    path = created.headers["Location"]
    for method, headers in (
        ("HEAD", tus.VERSION),
        ("PATCH", tus.append_headers(0)),
        ("DELETE", tus.VERSION),
    ):
        assert client.open(path, method=method, headers={**headers, **other}).status_code == 404
    assert tus.append(client, path, 0, b"sku\na\n", **mine).status_code == 204


def test_unfinished_uploads_expire_after_a_day_and_live_ones_stay(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings
) -> None:
    url = settings.database_url
    paths = [tus.create(client, 10) for _ in range(3)]
    for path in paths[:2]:
        tus.append(client, path, 0, b"sku\n")
    finished = tus.task_id_of(tus.append(client, tus.create(client, 6), 0, b"sku\na\n"))
    expired, live = (path.rpartition("/")[2] for path in paths[:2])
    (created, expires) = execute(url, f"SELECT created_at, expires_at FROM uploads WHERE id = '{live}'")[0]
    assert 23 * 3600 < (expires - created).total_seconds() < 25 * 3600
    execute(url, f"UPDATE uploads SET expires_at = now() WHERE id IN ('{expired}', '{finished}')")
    assert client.head(paths[0], headers=tus.VERSION).status_code == 404
    with contextlib.closing(connect(url, Component.REAPER)) as connection:
        # The clock of the storage may be a day behind.
        delete_expired_files(connection, runner.storage, time.time() + 25 * 3600)
    assert tus.list_files(settings) == sorted([f"{live}.part", f"{finished}.upload"])
    ids = {str(row[0]) for row in execute(url, "SELECT id FROM uploads")}
    assert ids == {live, paths[2].rpartition("/")[2]}
    assert tus.append(client, paths[1], 4, b"abcde\n").status_code == 204


def test_options_and_names_are_those_of_the_plain_upload(client: FlaskClient, settings: config.Settings) -> None:
    metadata = {"mapping": '{"Artikel": "sku"}', "missing_limit": "0.5", "preview": "true", "filetype": "text/csv"}
    path = tus.create(client, 10, filename="../x/Preise.csv", **metadata, delimiter="semicolon", header_line="3")
    job = read_job(settings.database_url, tus.task_id_of(tus.append(client, path, 0, b"Artikel\na\n")))
    assert (job["filename"], job["mapping"], job["missing_limit"]) == ("Preise.csv", {"Artikel": "sku"}, 0.5)
    assert (job["wants_preview"], job["delimiter"], job["header_line"]) == (True, ";", 3)
