"""Two people, one product: ETag and If-Match, and what happens at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from test_api import answered, create, failed

from support.database import execute
from support.processes import Processes
from support.waiting import wait_for

AT_ONCE = 12
OTHER = '"2026-11-24T04:00:00.123456Z"'


@pytest.fixture
def product(client: FlaskClient) -> Any:
    return create(client, "A-1", name="Lamp")


@pytest.fixture
def path(product: Any) -> str:
    return f"/api/products/{product['id']}"


def quoted(product: Any) -> str:
    return f'"{product["updated_at"]}"'


def test_the_etag_of_a_product_is_its_updated_at_wherever_it_is_seen(client: FlaskClient) -> None:
    created = client.post("/api/products", json={"sku": "a"})
    product = answered(created, 201)
    path = f"/api/products/{product['id']}"
    listed = answered(client.get("/api/products"))["products"][0]
    assert created.headers["ETag"] == client.get(path).headers["ETag"] == quoted(product) == quoted(listed)
    changed = client.put(path, json={"name": "b"})
    assert changed.headers["ETag"] == quoted(answered(changed)) != quoted(product)
    assert client.put(path, json={"name": "b"}).headers["ETag"] == changed.headers["ETag"]


def test_a_product_that_is_known_is_not_sent_again(client: FlaskClient, product: Any, path: str) -> None:
    for known in (quoted(product), f"W/{quoted(product)}", f"{OTHER}, {quoted(product)}", "*"):
        response = client.get(path, headers={"If-None-Match": known})
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == quoted(product)
    for other in (OTHER, '""', ""):
        assert answered(client.get(path, headers={"If-None-Match": other})) == product
    failed(client.get("/api/products/99", headers={"If-None-Match": "*"}), 404, "product_not_found")


def test_who_comes_second_overwrites_nothing(client: FlaskClient, product: Any, path: str) -> None:
    mine = {"If-Match": quoted(product)}
    changed = answered(client.put(path, json={"name": "First"}, headers=mine))
    for response in (client.put(path, json={"name": "Second"}, headers=mine), client.delete(path, headers=mine)):
        assert "Load it again" in failed(response, 412, "precondition_failed")
    assert answered(client.get(path)) == changed
    assert (
        answered(client.put(path, json={"name": "Second"}, headers={"If-Match": quoted(changed)}))["name"] == "Second"
    )


@pytest.mark.parametrize("form", ["{}", "W/{}", f"{OTHER}, {{}}", f"W/{OTHER},W/{{}}", "*"])
def test_if_match_holds_in_every_form_of_the_etag(client: FlaskClient, product: Any, path: str, form: str) -> None:
    headers = {"If-Match": form.format(quoted(product))}
    assert answered(client.put(path, json={}, headers=headers)) == product
    answered(client.delete(path, headers=headers))


@pytest.mark.parametrize("value", [OTHER, f"W/{OTHER}", '"x", "y"', "", "nonsense", ",,"])
def test_if_match_that_does_not_hold_changes_nothing(client: FlaskClient, product: Any, path: str, value: str) -> None:
    failed(client.put(path, json={"name": "x"}, headers={"If-Match": value}), 412, "precondition_failed")
    failed(client.delete(path, headers={"If-Match": value}), 412, "precondition_failed")
    assert answered(client.get(path)) == product


def test_what_is_wrong_besides_comes_before_the_condition(client: FlaskClient, path: str) -> None:
    stale = {"If-Match": OTHER}
    failed(client.put(path, json={"sku": ""}, headers=stale), 400, "invalid_product", "sku")
    failed(client.put("/api/products/99", json={}, headers={"If-Match": "*"}), 404, "product_not_found")


# At the same moment, against the real server.


@pytest.fixture
def url(processes: Processes, free_port: int) -> str:
    address = f"http://127.0.0.1:{free_port}/api/products"
    processes.start_web(free_port)

    def ready() -> bool:
        try:
            return requests.get(address, timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    wait_for("the web process", ready)
    return address


def statuses_of(request: Callable[[int], requests.Response]) -> list[int]:
    """Sends many requests at the same moment; returns their statuses in order."""
    start = threading.Barrier(AT_ONCE)
    statuses: list[int] = []

    def send(number: int) -> None:
        start.wait(30)
        statuses.append(request(number).status_code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(statuses)


@pytest.mark.parametrize("sku", ["Same", "Ärger"])
def test_of_many_who_create_one_sku_at_once_one_succeeds(url: str, database_url: str, sku: str) -> None:
    spellings = [sku, sku.upper(), sku.lower()]
    statuses = statuses_of(lambda number: requests.post(url, json={"sku": spellings[number % 3]}, timeout=60))
    assert statuses == [201] + [409] * (AT_ONCE - 1)
    assert execute(database_url, "SELECT count(*) FROM products") == [(1,)]


def test_of_many_who_change_one_version_at_once_one_succeeds(url: str, database_url: str) -> None:
    product = requests.post(url, json={"sku": "a"}, timeout=60).json()
    path, headers = f"{url}/{product['id']}", {"If-Match": quoted(product)}

    statuses = statuses_of(lambda number: requests.put(path, json={"name": f"{number}"}, headers=headers, timeout=60))
    assert statuses == [200] + [412] * (AT_ONCE - 1)

    headers["If-Match"] = quoted(requests.get(path, timeout=60).json())

    def change_or_delete(number: int) -> requests.Response:
        if number % 2:
            return requests.delete(path, headers=headers, timeout=60)
        return requests.put(path, json={"name": "last"}, headers=headers, timeout=60)

    statuses = statuses_of(change_or_delete)
    # Whoever comes behind a change gets 412, behind a deletion 404.
    assert statuses[0] == 200
    assert set(statuses[1:]) in ({404}, {412})
    assert execute(database_url, "SELECT count(*) FROM products") == [(int(statuses[1] == 412),)]


def test_of_many_who_change_different_products_to_one_sku_one_succeeds(url: str) -> None:
    ids = [requests.post(url, json={"sku": f"{number}"}, timeout=60).json()["id"] for number in range(AT_ONCE)]
    statuses = statuses_of(lambda number: requests.put(f"{url}/{ids[number]}", json={"sku": "x"}, timeout=60))
    assert statuses == [200] + [409] * (AT_ONCE - 1)
