"""SKUs that look the same are the same product, in the API, in searches and in imports."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import create_product, list_skus, read_error, read_json
from support.database import execute
from support.imports import upload_and_run
from support.jobs import read_products

SPELLINGS = ["\u200bAB-1", "A\u00adB-1", "AB-1\u200e", "\ufeffAB\u2060-1", "\u00a0\u200bab-1\u200b\u3000"]


@pytest.mark.parametrize("sku", SPELLINGS)
def test_a_sku_with_invisible_characters_is_the_same_sku(client: FlaskClient, sku: str) -> None:
    product = create_product(client, "AB-1")
    read_error(client.post("/api/products", json={"sku": sku}), 409, "duplicate_sku", "sku")
    other = create_product(client, "other")
    path = f"/api/products/{other['id']}"
    read_error(client.put(path, json={"sku": sku}), 409, "duplicate_sku", "sku")
    changed = read_json(client.put(f"/api/products/{product['id']}", json={"sku": sku, "name": "n"}))
    assert changed["sku"].lower() == "ab-1"
    assert list_skus(client, sku=sku) == [changed["sku"]]
    assert list_skus(client, q=sku) == [changed["sku"]]


def test_a_sku_is_stored_in_nfc_and_found_in_any_form(client: FlaskClient) -> None:
    assert create_product(client, "e\u03011")["sku"] == "\u00e91"
    read_error(client.post("/api/products", json={"sku": "\u00c91"}), 409, "duplicate_sku", "sku")
    assert list_skus(client, sku="E\u0301") == list_skus(client, q="e\u03011") == ["\u00e91"]


def test_a_search_for_invisible_characters_finds_no_sku(client: FlaskClient) -> None:
    create_product(client, "A-1", name="zero\u200bwidth")
    create_product(client, "A-2")
    assert list_skus(client, q="\u200b") == ["A-1"]
    assert list_skus(client, sku="\u200b") == list_skus(client, sku=" \ufeff\u00a0") == []


@pytest.mark.parametrize("sku", ["\u200b", " \ufeff\u00a0"])
def test_a_sku_of_invisible_characters_is_empty(client: FlaskClient, sku: str) -> None:
    read_error(client.post("/api/products", json={"sku": sku}), 400, "invalid_product", "sku")


def test_a_stored_sku_that_could_not_be_cleaned_gets_no_third_product(
    client: FlaskClient, runner: ImportRunner
) -> None:
    """The migration leaves a SKU as it is if another product has the clean one."""
    execute(runner.database_url, "INSERT INTO products (sku) VALUES ('AB-1'), (%s)", ("A\u200bB-1",))
    upload_and_run(client, runner, "sku,name\nA\u200bB-1,imported\n")
    read_error(client.post("/api/products", json={"sku": "A\u200bB-1"}), 409, "duplicate_sku", "sku")
    assert [(sku, name) for sku, name, *_ in read_products(runner.database_url)] == [
        ("AB-1", "imported"),
        ("A\u200bB-1", ""),
    ]
    ((product_id,),) = execute(runner.database_url, "SELECT id FROM products WHERE sku = %s", ("A\u200bB-1",))
    path = f"/api/products/{product_id}"
    # A product can be sent back as it was read, and the SKU can be changed.
    product = read_json(client.get(path))
    assert read_json(client.put(path, json={**product, "name": "n"}))["sku"] == "A\u200bB-1"
    assert read_json(client.put(path, json={"sku": "AB-2"}))["sku"] == "AB-2"
