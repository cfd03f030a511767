"""Rejected rows by reason: with the file's own column and the value that is to blame."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.imports import upload_and_run

FILE = (
    "SKU;Name;Status\nA;Lamp;maybe\nB;Sofa;no\n;Chair;yes\nC;Desk; maybe \nD;Bed;perhaps\nE;Bench\n"
    + f"F;{'x' * 501};yes\n"
    + 'G;"a"b;no\n'
)
MAPPING = '{"Status": "active"}'


def _list(client: FlaskClient, task_id: str, name: str, **query: Any) -> Any:
    return read_json(client.get(f"/api/imports/{task_id}/{name}", query_string=query))


def test_rejects_are_grouped_by_reason_column_and_value(client: FlaskClient, runner: ImportRunner) -> None:
    job = upload_and_run(client, runner, FILE, mapping=MAPPING)
    listed = _list(client, job["task_id"], "rejects/groups")
    found = [(row["code"], row["column"], row["value"], row["count"], row["lines"]) for row in listed["groups"]]
    assert found == [
        ("invalid_active", "Status", "maybe", 2, [2, 5]),
        ("missing_sku", "SKU", None, 1, [4]),
        ("invalid_active", "Status", "perhaps", 1, [6]),
        ("wrong_field_count", None, None, 1, [7]),
        ("name_too_long", "Name", None, 1, [8]),
        ("bad_quoting", None, None, 1, [9]),
    ]
    assert all(group["message"].endswith(".") for group in listed["groups"])
    assert [group["details"] for group in listed["groups"]][:2] == [
        {"column": "Status", "value": "maybe"}, {"problem": "sku"}
    ]  # fmt: skip
    assert listed["message"] is None
    page = _list(client, job["task_id"], "rejects/groups", page=2, per_page=4)
    assert [group["code"] for group in page["groups"]] == ["name_too_long", "bad_quoting"]
    assert page["pagination"] == {"page": 2, "per_page": 4, "total": 6, "pages": 2}


def test_the_rows_of_a_group_are_listed(client: FlaskClient, runner: ImportRunner) -> None:
    task_id = upload_and_run(client, runner, FILE, mapping=MAPPING, preview="true")["task_id"]
    maybe = _list(client, task_id, "rejects", reason="invalid_active", column="Status", value="maybe")
    assert [(row["line"], row["row"]) for row in maybe["rejects"]] == [(2, "A;Lamp;maybe"), (5, "C;Desk; maybe ")]
    assert maybe["message"] is None
    assert [row["line"] for row in _list(client, task_id, "rejects", q="BENCH")["rejects"]] == [7]
    assert _list(client, task_id, "rejects", q="%")["rejects"] == []
    read_error(client.get(f"/api/imports/{task_id}/rejects?value={'x' * 201}"), 400, "invalid_parameter", "value")
