"""The check shows rows whose text depends on the encoding, and one click reads them in another one."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.imports import list_rejects, request_action, run_job, upload_and_run
from support.jobs import read_products

UTF_8_ROWS = "sku,name\nA1,Möbel für Gärten\n"


def retry_with(client: FlaskClient, runner: ImportRunner, content: bytes, choice: str) -> dict[str, str]:
    """Check a file, retry it with the fix of the notice that has this label, and return the names of the products."""
    job = upload_and_run(client, runner, content, preview="true")
    assert job["status"] == "awaiting_confirmation", job["error_message"]
    notice = next(notice for notice in job["notices"] if notice["code"] == "encoding_uncertain")
    fix = next(fix for fix in notice["fixes"] if fix["label"] == choice)
    request_action(client, job["task_id"], "cancel")
    request_action(client, job["task_id"], "retry", preview=False, **fix["options"])
    job = run_job(client, runner, job["task_id"])
    assert job["status"] == "completed"
    assert "encoding_uncertain" not in {notice["code"] for notice in job["notices"]}
    return {product[0]: product[1] for product in read_products(runner.database_url)}


def test_one_click_chooses_another_encoding(client: FlaskClient, runner: ImportRunner) -> None:
    content = "sku,name\nA1,lumière\n".encode("cp1252")
    choice = "Windows-1250 (Central European): lumičre"
    assert retry_with(client, runner, content, choice) == {"A1": "lumičre"}


@pytest.mark.parametrize(
    ("other", "choice", "names"),
    [
        ("A2,Müller\n".encode("cp1252"), "Reject these rows", {}),
        (
            "A2,tiède\n".encode("cp1252"),
            "Windows-1250 (Central European): tičde",
            {"A2": "tičde"},
        ),
    ],
)
def test_one_click_reads_or_rejects_the_rows_that_are_not_utf_8(
    client: FlaskClient, runner: ImportRunner, other: bytes, choice: str, names: dict[str, str]
) -> None:
    found = retry_with(client, runner, UTF_8_ROWS.encode() + other, choice)
    assert found == {"A1": "Möbel für Gärten"} | names


def test_joined_files_are_imported_as_a_whole(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, UTF_8_ROWS.encode() + "A2,Größe\n".encode("cp1252"))
    assert (job["status"], job["file"]["encoding"]) == ("completed", "utf-8+cp1252")
    assert list_rejects(client, job["task_id"]) == []
    assert [product[:2] for product in read_products(runner.database_url)] == [
        ("A1", "Möbel für Gärten"),
        ("A2", "Größe"),
    ]
