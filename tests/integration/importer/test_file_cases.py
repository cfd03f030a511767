"""Files as suppliers really send them: each has the outcome that its case states, with its notices and rejects."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.file_cases import CASES, FileCase, Outcome, complete
from support.imports import list_rejects, upload_and_run
from support.jobs import read_products


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_has_its_outcome(client: FlaskClient, runner: ImportRunner, case: FileCase) -> None:
    job = upload_and_run(client, runner, case.data, case.filename, **case.form)
    products = {sku: (name, text, active) for sku, name, text, active in read_products(runner.database_url)}
    if case.fails:
        assert job["status"] == "failed"
        assert case.fails in job["error_message"]
        assert not products
        return
    assert job["status"] == "completed", job["error_message"]
    rejects = list_rejects(client, job["task_id"])
    found = (products, [reject["line"] for reject in rejects])
    assert found in [_expect(outcome) for outcome in case.outcomes]
    assert set(case.notices) <= {notice["code"] for notice in job["notices"]}
    rows = {reject["line"]: reject["row"] for reject in rejects}
    assert {line: rows[line] for line in case.reject_rows} == case.reject_rows


def _expect(outcome: Outcome) -> tuple[dict[str, tuple[str, str, bool]], list[int]]:
    return {sku: complete(values) for sku, values in outcome.products.items()}, list(outcome.rejects)
