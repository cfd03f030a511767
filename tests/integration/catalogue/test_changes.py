"""Filters by changes: `changed_by` a job, and `changed_since` a time."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from catalogue.filters import Filter
from catalogue.search import find_page
from catalogue.search_thresholds import Thresholds
from catalogue.sorting import SORT_KEYS, Sorting
from database.connect import Component, connected, transaction
from importer.pipeline.runner import ImportRunner
from support.bulk import run_change
from support.database import execute
from support.imports import list_products, request_action, run_job, upload_and_run
from support.jobs import run_import

ROWS = 60
# Makes a search treat ten products as many.
MANY = Thresholds(max_fetched_rows=10, small_catalogue_rows=0, max_counted_rows=0, min_scan_rows=4)
EXPIRE_SQL = """
DELETE FROM import_changes WHERE job_id = (SELECT id FROM import_jobs WHERE task_id = %s)
"""

# Makes entries of the change log such as those of an earlier version.
FORGET_SUMMARIES_SQL = """
UPDATE import_changes SET created_count = NULL, updated_count = NULL, deleted_count = NULL, skipped_count = NULL,
    lowest_id = NULL, highest_id = NULL, first_updated = NULL, first_sku = NULL
"""


@pytest.fixture
def runner(runner: ImportRunner) -> ImportRunner:
    """A runner with small slices."""
    return replace(runner, slice_rows=10)


def make_file(rows: range, name: str) -> str:
    return "sku,name\n" + "".join(f"K-{number:03},{name} {number % 7}\n" for number in rows)


def find(client: FlaskClient, **query: Any) -> set[str]:
    """Return the SKUs of a list of products, which must have them all on its first page."""
    response: Any = client.get("/api/products", query_string={"per_page": 500, **query})
    assert response.status_code == 200, response.json
    assert response.json["pagination"]["total"] == len(response.json["products"])
    return {product["sku"] for product in response.json["products"]}


def refuse(client: FlaskClient, path: str = "/api/products", **query: Any) -> str:
    """Return the error of a list of products, which must be a 400 that blames one parameter."""
    response: Any = client.get(path, query_string=query)
    assert (response.status_code, list(response.json["fields"])) == (400, list(query)), response.json
    return str(response.json["error"])


def skus(rows: range) -> set[str]:
    return {f"K-{number:03}" for number in rows}


def test_products_of_an_import_are_found_whatever_happened_to_them_later(
    client: FlaskClient, runner: ImportRunner
) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(40), "old"))
    task_id = upload_and_run(client, runner, make_file(range(20, ROWS), "new"))["task_id"]
    expected = skus(range(20, ROWS))
    assert find(client, changed_by=task_id) == find(client, changed_by=task_id.upper()) == expected
    execute(url, "UPDATE products SET name = 'mine', updated_at = clock_timestamp() WHERE sku < 'K-030'")
    later = run_import(runner, make_file(range(50, ROWS), "later"))
    execute(url, "DELETE FROM products WHERE sku = 'K-055'")
    expected -= {"K-055"}
    assert find(client, changed_by=task_id) == expected
    assert find(client, changed_by=task_id, q="mine") == skus(range(20, 30))
    assert find(client, changed_by=later["task_id"]) == skus(range(50, ROWS)) - {"K-055"}
    run_change(client, "deactivate", filter={"changed_by": task_id, "name": "mine"})
    assert find(client, active="false") == find(client, active="false", changed_by=task_id) == skus(range(20, 30))
    exported = client.get("/api/products/export", query_string={"changed_by": task_id}).text
    assert {line.partition(",")[0] for line in exported.splitlines()[1:]} == expected
    # An undo leaves the edited ones alone; the others are gone, or are as they were before.
    run_job(client, runner, request_action(client, task_id, "undo", force=True)["task_id"])
    assert find(client, changed_by=task_id) == skus(range(20, 40)) | skus(range(50, ROWS)) - {"K-055"}


@pytest.mark.thorough("mixed log")
@pytest.mark.parametrize(
    ("forgotten", "edited"),
    [("false", "id % 3 = 0"), ("id % 2 = 0", "sku < 'K-030'"), ("true", "id % 3 = 0")],
    ids=["new log", "mixed log", "old log"],
)
def test_pages_of_a_large_import_are_the_same_in_each_order_as_those_of_a_small_one(
    client: FlaskClient, runner: ImportRunner, edited: str, forgotten: str
) -> None:
    url = runner.database_url
    run_import(runner, make_file(range(45), "old"))
    task_id = upload_and_run(client, runner, make_file(range(15, ROWS), "new"))["task_id"]
    execute(url, f"{FORGET_SUMMARIES_SQL} WHERE {forgotten}")
    execute(url, f"UPDATE products SET active = false, updated_at = clock_timestamp() WHERE {edited}")
    execute(url, "DELETE FROM products WHERE id %% 11 = %s", [0])
    filters = [Filter(changed_by=task_id, **more) for more in ({}, {"active": True}, {"q": "new"}, {"name": "3"})]
    filters += [Filter(changed_since="2000-01-01T00:00:00+00:00"), Filter(changed_since="2999-01-01T00:00:00+00:00")]
    sortings = [Sorting(by, descending) for by in SORT_KEYS for descending in (False, True)]
    with connected(url, Component.WEB) as connection, transaction(connection) as cursor:
        for wanted in filters:
            for sorting in sortings:
                everything = find_page(cursor, wanted, sorting, per_page=100)
                assert everything.total == len(everything.products)
                pages: list[list[Any]] = []
                token = None
                while not pages or token:
                    part = find_page(cursor, wanted, sorting, per_page=7, after=token, thresholds=MANY)
                    assert part.total == everything.total or part.total_is_estimate
                    pages.append(part.products)
                    token = part.next
                assert [row for rows in pages for row in rows] == everything.products
                third = find_page(cursor, wanted, sorting, page=3, per_page=7, exact_total=True, thresholds=MANY)
                assert third.products == everything.products[14:21]
                assert third.total == everything.total


@pytest.mark.parametrize("missing", ["delete", "deactivate"])
def test_an_import_lists_its_products_alike_from_the_log_of_an_earlier_version(
    client: FlaskClient, runner: ImportRunner, missing: str
) -> None:
    run_import(runner, make_file(range(45), "old"))
    options = {"missing": missing, "missing_limit": "1"}
    task_id = upload_and_run(client, runner, make_file(range(25, ROWS), "new"), **options)["task_id"]

    def read_pages() -> list[Any]:
        return [list_products(client, task_id, f"?per_page=13&page={page}") for page in range(1, 6)]

    pages = read_pages()
    removed = {"delete": "deleted", "deactivate": "deactivated"}[missing]
    changes = [product["change"] for page in pages for product in page["products"]]
    assert [changes.count(change) for change in ("created", "updated", removed)] == [15, 20, 25]
    assert pages[0]["pagination"]["total"] == len(changes)
    execute(runner.database_url, FORGET_SUMMARIES_SQL)
    assert read_pages() == pages


def test_a_list_never_hides_that_the_changes_of_a_job_are_not_known(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, make_file(range(3), "new"))
    task_id = job["task_id"]
    undo_id = request_action(client, task_id, "undo")["task_id"]
    assert "is an undo" in refuse(client, changed_by=undo_id)
    unknown = str(uuid.uuid4())
    assert "There is no job" in refuse(client, changed_by=unknown)
    for text in ("x", "5b0c6d1e7f0a4c529d6b0f2a51f0f6a3", f"{{{unknown}}}", "5b0c6d1e"):
        assert "must be the task_id" in refuse(client, changed_by=text)
    execute(runner.database_url, EXPIRE_SQL, [task_id])
    for path in ("/api/products", "/api/products/export"):
        assert "has expired" in refuse(client, path, changed_by=task_id)
    for body in ({"changed_by": task_id}, {"changed_by": unknown}, {"changed_by": ""}, {"changed_since": "x"}):
        response: Any = client.post("/api/products/bulk", json={"action": "delete", "filter": body})
        assert (response.status_code, list(response.json["fields"])) == (400, [f"filter.{next(iter(body))}"])
    assert len(find(client)) == 3


def test_changed_since_includes_its_time_in_any_time_zone(client: FlaskClient, runner: ImportRunner) -> None:
    times = ("2026-11-23T23:59:59.999999Z", "2026-11-24T00:00:00Z", "2026-11-24T04:00:00Z")
    for number, at in enumerate(times):
        execute(runner.database_url, "INSERT INTO products (sku, updated_at) VALUES (%s, %s)", [f"P-{number}", at])
    for since, first in {
        "2026-11-24": 1,
        "2026-11-24T00:00:00Z": 1,
        "2026-11-24T00:00:00.000001Z": 2,
        "2026-11-24T05:00:00+01:00": 2,
        "2026-11-24 04:00Z": 2,
        "2026-11-24T05:30-01:30": 3,
        "0001-01-01": 0,
    }.items():
        assert find(client, changed_since=since) == {f"P-{number}" for number in range(first, 3)}
    for text in ("2026-11-24T04:00:00", "24.11.2026", "20261124", "2026-W48-2", "2026-02-30", "04:00Z", "now", "1"):
        assert "must be a date" in refuse(client, changed_since=text)
    run_change(client, "deactivate", filter={"changed_since": "2026-11-24"})
    assert find(client, active="false") == {"P-1", "P-2"}
