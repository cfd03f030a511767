"""An import that removes missing products keeps those whose rows are rejected, or taken in by a stray quote."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.imports import request_action, run_job, upload_and_run
from support.jobs import read_products

EXISTING = "sku,name,description,active\nA1,Bolt,x,0\nA2,Nut,x,0\nA3,Pin,x,1\nA4,Cap,x,1\n"


@pytest.mark.parametrize(
    "rows",
    [
        'A1,Bolt\nA2,Nut,brass,maybe\nA4,Cap,"tin"x,1\n',
        'A1,Bolt,"open\nA2,Nut,brass,1\nA4,Cap,tin,1\nA5,Lid,closed",1\n',
    ],
)
def test_products_in_doubt_are_kept(client: FlaskClient, runner: ImportRunner, rows: str) -> None:
    upload_and_run(client, runner, EXISTING)
    before = read_products(runner.database_url)
    content = f"sku,name,description,active\nA0,Lamp,x,1\n{rows}"
    job = upload_and_run(client, runner, content, missing="delete", missing_limit="1")
    assert job["status"] == "completed", job["error_message"]
    skus = {row[0] for row in read_products(runner.database_url)}
    assert skus == {"A0", "A1", "A2", "A4"}
    undo = request_action(client, job["task_id"], "undo")
    assert run_job(client, runner, undo["task_id"])["status"] == "completed"
    assert sorted(read_products(runner.database_url)) == sorted(before)
