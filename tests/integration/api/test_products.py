"""Single products: create, read, change and delete them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

import config
from models import db
from support.api import create_product, list_skus, read_error, read_json
from support.database import execute
from support.threads import Threads

START_SECONDS = 30
PRODUCT_FIELDS = ["id", "sku", "name", "description", "active", "created_at", "updated_at"]


def test_a_product_is_created_read_changed_and_deleted(client: FlaskClient) -> None:
    before = datetime.now(UTC).isoformat()
    product = create_product(client, " A-1 ", name="Lamp\n", description=" big ", active=False)
    assert list(product) == PRODUCT_FIELDS
    assert [product[name] for name in PRODUCT_FIELDS[1:5]] == ["A-1", "Lamp\n", " big ", False]
    assert before < product["created_at"] == product["updated_at"]
    assert product["created_at"].endswith("Z")
    path = f"/api/products/{product['id']}"
    assert read_json(client.get(path)) == product

    changed = read_json(client.put(path, json={"name": "Lamp", "sku": "a-1"}))
    assert changed == {**product, "name": "Lamp", "sku": "a-1", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > product["updated_at"]
    # Nothing changes, so `updated_at` stays the same.
    assert read_json(client.put(path, json={"sku": "a-1 ", "active": False})) == changed
    assert read_json(client.put(path, json={})) == changed

    assert list(read_json(client.delete(path))) == ["message"]
    for response in (client.get(path), client.put(path, json={}), client.delete(path)):
        read_error(response, 404, "product_not_found")


def test_fields_that_are_not_given_get_their_defaults(client: FlaskClient) -> None:
    product = create_product(client, "a", id=77, created_at="2000-01-01", unknown=1)
    assert (product["name"], product["description"], product["active"]) == ("", "", True)
    assert product["id"] != 77
    assert product["created_at"] > "2020"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["sku"]),
        ({"sku": ""}, ["sku"]),
        ({"sku": " \t\u00a0"}, ["sku"]),
        ({"sku": None}, ["sku"]),
        ({"sku": 5}, ["sku"]),
        ({"sku": "x" * 256}, ["sku"]),
        ({"sku": "a\0"}, ["sku"]),
        ({"sku": "a\ud800"}, ["sku"]),
        ({"sku": "a", "name": "x" * 501, "description": ["x"], "active": "true"}, ["name", "description", "active"]),
        ({"sku": "a", "active": None}, ["active"]),
        ({"sku": "a", "active": 1}, ["active"]),
        ({"sku": "a", "description": "\0"}, ["description"]),
    ],
    ids=str,
)
def test_an_invalid_product_is_refused_with_its_invalid_fields(
    client: FlaskClient, body: dict[str, Any], fields: list[str]
) -> None:
    read_error(client.post("/api/products", json=body), 400, "invalid_product", *fields)
    if "sku" in body:
        product = create_product(client, "b")
        read_error(client.put(f"/api/products/{product['id']}", json=body), 400, "invalid_product", *fields)
        assert read_json(client.get(f"/api/products/{product['id']}")) == product


def test_a_duplicate_sku_is_a_conflict_in_any_case(client: FlaskClient) -> None:
    create_product(client, "ab")
    other = create_product(client, "c")
    assert "AB" in read_error(client.post("/api/products", json={"sku": "AB "}), 409, "duplicate_sku", "sku")
    read_error(client.put(f"/api/products/{other['id']}", json={"sku": "Ab"}), 409, "duplicate_sku", "sku")
    assert list_skus(client) == ["ab", "c"]


def test_one_of_many_concurrent_requests_creates_a_product(app: Flask) -> None:
    start = threading.Barrier(8)
    statuses: list[int] = []

    def post(sku: str) -> None:
        start.wait(START_SECONDS)
        statuses.append(app.test_client().post("/api/products", json={"sku": sku}).status_code)

    with Threads() as threads:
        for number in range(8):
            threads.start(post, "Same" if number % 2 else "sAME")
    assert sorted(statuses) == [201] + [409] * 7
    assert len(list_skus(app.test_client())) == 1


def test_a_change_is_returned_even_if_the_product_is_deleted_right_after_it(
    app: Flask, client: FlaskClient, settings: config.Settings
) -> None:
    def delete_all(_session: object) -> None:
        execute(settings.database_url, "DELETE FROM products")

    with app.app_context():
        event.listen(db.session, "after_commit", delete_all)
        try:
            assert create_product(client, "a")["sku"] == "a"
            execute(settings.database_url, "INSERT INTO products (sku) VALUES ('b')")
            (product_id,) = execute(settings.database_url, "SELECT id FROM products")[0]
            assert read_json(client.put(f"/api/products/{product_id}", json={"name": "n"}))["name"] == "n"
        finally:
            event.remove(db.session, "after_commit", delete_all)


def test_an_unknown_id_of_any_size_is_not_found(client: FlaskClient) -> None:
    for number in ("0", "99999999", str(2**63), "9" * 100):
        read_error(client.get(f"/api/products/{number}"), 404, "product_not_found")
        read_error(client.delete(f"/api/products/{number}"), 404, "product_not_found")
