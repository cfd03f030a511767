"""The form of an upload: how many parts it may have, how large its fields may be, and names of files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config
from support.api import read_error, read_json
from support.database import execute
from support.imports import get_import, post_file
from support.processes import Processes
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

pytestmark = pytest.mark.usefixtures("own_broker")

FILE = b"sku\na\n"
FORM_HEADERS = {"Content-Type": "multipart/form-data; boundary=x"}


def file_part(name: str = "file", filename: str = "a.csv", content: bytes = FILE) -> bytes:
    """Return a part of a form that has a file."""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def field_part(name: str, content: bytes = b"true") -> bytes:
    """Return a part of a form that has a field."""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"


def post_parts(client: FlaskClient, *parts: bytes) -> TestResponse:
    """Send a form with these parts."""
    return client.post("/api/upload", data=b"".join(parts) + b"--x--\r\n", headers=FORM_HEADERS)


def check_nothing_is_left(settings: config.Settings) -> None:
    """Assert that a refused form left neither a file nor a job."""
    assert list(settings.upload_dir.iterdir()) == []
    assert execute(settings.database_url, "SELECT FROM import_jobs") == []


@pytest.mark.parametrize("count", [2, 300, 2000])
def test_a_form_with_several_files_is_refused(client: FlaskClient, settings: config.Settings, count: int) -> None:
    response = post_parts(client, *[file_part(filename=f"{number}.csv") for number in range(count)])
    message = read_error(response, 400, "several_files", "file")
    assert message == "The form has several files. Upload them one by one."
    check_nothing_is_left(settings)


def test_a_file_in_another_field_is_a_second_file(client: FlaskClient, settings: config.Settings) -> None:
    read_error(post_parts(client, file_part(), file_part("other", "b.pdf")), 400, "several_files", "file")
    check_nothing_is_left(settings)


@pytest.mark.parametrize("file_first", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        [field_part(f"field{number}") for number in range(10_000)],
        [field_part(f"field{number}") for number in range(101)],
        [field_part("mapping", b"x" * 5_000_000)],
        [field_part("mapping", b"x" * 500_001)],
        [field_part("f" * 1_000_000)],
    ],
    ids=["many fields", "a field above the number", "a large field", "a field above the limit", "a large name"],
)
def test_a_form_with_too_many_or_too_large_fields_is_refused(
    client: FlaskClient, settings: config.Settings, fields: list[bytes], file_first: bool
) -> None:
    parts = [file_part(), *fields] if file_first else [*fields, file_part()]
    message = read_error(post_parts(client, *parts), 413, "form_too_large")
    assert message.startswith("The form has more than 100 fields, or a field of more than 500 KB.")
    check_nothing_is_left(settings)


def test_a_large_mapping_is_accepted(client: FlaskClient) -> None:
    mapping = b'{"sku": "sku", "%s": null}' % (b"x" * 400_000)
    assert post_parts(client, field_part("mapping", mapping), file_part()).status_code == 202


def test_a_large_form_of_another_type_is_refused_without_reading_it(client: FlaskClient) -> None:
    response = client.post(
        "/api/upload", data=b"file=" + b"x" * 5_000_000, content_type="application/x-www-form-urlencoded"
    )
    read_error(response, 400, "invalid_file", "file")


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process."""
    process = WebProcess(processes, free_port)
    process.start()
    return process


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_reads_only_after_sending_sees_that_it_sent_two_files(
    web: WebProcess, settings: config.Settings, chunked: bool
) -> None:
    body = file_part() + file_part(content=b"x" * 20_000_000) + b"--x--\r\n"

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    url = f"{web.api_url}/upload"
    data = pieces() if chunked else body
    response = requests.post(url, data=data, headers=FORM_HEADERS, timeout=REQUEST_SECONDS)
    assert (response.status_code, response.json()["code"]) == (400, "several_files")
    wait_for("the file is removed", lambda: list(settings.upload_dir.iterdir()) == [])


# Real names, which must stay as they are.
REAL_NAMES = [
    "商品リスト（最新）.csv",
    "葛\U000e0100城市.csv",
    "منتجات ٢٠٢٦.csv",
    "می\u200cخواهم.csv",
    "क्\u200dष उत्पाद.csv",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family ❤\ufe0f\u200d\U0001f525 1\ufe0f⃣.csv",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f prices.csv",
    "Capture d’écran 09:41.csv",
    "Größe & Maß 'x' (1).csv",
]
CLEANED_NAMES = {
    "price\u202evsc.exe.csv": "pricevsc.exe.csv",
    "\x1b[31mred\x1b[0m.csv": "[31mred[0m.csv",
    "a\u200bb\u2060c\xadd\ufeff.csv": "abcd.csv",
    "a\u200d.csv": "a.csv",
    "\u2066a\u2069\x85\x7f.csv": "a.csv",
    "a\ufe0f\u200d\u202e.csv": "a.csv",
    "a\U000e0041\U000e0042.csv": "a.csv",
    "\u3164\u115f.csv": ".csv",
    "Cafe\u0301.csv": "Café.csv",
    "e\u202e\u0301.csv": "é.csv",
    "products.c\u200bsv": "products.csv",
}


@pytest.mark.parametrize(("name", "stored"), [*zip(REAL_NAMES, REAL_NAMES, strict=True), *CLEANED_NAMES.items()])
def test_a_filename_has_no_invisible_characters_and_is_normalised(client: FlaskClient, name: str, stored: str) -> None:
    body = read_json(post_parts(client, file_part(filename=name)), 202)
    assert body["filename"] == stored
    assert get_import(client, body["task_id"])["log"][0]["message"] == f"{stored} was uploaded (6 bytes)."


@pytest.mark.parametrize("name", ["\u202e", "\u200b.exe", "\u200b", "\x1b", "a.csv/\u202e"])
def test_a_name_of_invisible_characters_is_no_name(client: FlaskClient, settings: config.Settings, name: str) -> None:
    read_error(post_parts(client, file_part(filename=name)), 400, "invalid_file", "file")
    check_nothing_is_left(settings)


def test_the_file_of_rejects_has_a_clean_name_also_for_imports_of_earlier_versions(
    client: FlaskClient, settings: config.Settings
) -> None:
    task_id = read_json(post_file(client, FILE), 202)["task_id"]
    name = "日本\u202e\x1b\U0001f469\u200d\U0001f467.csv"
    execute(settings.database_url, "UPDATE import_jobs SET filename = %s", (name,))
    disposition = client.get(f"/api/imports/{task_id}/rejects.csv").headers["Content-Disposition"]
    name = "%E6%97%A5%E6%9C%AC%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7-rejects.csv"
    assert disposition == f"attachment; filename=-rejects.csv; filename*=UTF-8''{name}"
