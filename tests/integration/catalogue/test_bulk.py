"""Bulk changes through the API: which products they change, what they answer, and which calls they refuse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from support.bulk import ALL_PRODUCTS, change, create_products, read_active, run_change
from support.database import execute
from support.jobs import read_products


@pytest.fixture
def ids(database_url: str) -> list[int]:
    """The ids of ten products P-0 to P-9; those with an odd number are inactive."""
    return create_products(database_url, 10)


def read_update_times(url: str) -> dict[int, Any]:
    return dict(execute(url, "SELECT id, updated_at FROM products"))


def answer_of(client: FlaskClient, action: str, **selection: Any) -> tuple[str, int]:
    """Make a bulk change, and return what it answers to people and to older scripts."""
    answer = change(client, action, **selection)
    return answer["message"], answer["count"]


def test_only_the_named_products_are_changed(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    before = read_update_times(database_url)
    assert change(client, "activate", ids=ids[:4]) == {
        "message": "2 products were activated, 2 were already active.",
        "count": 2,
        "code": "bulk_completed",
        "details": {"change": "activate", "changed": 2, "unchanged": 2, "gone": 0},
    }
    assert [sku for sku, active in read_active(database_url).items() if active] == [
        "P-0", "P-1", "P-2", "P-3", "P-4", "P-6", "P-8",
    ]  # fmt: skip
    after = read_update_times(database_url)
    assert [product_id for product_id in ids if after[product_id] > before[product_id]] == [ids[1], ids[3]]
    assert change(client, "activate", ids=ids[:4])["message"] == ("No product was activated, 4 were already active.")
    assert read_update_times(database_url) == after
    assert answer_of(client, "delete", ids=ids[:9]) == ("9 products were deleted.", 9)
    assert list(read_active(database_url)) == ["P-9"]


def test_repeated_and_unknown_ids_are_harmless(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    answer = answer_of(client, "deactivate", ids=[ids[0], ids[0], -1, 0, 10**9, 2**63, 10**40])
    assert answer == ("1 product was deactivated, 5 no longer exist.", 1)
    assert answer_of(client, "delete", ids=[10**40]) == ("No product was deleted, 1 no longer exists.", 0)
    assert len(read_products(database_url)) == 10


def test_a_call_may_name_ten_thousand_ids(client: FlaskClient, ids: list[int]) -> None:
    unknown_ids = [2**63 - 1 - number for number in range(9_990)]
    assert change(client, "deactivate", ids=[*unknown_ids, *ids])["count"] == 5


def test_a_filter_selects_the_products_that_the_list_shows(
    client: FlaskClient, database_url: str, ids: list[int]
) -> None:
    execute(database_url, "UPDATE products SET name = '100%' WHERE sku IN ('P-3', 'P-4')")
    for given in ({"q": "NAME 1"}, {"name": "0%"}, {"sku": "p-"}, {"active": False}, {"sku": "4", "active": True}):
        query = {name: str(value).lower() for name, value in given.items()}
        products = client.get("/api/products", query_string=query).get_json()["products"]
        assert products
        active_count = sum(product["active"] for product in products)
        assert change(client, "deactivate", filter=given)["count"] == active_count, given
        execute(database_url, "UPDATE products SET active = id %% 2 = %s", [ids[0] % 2])


@pytest.mark.usefixtures("ids")
def test_deleting_by_filter_leaves_the_other_products(client: FlaskClient, database_url: str) -> None:
    assert change(client, "delete", filter={"active": True})["message"] == "5 products were deleted."
    assert list(read_active(database_url)) == ["P-1", "P-3", "P-5", "P-7", "P-9"]
    assert answer_of(client, "delete", filter={"sku": "nothing"}) == ("No product was deleted.", 0)


@pytest.mark.parametrize("call", ["bulk-delete", "empty filter"])
def test_deleting_all_products_does_not_free_their_ids(
    client: FlaskClient, database_url: str, ids: list[int], call: str
) -> None:
    if call == "bulk-delete":
        answer = client.delete("/api/products/bulk-delete")
        assert (answer.status_code, answer.get_json()["message"]) == (200, "10 products were deleted.")
    else:
        assert change(client, "delete", **ALL_PRODUCTS)["count"] == 10
    assert read_products(database_url) == []
    created = client.post("/api/products", json={"sku": "P-1"})
    assert created.status_code == 201
    assert created.get_json()["id"] > max(ids)
    assert change(client, "activate", **ALL_PRODUCTS)["message"] == "No product was activated, 1 was already active."


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"ids": [1]}, "action"),
        ({"action": None, "ids": [1]}, "action"),
        ({"action": "remove", "ids": [1]}, "action"),
        ({"action": ["delete"], "ids": [1]}, "action"),
        ({"action": "delete"}, "ids"),
        ({"action": "delete", "ids": [1], "filter": {}}, "filter"),
        ({"action": "delete", "ids": []}, "ids"),
        ({"action": "delete", "ids": None}, "ids"),
        ({"action": "delete", "ids": "1"}, "ids"),
        ({"action": "delete", "ids": {"1": 1}}, "ids"),
        ({"action": "delete", "ids": ["1"]}, "ids"),
        ({"action": "delete", "ids": [1.0]}, "ids"),
        ({"action": "delete", "ids": [True]}, "ids"),
        ({"action": "delete", "ids": [None]}, "ids"),
        ({"action": "delete", "ids": [[1]]}, "ids"),
        ({"action": "delete", "ids": list(range(1, 10_002))}, "ids"),
        ({"action": "delete", "filter": None}, "filter"),
        ({"action": "delete", "filter": []}, "filter"),
        ({"action": "delete", "filter": "all"}, "filter"),
        ({"action": "delete", "filter": {"skuu": "P-1"}}, "filter.skuu"),
        ({"action": "delete", "filter": {"sku": 1}}, "filter.sku"),
        ({"action": "delete", "filter": {"sku": None}}, "filter.sku"),
        ({"action": "delete", "filter": {"q": "a\0"}}, "filter.q"),
        ({"action": "delete", "filter": {"q": "\ud800"}}, "filter.q"),
        ({"action": "delete", "filter": {"active": "true"}}, "filter.active"),
        ({"action": "delete", "filter": {"active": None}}, "filter.active"),
        ({"action": "delete", "ids": [1], "fliter": {}}, "fliter"),
        ({"action": "delete", "ids": [1], "field": "name"}, "field"),
        ({"action": "activate", "ids": [1], "value": True}, "value"),
        ({"action": "set", "ids": [1], "value": "a"}, "field"),
        ({"action": "set", "ids": [1], "field": "name"}, "value"),
        ({"action": "set", "ids": [1], "field": "sku", "value": "a"}, "field"),
        ({"action": "set", "ids": [1], "field": "name", "value": 1}, "value"),
        ({"action": "set", "ids": [1], "field": "name", "value": None}, "value"),
        ({"action": "set", "ids": [1], "field": "name", "value": "a" * 501}, "value"),
        ({"action": "set", "ids": [1], "field": "description", "value": "a\0"}, "value"),
        ({"action": "set", "ids": [1], "field": "active", "value": "true"}, "value"),
        ({"action": "delete", "ids": [1], "dry_run": "yes"}, "dry_run"),
    ],
)
@pytest.mark.usefixtures("ids")
def test_ambiguous_and_malformed_calls_change_nothing(
    client: FlaskClient, database_url: str, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/products/bulk", json=body)
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["status"]) == (400, "invalid_bulk", 400)
    assert field in answer.get_json()["fields"]
    assert answer.get_json()["error"].endswith(".")
    assert len(read_products(database_url)) == 10


@pytest.mark.usefixtures("ids")
def test_bodies_that_are_no_json_object_change_nothing(client: FlaskClient, database_url: str) -> None:
    for body, content_type, status in (
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"action": "delete", "filter": {}}', "text/plain", 415),
        (b'{"action": "delete", "filter": {}' + b" " * 1_100_000 + b"}", "application/json", 413),
    ):
        answer = client.post("/api/products/bulk", data=body, content_type=content_type)
        assert (answer.status_code, answer.get_json()["status"]) == (status, status)
    assert client.get("/api/products/bulk").status_code == 405
    assert len(read_products(database_url)) == 10


def test_a_dry_run_says_until_when_the_change_could_be_undone(client: FlaskClient, ids: list[int], app: Flask) -> None:
    body = {"action": "deactivate", "ids": ids, "dry_run": True}

    def undo_until() -> str | None:
        answer = client.post("/api/products/bulk", json=body).get_json()
        assert (answer["count"], answer["found"]) == (5, 10)
        deadline: str | None = answer["undo_until"]
        return deadline

    until = datetime.fromisoformat(undo_until() or "")
    assert timedelta(days=6) < until - datetime.now(UTC) <= timedelta(days=7)
    app.config["SETTINGS"] = replace(app.config["SETTINGS"], undo_days=0)
    assert undo_until() is None
    # The answer of the change itself says the same.
    assert run_change(client, "deactivate", ids=ids)["undo_until"] is not None
    assert run_change(client, "deactivate", ids=ids)["undo_until"] is None
    runs = app.extensions["bulk_runs"]
    runs.runner = replace(runs.runner, retention=replace(runs.runner.retention, undo_days=0))
    assert run_change(client, "activate", ids=ids)["undo_until"] is None
