"""A stored file that is not the one that was uploaded: its import fails with a sentence and writes nothing."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import config
from importer.jobs.repository import Job
from importer.pipeline.run import Observer
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import get_import, request_action, run_job, upload, upload_and_run
from support.jobs import create_job, read_job, read_products

# Larger than the blocks in which files are read, so that a part of it is unread after the first chunk.
ROWS = 4000
CSV = b"sku,name,description\n" + b"".join(
    b"SKU-%05d,name %d,%s\n" % (number, number, b"%01000d" % number) for number in range(ROWS)
)
REJECTION = "The stored file is not the one that was uploaded: "


def make_zip(*members: tuple[str, bytes]) -> bytes:
    """Return a ZIP archive with these members, which are not compressed, so that a changed byte stays readable."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in members:
            file.writestr(name, content)
    return archive.getvalue()


FILES = {
    "products.csv": CSV,
    "products.csv.gz": gzip.compress(CSV, 1),
    "products.zip": make_zip(("readme.pdf", b"%PDF" * 5000), ("products.csv", CSV), ("picture.png", b"\x89PNG" * 5000)),
}


@pytest.fixture(params=FILES)
def filename(request: pytest.FixtureRequest) -> str:
    """A name of `FILES`: plain, gzip or ZIP."""
    name: str = request.param
    return name


@pytest.fixture
def stored_file(settings: config.Settings) -> Callable[[str], Path]:
    """A function that returns the path of the file of a job."""
    return lambda task_id: settings.upload_dir / f"{task_id}.upload"


