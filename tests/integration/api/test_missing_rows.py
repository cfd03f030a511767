"""The list of the products that the file does not have, and that an import would deactivate or delete."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.imports import rows
from importer.pipeline.missing_rows import MissingList
from importer.pipeline.runner import ImportRunner
from support.api import read_error, read_json
from support.database import execute
from support.imports import list_products, request_action, run_job, upload_and_run
from support.jobs import run_import

# Every fourth product is not active.
SKUS = [f"K-{number:02}" for number in range(12)]
CATALOGUE = "sku,name,description,active\n" + "".join(
    f"{sku},Name {sku},Text {sku},{'no' if number % 4 == 0 else 'yes'}\n" for number, sku in enumerate(SKUS)
)
ACTIVE = [sku for number, sku in enumerate(SKUS) if number % 4]
# K-03 is in a row that is rejected, so the file does have it.
FILE = "sku,name,active\nk-01,Name K-01,yes\nK-03,Name K-03,maybe\nNEW,New,yes\n"
PRESENT = {"K-01", "K-03"}


def check(client: FlaskClient, runner: ImportRunner, missing: str, content: str = FILE, **options: Any) -> Any:
    """Import `CATALOGUE`, check a file, and return the import, which awaits its confirmation."""
    run_import(runner, CATALOGUE)
    job = upload_and_run(client, runner, content, preview="true", missing=missing, **{"missing_limit": "1", **options})
    assert job["status"] == "awaiting_confirmation"
    return job


def read_page(client: FlaskClient, job: Any, **query: Any) -> Any:
    return read_json(client.get(f"/api/imports/{job['task_id']}/rows", query_string={"kind": "missing", **query}))


def read_skus(client: FlaskClient, job: Any, **query: Any) -> list[str]:
    return [row["sku"] for row in read_page(client, job, **query)["rows"]]


def read_file(client: FlaskClient, job: Any, **query: Any) -> list[list[str]]:
    response = client.get(f"/api/imports/{job['task_id']}/rows.csv", query_string={"kind": "missing", **query})
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(response.text, newline="")))


@pytest.mark.parametrize("missing", ["deactivate", "delete"])
def test_the_list_has_exactly_the_products_that_the_import_then_removes(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    job = check(client, runner, missing)
    expected = [sku for sku in (ACTIVE if missing == "deactivate" else SKUS) if sku not in PRESENT]
    page = read_page(client, job)
    assert [row["sku"] for row in page["rows"]] == expected
    assert page["pagination"]["total"] == job["preview"]["missing"] == len(expected)
    before = {"name": "Name K-02", "description": "Text K-02", "active": True}
    assert next(row for row in page["rows"] if row["sku"] == "K-02") == {
        "line": None,
        "kind": "missing",
        "sku": "K-02",
        "fields": ["active"] if missing == "deactivate" else [],
        "before": before,
        "after": {**before, "active": False} if missing == "deactivate" else None,
    }
    request_action(client, job["task_id"], "confirm")
    assert run_job(client, runner, job["task_id"])["missing_count"] == len(expected)
    change = {"deactivate": "deactivated", "delete": "deleted"}[missing]
    removed = list_products(client, job["task_id"], f"?change={change}&per_page=100")["products"]
    assert [row["sku"] for row in removed] == expected


def test_products_that_were_created_or_changed_since_the_check_are_neither_listed_nor_removed(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = check(client, runner, "delete")
    ids = {product["sku"]: product["id"] for product in read_json(client.get("/api/products"))["products"]}
    read_json(client.put(f"/api/products/{ids['K-05']}", json={"name": "Changed"}))
    read_json(client.delete(f"/api/products/{ids['K-06']}"))
    read_json(client.post("/api/products", json={"sku": "LATE", "name": "Late"}), 201)
    left = [sku for sku in SKUS if sku not in PRESENT | {"K-05", "K-06"}]
    page = read_page(client, job)
    assert ([row["sku"] for row in page["rows"]], page["pagination"]["total"]) == (left, len(left))
    assert [row[1] for row in read_file(client, job)[1:]] == left
    request_action(client, job["task_id"], "confirm")
    assert run_job(client, runner, job["task_id"])["missing_count"] == len(left)


def test_the_list_is_searched_filtered_and_split_into_pages(client: FlaskClient, runner: ImportRunner) -> None:
    job = check(client, runner, "deactivate")
    listed = [sku for sku in ACTIVE if sku not in PRESENT]
    pages = [read_page(client, job, page=number, per_page=3) for number in (1, 2, 3, 4)]
    assert [row["sku"] for page in pages for row in page["rows"]] == listed
    assert {page["pagination"]["total"] for page in pages} == {len(listed)}
    assert read_skus(client, job, q="TEXT k-0") == [sku for sku in listed if sku < "K-1"]
    assert read_skus(client, job, q="%") == read_skus(client, job, q="k_0") == []
    assert read_skus(client, job, field="active") == listed
    assert read_skus(client, job, field="name") == read_skus(client, job, cleared="true") == []
    read_error(client.get(f"/api/imports/{job['task_id']}/rows?kind=missing&page=0"), 400, "invalid_parameter", "page")


@pytest.mark.parametrize("batch_rows", [1, 4, 2000])
@pytest.mark.parametrize("missing", ["deactivate", "delete"])
def test_the_list_is_exported_in_batches(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch, missing: str, batch_rows: int
) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", batch_rows)
    job = check(client, runner, missing)
    header, *lines = read_file(client, job)
    names = ("name", "description", "active")
    assert header == ["line", "sku", "fields", *(part for name in names for part in (f"{name}_before", name))]
    assert [line[1] for line in lines] == read_skus(client, job)
    (line,) = read_file(client, job, q="k-02")[1:]
    texts = ["Name K-02", "Text K-02"]
    if missing == "delete":
        assert line == ["", "K-02", "", texts[0], "", texts[1], "", "true", ""]
    else:
        assert line == ["", "K-02", "active", texts[0], texts[0], texts[1], texts[1], "true", "false"]


def test_an_import_that_keeps_missing_products_lists_none(client: FlaskClient, runner: ImportRunner) -> None:
    job = check(client, runner, "keep")
    assert read_page(client, job)["pagination"]["total"] == 0
    assert read_file(client, job)[1:] == []


def test_products_that_exceed_the_limit_are_listed(client: FlaskClient, runner: ImportRunner) -> None:
    job = check(client, runner, "delete", missing_limit="0.1")
    assert read_page(client, job)["pagination"]["total"] == job["preview"]["missing"] == 10


def test_a_file_whose_rows_were_all_rejected_removes_and_lists_nothing(
    client: FlaskClient, runner: ImportRunner
) -> None:
    job = check(client, runner, "delete", "sku,name,active\nK-03,Name,maybe\n")
    assert job["preview"]["missing"] == read_page(client, job)["pagination"]["total"] == 0
    assert read_file(client, job)[1:] == []


@pytest.mark.parametrize("statement", ["TRUNCATE", "DROP TABLE"])
def test_lost_rows_do_not_make_every_product_missing(client: FlaskClient, runner: ImportRunner, statement: str) -> None:
    job = check(client, runner, "delete")
    (table,) = execute(runner.database_url, "SELECT staging_table FROM import_jobs WHERE staging_table IS NOT NULL")[0]
    execute(runner.database_url, f"{statement} {table}, {table}_lines, {table}_outcomes")
    for name in ("rows", "rows.csv"):
        read_error(client.get(f"/api/imports/{job['task_id']}/{name}?kind=missing"), 409, "check_lost")


def test_a_list_breaks_off_when_the_import_is_confirmed_meanwhile(
    client: FlaskClient, runner: ImportRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = check(client, runner, "delete")
    fetch_page, fetch_batch = MissingList.fetch_page, MissingList.fetch_batch
    url = runner.database_url
    confirm = "UPDATE import_jobs SET status = 'pending' WHERE status = 'awaiting_confirmation'"

    def confirm_and(fetch: Any) -> Any:
        def run(*arguments: Any) -> Any:
            execute(url, confirm)
            return fetch(*arguments)

        return run

    monkeypatch.setattr(MissingList, "fetch_page", confirm_and(fetch_page))
    monkeypatch.setattr(MissingList, "fetch_batch", confirm_and(fetch_batch))
    for name in ("rows", "rows.csv"):
        execute(url, "UPDATE import_jobs SET status = 'awaiting_confirmation' WHERE status = 'pending'")
        path = f"/api/imports/{job['task_id']}/{name}?kind=missing"
        read_error(client.get(path), 409, "not_awaiting_confirmation")
