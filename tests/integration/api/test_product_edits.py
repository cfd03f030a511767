"""Edits of several products in one call: what is written, what is refused, and what others do meanwhile."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest
from flask.testing import FlaskClient

from support.api import create_product, read_error, read_json
from support.database import execute
from support.processes import Processes
from support.threads import Threads
from support.waiting import wait_for
from support.web import WebProcess, count_connections

EDITS = "/api/products/edits"


@pytest.fixture
def products(client: FlaskClient) -> list[Any]:
    """Five products with the SKUs P-0 to P-4, as the API returned them."""
    return [create_product(client, f"P-{number}", name=f"Lamp {number}") for number in range(5)]


def edit(client: FlaskClient, *edits: dict[str, Any]) -> Any:
    """Send edits and return the answer."""
    return read_json(client.post(EDITS, json={"edits": edits}))


def read_codes(answer: Any) -> list[str]:
    """Return the outcome of each edit, or the code of its error."""
    return [(outcome["error"] or {}).get("code", outcome["outcome"]) for outcome in answer["outcomes"]]


def read_skus(client: FlaskClient, products: list[Any]) -> list[str]:
    """Return the SKUs that the products have now."""
    return [read_json(client.get(f"/api/products/{product['id']}"))["sku"] for product in products]


def test_each_product_gets_its_own_values_with_events_history_and_audit_entries(
    client: FlaskClient, database_url: str, products: list[Any]
) -> None:
    client.post("/api/webhooks", json={"url": "https://example.com/hook", "event_type": "product.updated"})
    first, second, third = products[:3]
    answer = edit(
        client,
        {"id": first["id"], "name": "Desk\nlamp", "active": False, "if_match": first["updated_at"]},
        {"id": second["id"], "description": 'Ä "quoted" \\', "sku": " p-1 ", "if_match": f'W/"{second["updated_at"]}"'},
        {"id": third["id"], "name": third["name"], "if_match": "an old version"},
    )
    assert (answer["message"], answer["count"]) == ("2 products were changed, 1 was as wanted already.", 2)
    assert read_codes(answer) == ["changed", "changed", "unchanged"]
    now = [outcome["product"] for outcome in answer["outcomes"]]
    assert now == [read_json(client.get(f"/api/products/{product['id']}")) for product in products[:3]]
    assert now[0] == {**first, "name": "Desk\nlamp", "active": False, "updated_at": now[0]["updated_at"]}
    assert (now[1]["sku"], now[1]["description"], now[2]) == ("p-1", 'Ä "quoted" \\', third)
    assert now[0]["updated_at"] == now[1]["updated_at"] > first["updated_at"]
    change = read_json(client.get(f"/api/products/{first['id']}/history"))["history"][0]
    assert (change["how"], change["changes"]) == ("api", {"name": ["Lamp 0", "Desk\nlamp"], "active": [True, False]})
    entries = execute(database_url, "SELECT target_id FROM audit_entries WHERE action = 'product.updated' ORDER BY id")
    assert entries == [(str(first["id"]),), (str(second["id"]),)]
    events = execute(database_url, "SELECT updated FROM webhook_events WHERE type = 'product.updated'")
    assert [sorted(ids) for (ids,) in events] == [[first["id"], second["id"]]]


def test_refused_edits_say_why_and_do_not_hinder_the_others(client: FlaskClient, products: list[Any]) -> None:
    changed = read_json(client.put(f"/api/products/{products[1]['id']}", json={"name": "Theirs"}))
    client.delete(f"/api/products/{products[2]['id']}")
    answer = edit(
        client,
        {"id": products[0]["id"], "name": "Mine"},
        {"id": products[1]["id"], "name": "Mine", "if_match": products[1]["updated_at"]},
        {"id": products[2]["id"], "name": "Mine", "if_match": products[2]["updated_at"]},
        {"id": products[3]["id"], "sku": "p-4", "name": "Mine"},
        {"id": products[0]["id"], "name": "Again"},
        {"id": 2**70, "name": "Mine"},
    )
    assert read_codes(answer) == [
        "changed", "precondition_failed", "product_not_found", "duplicate_sku", "repeated_id", "product_not_found",
    ]  # fmt: skip
    assert answer["message"] == "1 product was changed, 5 edits were refused."
    assert [outcome["product"] for outcome in answer["outcomes"][1:4]] == [changed, None, products[3]]
    error = answer["outcomes"][3]["error"]
    assert error == {
        "error": "A product with the SKU p-4 already exists.",
        "code": "duplicate_sku",
        "status": 409,
        "fields": {"sku": ["A product with the SKU p-4 already exists."]},
        "details": {"sku": "p-4"},
    }
    # A client that lost the answer sends the same edits again.
    again = edit(client, {"id": products[0]["id"], "name": "Mine", "if_match": products[0]["updated_at"]})
    assert read_codes(again) == ["unchanged"]
    assert again["message"] == "0 products were changed, 1 was as wanted already."


def test_products_can_exchange_their_skus(client: FlaskClient, products: list[Any]) -> None:
    ids = [product["id"] for product in products]
    edit(client, {"id": ids[0], "sku": "P-1"}, {"id": ids[1], "sku": "P-0"})
    assert read_skus(client, products) == ["P-1", "P-0", "P-2", "P-3", "P-4"]
    # A column of SKUs that is pasted one row further down. The last one stays with its product, so that the edit before
    # it is refused, and with it each one whose SKU is not free then.
    answer = edit(client, *({"id": ids[place], "sku": f"P-{place + 1}"} for place in (2, 3)))
    assert read_codes(answer) == ["duplicate_sku", "duplicate_sku"]
    answer = edit(client, *({"id": ids[place], "sku": f"P-{place + 1}"} for place in (2, 3, 4)))
    assert read_codes(answer) == ["changed"] * 3
    assert read_skus(client, products) == ["P-1", "P-0", "P-3", "P-4", "P-5"]
    answer = edit(
        client,
        {"id": ids[0], "sku": "p-1"},
        {"id": ids[1], "sku": "p-1"},
        {"id": ids[2], "sku": "N"},
        {"id": ids[3], "sku": "n"},
    )
    assert read_codes(answer) == ["changed", "duplicate_sku", "changed", "duplicate_sku"]
    assert read_skus(client, products) == ["p-1", "P-0", "N", "P-4", "P-5"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "edits"),
        ({"edits": []}, "edits"),
        ({"edits": None}, "edits"),
        ({"edits": [{"id": 1}] * 501}, "edits"),
        ({"edits": [{"name": "x"}]}, "edits.0.id"),
        ({"edits": [{"id": "1"}]}, "edits.0.id"),
        ({"edits": [{"id": True}]}, "edits.0.id"),
        ({"edits": [{"id": 1}, {"id": 2, "name": "n" * 501}]}, "edits.1.name"),
        ({"edits": [{"id": 1, "sku": " \u200b"}]}, "edits.0.sku"),
        ({"edits": [{"id": 1, "active": "yes"}]}, "edits.0.active"),
        ({"edits": [{"id": 1, "description": "\0"}]}, "edits.0.description"),
        ({"edits": [1]}, "edits.0"),
        ({"edits": [{"id": 1}], "started_from": "?"}, "started_from"),
    ],
)
def test_an_invalid_body_changes_nothing(client: FlaskClient, products: list[Any], body: Any, field: str) -> None:
    if len(body.get("edits") or []) == 2:
        body["edits"][0] = {"id": products[0]["id"], "name": "new"}
    read_error(client.post(EDITS, json=body), 400, "invalid_edits", field)
    assert read_json(client.get(f"/api/products/{products[0]['id']}"))["name"] == "Lamp 0"


def test_calls_at_the_same_time_neither_fail_nor_share_a_sku(
    processes: Processes, free_port: int, client: FlaskClient, products: list[Any], database_url: str
) -> None:
    web = WebProcess(processes, free_port)
    web.start()
    ids = [product["id"] for product in products]
    codes: set[str] = set()

    def send(number: int) -> None:
        order = ids if number % 2 else ids[::-1]
        edits = [{"id": product_id, "name": f"{number}", "sku": f"S-{place}"} for place, product_id in enumerate(order)]
        codes.update(read_codes(web.call("POST", "/products/edits", {"edits": edits})))

    with Threads() as threads:
        for number in range(8):
            threads.start(send, number)
    assert codes == {"changed"}
    names = {read_json(client.get(f"/api/products/{product_id}"))["name"] for product_id in ids}
    assert len(names) == 1
    assert sorted(read_skus(client, products)) == [f"S-{place}" for place in range(5)]

    # Another client is about to take a SKU: the call waits for it, and then refuses the edit.
    answers: list[Any] = []
    edits = [{"id": ids[0], "sku": "NEW"}, {"id": ids[1], "name": "mine"}]
    other = psycopg2.connect(database_url)
    try:
        with Threads() as threads:
            other.cursor().execute("INSERT INTO products (sku) VALUES ('new')")
            threads.start(lambda: answers.append(web.call("POST", "/products/edits", {"edits": edits})))
            wait_for("the call waits", lambda: count_connections(database_url, "wait_event_type = 'Lock'"))
            other.commit()
    finally:
        other.close()
    assert [read_codes(answer) for answer in answers] == [["duplicate_sku", "changed"]]
