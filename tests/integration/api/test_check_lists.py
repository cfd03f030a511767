"""The lists of a check: what the import would do with each row, on which line it is, before and after."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.imports import rows
from importer.errors import Interrupted
from importer.pipeline.outcomes import KINDS
from importer.pipeline.run import StepKind
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.database import execute
from support.imports import request_action, run_job, upload, upload_and_run
from support.interruptions import ActAfterCommit
from support.jobs import run_import

OLD = "sku,name,description\na-1,Lamp,bright\na-2,Sofa,red\na-3,Chair,old\na-4,Desk,\n"
# The rows start on the lines 2, 3, 6, 8, 9 and 10.
NEW = (
    'SKU,Name,Text\nA-1,Lamp,bright\nA-2,Sofa,"red\nand\nsoft"\nA-3,,"\n"\nA-4,Table,\nb-1,Bed,"50% off"\nB-2,Bench,_\n'
)
MAPPING = '{"Text": "description"}'


def _list(client: FlaskClient, task_id: str, kind: str, **query: Any) -> Any:
    return read_json(client.get(f"/api/imports/{task_id}/rows", query_string={"kind": kind, **query}))


def _skus(client: FlaskClient, task_id: str, kind: str, **query: Any) -> list[str]:
    return [row["sku"] for row in _list(client, task_id, kind, **query)["rows"]]


@pytest.fixture
def checked(client: FlaskClient, runner: ImportRunner) -> Any:
    """An import of `NEW` after `OLD` that awaits its confirmation."""
    run_import(runner, OLD)
    job = upload_and_run(client, runner, NEW, preview="true", mapping=MAPPING)
    assert job["status"] == "awaiting_confirmation"
    return job


def test_each_row_is_listed_with_its_line_and_its_values(client: FlaskClient, checked: Any) -> None:
    changed = _list(client, checked["task_id"], "changed")
    assert changed["checked_at"] == checked["preview"]["checked_at"] is not None
    assert changed["rows"] == [
        {
            "line": 3,
            "kind": "changed",
            "sku": "a-2",
            "fields": ["description"],
            "before": {"name": "Sofa", "description": "red"},
            "after": {"name": "Sofa", "description": "red\nand\nsoft"},
        },
        {
            "line": 6,
            "kind": "changed",
            "sku": "a-3",
            "fields": ["name", "description"],
            "before": {"name": "Chair", "description": "old"},
            "after": {"name": "", "description": "\n"},
        },
        {
            "line": 8,
            "kind": "changed",
            "sku": "a-4",
            "fields": ["name"],
            "before": {"name": "Desk", "description": ""},
            "after": {"name": "Table", "description": ""},
        },
    ]
    created = _list(client, checked["task_id"], "created")["rows"]
    assert [(row["line"], row["sku"], row["before"], row["after"]["name"]) for row in created] == [
        (9, "b-1", None, "Bed"),
        (10, "B-2", None, "Bench"),
    ]
    unchanged = _list(client, checked["task_id"], "unchanged")["rows"]
    assert [(row["line"], row["sku"], row["fields"]) for row in unchanged] == [(2, "a-1", [])]
    assert _list(client, checked["task_id"], "skipped")["rows"] == []


def test_the_check_counts_the_changes_of_each_field(client: FlaskClient, checked: Any) -> None:
    assert checked["preview"]["fields"] == {
        "name": {"changed": 2, "cleared": 1},
        "description": {"changed": 2, "cleared": 0},
    }
    (notice,) = (notice for notice in checked["notices"] if notice["code"] == "clears_values")
    assert notice["message"] == (
        "1 value of an existing product would become empty: 1 name. Leave the column out to keep it."
    )
    assert (notice["count"], notice["lines"]) == (1, [6])
    assert notice["samples"] == [{"text": "a-3: Chair", "sku": "a-3", "field": "name", "before": "Chair"}]


def test_lists_are_filtered_searched_and_split_into_pages(client: FlaskClient, checked: Any) -> None:
    task_id = checked["task_id"]
    assert _skus(client, task_id, "changed", field="description") == ["a-2", "a-3"]
    assert _skus(client, task_id, "changed", cleared="true") == ["a-3"]
    assert _skus(client, task_id, "changed", cleared="true", field="description") == []
    assert _skus(client, task_id, "changed", q="SOFA") == ["a-2"]
    assert _skus(client, task_id, "changed", q="a-", field="name") == ["a-3", "a-4"]
    assert _skus(client, task_id, "created", q="%") == ["b-1"]
    assert _skus(client, task_id, "created", q="_") == ["B-2"]
    assert _skus(client, task_id, "created", field="name") == []
    for query in ({}, {"q": "A-"}):
        page = _list(client, task_id, "changed", page=2, per_page=2, **query)
        assert [row["sku"] for row in page["rows"]] == ["a-4"]
        assert page["pagination"] == {"page": 2, "per_page": 2, "total": 3, "pages": 2}
        assert _list(client, task_id, "changed", page=3, per_page=2, **query)["pagination"]["total"] == 3


def test_a_list_covers_all_slices(client: FlaskClient, runner: ImportRunner) -> None:
    numbers = range(100, 400)
    content = "sku,name\n" + "".join(f"s-{number},Product {number}\n" for number in reversed(numbers))
    job = upload_and_run(client, replace(runner, slice_rows=40, chunk_rows=30), content, preview="true")
    expected = [(f"s-{number}", 401 - number) for number in numbers]
    found: list[tuple[str, int]] = []
    for page in range(1, 8):
        found += [(row["sku"], row["line"]) for row in _list(client, job["task_id"], "created", page=page)["rows"]]
    assert found == expected
    assert _skus(client, job["task_id"], "created", q="99", per_page=10) == ["s-199", "s-299", "s-399"]


def test_the_mode_skips_rows(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, OLD)
    create = upload_and_run(client, runner, NEW, preview="true", mapping=MAPPING, mode="create")["task_id"]
    assert [len(_skus(client, create, kind)) for kind in KINDS] == [2, 0, 0, 4]
    assert _list(client, create, "skipped")["rows"][1]["before"] == {"name": "Sofa", "description": "red"}
    update = upload_and_run(client, runner, NEW, preview="true", mapping=MAPPING, mode="update")["task_id"]
    assert [len(_skus(client, update, kind)) for kind in KINDS] == [0, 3, 1, 2]
    assert _list(client, update, "skipped")["rows"][0]["before"] is None


@pytest.mark.parametrize("batch_rows", [1, 2000])
def test_a_list_is_exported_with_all_values(
    client: FlaskClient, runner: ImportRunner, checked: Any, monkeypatch: pytest.MonkeyPatch, batch_rows: int
) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", batch_rows)
    path = f"/api/imports/{checked['task_id']}/rows.csv"
    response = client.get(path, query_string={"kind": "changed"})
    assert response.headers["Content-Disposition"] == "attachment; filename=products-changed.csv"
    assert list(csv.reader(io.StringIO(response.text, newline=""))) == [
        ["line", "sku", "fields", "name_before", "name", "description_before", "description"],
        ["3", "a-2", "description", "Sofa", "Sofa", "red", "red\nand\nsoft"],
        ["6", "a-3", "name description", "Chair", "", "old", "\n"],
        ["8", "a-4", "name", "Desk", "Table", "", ""],
    ]
    filtered = client.get(path, query_string={"kind": "changed", "q": "table", "bom": "true"})
    assert filtered.data.startswith(b"\xef\xbb\xbfline,")
    assert len(filtered.text.splitlines()) == 2
    long_value = "x" * 5000
    job = upload_and_run(client, runner, f"sku,active,description\nc-1,no,{long_value}\n", preview="true")
    exported = client.get(f"/api/imports/{job['task_id']}/rows.csv?kind=created").text
    assert exported.splitlines()[1] == f"2,c-1,,,false,,{long_value}"
    assert len(_list(client, job["task_id"], "created")["rows"][0]["after"]["description"]) == 2000


def test_values_before_are_those_of_the_products_now(client: FlaskClient, checked: Any) -> None:
    products = read_json(client.get("/api/products?sku=a-"))["products"]
    ids = {product["sku"]: product["id"] for product in products}
    read_json(client.delete(f"/api/products/{ids['a-2']}"))
    read_json(client.put(f"/api/products/{ids['a-3']}", json={"name": "Stool"}))
    changed = _list(client, checked["task_id"], "changed")["rows"]
    assert [(row["sku"], row["before"] and row["before"]["name"]) for row in changed] == [
        ("A-2", None),
        ("a-3", "Stool"),
        ("a-4", "Desk"),
    ]


def test_lists_exist_only_while_the_import_awaits_its_confirmation(
    client: FlaskClient, runner: ImportRunner, checked: Any
) -> None:
    paths = [f"/api/imports/{checked['task_id']}/{name}?kind=changed" for name in ("rows", "rows.csv")]
    (table,) = execute(runner.database_url, "SELECT staging_table FROM import_jobs WHERE staging_table IS NOT NULL")[0]
    tables = "SELECT relname FROM pg_class WHERE relname LIKE 'import_staging%' AND relkind = 'r' ORDER BY 1"
    assert execute(runner.database_url, tables) == [(table,), (f"{table}_lines",), (f"{table}_outcomes",)]
    request_action(client, checked["task_id"], "confirm")
    for path in paths:
        read_error(client.get(path), 409, "not_awaiting_confirmation")
    assert run_job(client, runner, checked["task_id"])["status"] == "completed"
    for path in paths:
        read_error(client.get(path), 409, "not_awaiting_confirmation")
    assert execute(runner.database_url, tables) == []
    read_error(client.get(f"/api/imports/{checked['task_id']}/rows"), 400, "invalid_parameter", "kind")
    read_error(client.get(f"/api/imports/{checked['task_id']}/rows?kind=other"), 400, "invalid_parameter", "kind")


@pytest.mark.parametrize("statement", ["TRUNCATE", "DROP TABLE"])
def test_a_check_that_the_database_lost_can_be_repeated(
    client: FlaskClient, runner: ImportRunner, checked: Any, statement: str
) -> None:
    (table,) = execute(runner.database_url, "SELECT staging_table FROM import_jobs WHERE staging_table IS NOT NULL")[0]
    # A crash of the server empties unlogged tables. A restored backup does not have them.
    execute(runner.database_url, f"{statement} {table}, {table}_lines, {table}_outcomes")
    for name in ("rows", "rows.csv"):
        read_error(client.get(f"/api/imports/{checked['task_id']}/{name}?kind=changed"), 409, "check_lost")
    request_action(client, checked["task_id"], "retry")
    assert run_job(client, runner, checked["task_id"])["status"] == "awaiting_confirmation"
    assert _skus(client, checked["task_id"], "changed") == ["a-2", "a-3", "a-4"]


def test_an_interrupted_check_lists_each_row_once(client: FlaskClient, runner: ImportRunner) -> None:
    def stop() -> None:
        raise Interrupted

    task_id = upload(client, "sku\n" + "".join(f"s-{number}\n" for number in range(100)), preview="true")
    small = replace(runner, slice_rows=10)
    assert replace(small, observer=ActAfterCommit(StepKind.COMPARE_SLICE, 3, stop)).run(task_id)
    assert run_job(client, small, task_id)["preview"]["create"] == 100
    page = _list(client, task_id, "created", per_page=500)
    assert page["pagination"]["total"] == len({row["line"] for row in page["rows"]}) == 100


def test_the_fields_that_an_accepted_short_row_lacks_stay_as_they_are(
    client: FlaskClient, runner: ImportRunner
) -> None:
    run_import(runner, OLD)
    content = "sku,name,description\na-1,Lantern\na-2\nb-1,Bed\n"
    job = upload_and_run(client, runner, content, preview="true", short_rows="accept")
    (changed,) = _list(client, job["task_id"], "changed")["rows"]
    assert (changed["line"], changed["fields"]) == (2, ["name"])
    assert changed["after"] == {"name": "Lantern", "description": "bright"}
    assert [(row["line"], row["sku"]) for row in _list(client, job["task_id"], "unchanged")["rows"]] == [(3, "a-2")]
    assert _list(client, job["task_id"], "created")["rows"][0]["after"] == {"name": "Bed", "description": ""}
    assert job["preview"]["fields"]["name"] == {"changed": 1, "cleared": 0}
