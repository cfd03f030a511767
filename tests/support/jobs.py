"""Import jobs without the API: create, announce, run and slow them down, and read their results."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import config
from celery_app import RUN_IMPORT, create_celery
from importer.pipeline.runner import ImportRunner
from importer.storage.folder import FolderStorage
from support.database import execute


def create_runner(settings: config.Settings, **changes: Any) -> ImportRunner:
    """Return a runner with these settings; `changes` replace single arguments of `ImportRunner`.

    It has one writer unless `changes` say otherwise, so slices are written in the order of their keys.
    """
    config.make_folder("UPLOAD_DIR", settings.upload_dir)
    return replace(ImportRunner.from_settings(settings), **{"writers": 1, **changes})


def folder_of(runner: ImportRunner) -> Path:
    """Return the folder where a runner finds the files of imports."""
    assert isinstance(runner.storage, FolderStorage)
    return runner.storage.folder


def create_job(runner: ImportRunner, content: bytes, filename: str = "products.csv", *, announced: bool = False) -> str:
    """Store a file and insert its job as an upload does; return the task id.

    For an `announced` job, the reaper of a worker sends no message within the first 30 s.
    """
    task_id = str(uuid.uuid4())
    (folder_of(runner) / f"{task_id}.upload").write_bytes(content)
    execute(
        runner.database_url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, announced_at)"
        " VALUES (%s, %s, %s, %s, CASE WHEN %s THEN clock_timestamp() END)",
        (task_id, filename, f"{task_id}.upload", len(content), announced),
    )
    return task_id


def announce(environment: Mapping[str, str], task_id: str) -> None:
    """Set `announced_at` and send the message of a job, in this order: otherwise the reaper could send a second one."""
    execute(
        environment["DATABASE_URL"],
        "UPDATE import_jobs SET announced_at = clock_timestamp() WHERE task_id = %s",
        (task_id,),
    )
    create_celery(config.load(environment)).send_task(RUN_IMPORT, args=[task_id])


def run_import(runner: ImportRunner, content: bytes | str) -> dict[str, Any]:
    """Import a file from start to end, without a broker; return the row of its job."""
    task_id = create_job(runner, content.encode() if isinstance(content, str) else content)
    while runner.run(task_id):
        pass
    return read_job(runner.database_url, task_id)


def read_job(url: str, task_id: str) -> dict[str, Any]:
    """Return the row of a job, keyed by column."""
    rows = execute(url, "SELECT to_jsonb(j) FROM import_jobs j WHERE task_id = %s", (task_id,))
    row: dict[str, Any] = rows[0][0]
    return row


def read_rejects(url: str, job: dict[str, Any]) -> list[tuple[int, str]]:
    """Return the line and the reason code of every rejected row of a job, in line order."""
    rows = execute(url, "SELECT line, code FROM import_rejects WHERE job_id = %s ORDER BY line", (job["id"],))
    return [(line, code) for line, code in rows]


def read_products(url: str) -> list[tuple[Any, ...]]:
    """Return every product as (sku, name, description, active), in key order."""
    return execute(url, 'SELECT sku, name, description, active FROM products ORDER BY lower(sku) COLLATE "C"')


def delay_slices(url: str, seconds: float) -> None:
    """Make the transaction of every slice sleep for `seconds`, until `stop_delaying_slices`."""
    execute(
        url,
        "CREATE OR REPLACE FUNCTION delay_slice() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;"
        "CREATE OR REPLACE TRIGGER delay_slice BEFORE UPDATE OF checkpoint ON import_jobs"
        " FOR EACH STATEMENT EXECUTE FUNCTION delay_slice()",
    )


def stop_delaying_slices(url: str) -> None:
    """Let the next slice of an import run at full speed."""
    execute(url, "DROP TRIGGER delay_slice ON import_jobs")