def cut(path: Path) -> None:
    """Cut the second half of a file off, as a copying tool does on a full disk."""
    os.truncate(path, path.stat().st_size // 2)


def cut_after_a_row(path: Path) -> None:
    """Cut a plain file off after a row, which leaves a valid file."""
    os.truncate(path, CSV.index(b"SKU-02000"))


def append(path: Path) -> None:
    """Append a row, as a second writer does."""
    with path.open("ab") as file:
        file.write(b"SKU-extra,another,row\n")


def change_one_byte(path: Path) -> None:
    """Change a byte near the end of a file, and keep its size."""
    with path.open("r+b") as file:
        file.seek(-300, os.SEEK_END)
        byte = file.read(1)
        file.seek(-300, os.SEEK_END)
        file.write(b"8" if byte == b"7" else b"7")


def zero_the_end(path: Path) -> None:
    """Fill the second half with zeros, as a file system may show a file after a power cut."""
    half = path.stat().st_size // 2
    with path.open("r+b") as file:
        file.seek(half)
        file.write(bytes(path.stat().st_size - half))


DAMAGES = [cut, append, change_one_byte, zero_the_end]


def check_rejected(job: dict[str, Any], settings: config.Settings) -> None:
    """Assert that a job failed because of its stored file, and that nothing was written."""
    assert job["status"] == "failed"
    assert job["error_message"].startswith(REJECTION)
    assert job["error_message"].endswith(" Upload it again.")
    assert job["created_count"] == 0
    assert read_products(settings.database_url) == []
    assert execute(settings.database_url, "SELECT FROM import_rejects") == []


def test_an_intact_file_is_imported(client: FlaskClient, runner: ImportRunner, filename: str) -> None:
    job = upload_and_run(client, runner, FILES[filename], filename)
    assert (job["status"], job["created_count"], job["rejected_count"]) == ("completed", ROWS, 0)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_changed_before_its_import_fails_each_time(
    client: FlaskClient,
    runner: ImportRunner,
    settings: config.Settings,
    stored_file: Callable[[str], Path],
    filename: str,
    damage: Callable[[Path], None],
) -> None:
    task_id = upload(client, FILES[filename], filename)
    damage(stored_file(task_id))
    check_rejected(run_job(client, runner, task_id), settings)
    request_action(client, task_id, "retry")
    check_rejected(run_job(client, runner, task_id), settings)
    # The operator copies the file back.
    stored_file(task_id).write_bytes(FILES[filename])
    request_action(client, task_id, "retry")
    assert run_job(client, runner, task_id)["created_count"] == ROWS


class ActAfterFirstChunk(Observer):
    """Call a function after the first chunk of the file."""

    def __init__(self, action: Callable[[], None]) -> None:
        self.action: Callable[[], None] | None = action

    def after_chunk(self, job: Job) -> None:
        action, self.action = self.action, None
        if action:
            action()


@pytest.mark.parametrize("damage", [cut, cut_after_a_row, append, change_one_byte, zero_the_end])
def test_a_plain_file_that_changes_while_it_is_read_fails(
    client: FlaskClient,
    runner: ImportRunner,
    settings: config.Settings,
    stored_file: Callable[[str], Path],
    damage: Callable[[Path], None],
) -> None:
    task_id = upload(client, CSV)
    observer = ActAfterFirstChunk(lambda: damage(stored_file(task_id)))
    check_rejected(run_job(client, replace(runner, observer=observer, chunk_rows=100), task_id), settings)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_archive_that_changes_while_it_is_read_fails(
    client: FlaskClient,
    runner: ImportRunner,
    settings: config.Settings,
    stored_file: Callable[[str], Path],
    damage: Callable[[Path], None],
) -> None:
    task_id = upload(client, FILES["products.zip"], "products.zip")
    observer = ActAfterFirstChunk(lambda: damage(stored_file(task_id)))
    check_rejected(run_job(client, replace(runner, observer=observer, chunk_rows=100), task_id), settings)


def test_a_file_that_is_replaced_between_two_attempts_fails(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings, stored_file: Callable[[str], Path]
) -> None:
    task_id = upload(client, CSV)

    def fail() -> None:
        raise ValueError("The worker dies.")

    with pytest.raises(ValueError, match="The worker dies"):
        replace(runner, observer=ActAfterFirstChunk(fail)).run(task_id)
    cut_after_a_row(stored_file(task_id))
    check_rejected(run_job(client, runner, task_id), settings)


def test_a_preview_whose_rows_must_be_read_again_checks_the_file_again(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings, stored_file: Callable[[str], Path]
) -> None:
    task_id = upload(client, CSV, preview="true")
    assert run_job(client, runner, task_id)["status"] == "awaiting_confirmation"
    # A crash of the server empties the table.
    execute(settings.database_url, f"TRUNCATE {read_job(settings.database_url, task_id)['staging_table']}")
    cut_after_a_row(stored_file(task_id))
    request_action(client, task_id, "confirm")
    check_rejected(run_job(client, runner, task_id), settings)


def test_rows_that_are_staged_already_need_no_file(
    client: FlaskClient, runner: ImportRunner, stored_file: Callable[[str], Path]
) -> None:
    task_id = upload(client, CSV, preview="true")
    assert run_job(client, runner, task_id)["status"] == "awaiting_confirmation"
    cut(stored_file(task_id))
    request_action(client, task_id, "confirm")
    assert run_job(client, runner, task_id)["created_count"] == ROWS


def test_a_file_without_a_header_that_changed_is_reported_as_changed(
    client: FlaskClient, runner: ImportRunner, settings: config.Settings, stored_file: Callable[[str], Path]
) -> None:
    task_id = upload(client, CSV)
    stored_file(task_id).write_bytes(bytes(len(CSV)))
    check_rejected(run_job(client, runner, task_id), settings)


def test_a_file_that_was_removed_fails(
    client: FlaskClient, runner: ImportRunner, stored_file: Callable[[str], Path]
) -> None:
    task_id = upload(client, CSV)
    stored_file(task_id).unlink()
    message = run_job(client, runner, task_id)["error_message"]
    assert message == "The uploaded file no longer exists on the server. Upload it again."


def test_the_file_of_an_earlier_version_has_no_checksum_and_is_imported(
    client: FlaskClient, runner: ImportRunner, stored_file: Callable[[str], Path]
) -> None:
    task_id = create_job(runner, CSV)
    assert read_job(runner.database_url, task_id)["file_sha256"] is None
    change_one_byte(stored_file(task_id))
    runner.run(task_id)
    assert get_import(client, task_id)["created_count"] == ROWS
