"""Concurrent edits of a product: ETag, If-Match and If-None-Match, and requests at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

from support.api import create_product, read_error, read_json
from support.database import execute
from support.processes import Processes
from support.threads import Threads
from support.web import REQUEST_SECONDS, WebProcess

CONCURRENT_REQUESTS = 12
START_SECONDS = 30
OTHER_ETAG = '"2026-11-24T04:00:00.123456Z"'


@pytest.fixture
def product(client: FlaskClient) -> Any:
    """A product, as the API returned it."""
    return create_product(client, "A-1", name="Lamp")


@pytest.fixture
def path(product: Any) -> str:
    """The path of the product."""
    return f"/api/products/{product['id']}"


def etag_of(product: Any) -> str:
    """Return the ETag that the API documents for a product."""
    return f'"{product["updated_at"]}"'


def test_the_etag_of_a_product_is_its_quoted_updated_at_in_every_response(client: FlaskClient) -> None:
    creation = client.post("/api/products", json={"sku": "a"})
    product = read_json(creation, 201)
    path = f"/api/products/{product['id']}"
    listed = read_json(client.get("/api/products"))["products"][0]
    assert creation.headers["ETag"] == client.get(path).headers["ETag"] == etag_of(product) == etag_of(listed)
    change = client.put(path, json={"name": "b"})
    assert change.headers["ETag"] == etag_of(read_json(change)) != etag_of(product)
    assert client.put(path, json={"name": "b"}).headers["ETag"] == change.headers["ETag"]


def test_a_current_copy_is_not_sent_again(client: FlaskClient, product: Any, path: str) -> None:
    etag = etag_of(product)
    for etags in (etag, f"W/{etag}", f"{OTHER_ETAG}, {etag}", "*"):
        response = client.get(path, headers={"If-None-Match": etags})
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == etag
    for etags in (OTHER_ETAG, '""', ""):
        assert read_json(client.get(path, headers={"If-None-Match": etags})) == product
    read_error(client.get("/api/products/99", headers={"If-None-Match": "*"}), 404, "product_not_found")


def test_the_second_of_two_edits_overwrites_nothing(client: FlaskClient, product: Any, path: str) -> None:
    stale = {"If-Match": etag_of(product)}
    changed = read_json(client.put(path, json={"name": "First"}, headers=stale))
    for response in (client.put(path, json={"name": "Second"}, headers=stale), client.delete(path, headers=stale)):
        assert "again" in read_error(response, 412, "precondition_failed")
    assert read_json(client.get(path)) == changed
    current = {"If-Match": etag_of(changed)}
    assert read_json(client.put(path, json={"name": "Second"}, headers=current))["name"] == "Second"


@pytest.mark.parametrize("form", ["{}", "W/{}", f"{OTHER_ETAG}, {{}}", f"W/{OTHER_ETAG},W/{{}}", "*"])
def test_if_match_accepts_every_form_of_the_etag(client: FlaskClient, product: Any, path: str, form: str) -> None:
    headers = {"If-Match": form.format(etag_of(product))}
    assert read_json(client.put(path, json={}, headers=headers)) == product
    read_json(client.delete(path, headers=headers))


@pytest.mark.parametrize("value", [OTHER_ETAG, f"W/{OTHER_ETAG}", '"x", "y"', "", "nonsense", ",,"])
def test_nothing_changes_if_if_match_does_not_match(client: FlaskClient, product: Any, path: str, value: str) -> None:
    read_error(client.put(path, json={"name": "x"}, headers={"If-Match": value}), 412, "precondition_failed")
    read_error(client.delete(path, headers={"If-Match": value}), 412, "precondition_failed")
    assert read_json(client.get(path)) == product


def test_other_errors_take_precedence_over_if_match(client: FlaskClient, path: str) -> None:
    stale = {"If-Match": OTHER_ETAG}
    read_error(client.put(path, json={"sku": ""}, headers=stale), 400, "invalid_product", "sku")
    read_error(client.put("/api/products/99", json={}, headers={"If-Match": "*"}), 404, "product_not_found")


# Requests at the same time, to a real server.


@pytest.fixture
def url(processes: Processes, free_port: int) -> str:
    """The URL of the products of a web process."""
    web = WebProcess(processes, free_port)
    web.start()
    return f"{web.api_url}/products"


def send_at_once(send: Callable[[int], requests.Response]) -> list[int]:
    """Call `send` with the numbers from 0 in as many threads at once; return the statuses, sorted."""
    start = threading.Barrier(CONCURRENT_REQUESTS)
    statuses: list[int] = []

    def run(number: int) -> None:
        start.wait(START_SECONDS)
        statuses.append(send(number).status_code)

    with Threads() as threads:
        for number in range(CONCURRENT_REQUESTS):
            threads.start(run, number)
    return sorted(statuses)


def create(url: str, sku: str) -> Any:
    """Create a product through the web process and return it."""
    return requests.post(url, json={"sku": sku}, timeout=REQUEST_SECONDS).json()


@pytest.mark.parametrize("sku", ["Same", "Ärger"])
def test_one_of_many_concurrent_requests_creates_a_sku(url: str, database_url: str, sku: str) -> None:
    spellings = [sku, sku.upper(), sku.lower()]
    statuses = send_at_once(
        lambda number: requests.post(url, json={"sku": spellings[number % 3]}, timeout=REQUEST_SECONDS)
    )
    assert statuses == [201] + [409] * (CONCURRENT_REQUESTS - 1)
    assert execute(database_url, "SELECT count(*) FROM products") == [(1,)]


def test_one_of_many_concurrent_requests_changes_a_version(url: str, database_url: str) -> None:
    product = create(url, "a")
    path, headers = f"{url}/{product['id']}", {"If-Match": etag_of(product)}

    def change(number: int) -> requests.Response:
        return requests.put(path, json={"name": f"{number}"}, headers=headers, timeout=REQUEST_SECONDS)

    assert send_at_once(change) == [200] + [412] * (CONCURRENT_REQUESTS - 1)

    headers["If-Match"] = etag_of(requests.get(path, timeout=REQUEST_SECONDS).json())

    def change_or_delete(number: int) -> requests.Response:
        if number % 2:
            return requests.delete(path, headers=headers, timeout=REQUEST_SECONDS)
        return requests.put(path, json={"name": "last"}, headers=headers, timeout=REQUEST_SECONDS)

    statuses = send_at_once(change_or_delete)
    # After a change all others get 412, after a deletion 404.
    assert statuses[0] == 200
    assert set(statuses[1:]) in ({404}, {412})
    assert execute(database_url, "SELECT count(*) FROM products") == [(int(statuses[1] == 412),)]


def test_one_of_many_concurrent_requests_gets_a_sku_for_its_product(url: str) -> None:
    ids = [create(url, f"{number}")["id"] for number in range(CONCURRENT_REQUESTS)]
    statuses = send_at_once(
        lambda number: requests.put(f"{url}/{ids[number]}", json={"sku": "x"}, timeout=REQUEST_SECONDS)
    )
    assert statuses == [200] + [409] * (CONCURRENT_REQUESTS - 1)
