"""The REST API: errors, products, lists of imports, health."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

import api.health
import celery_app
import config
from importer.pipeline.runner import ImportRunner
from models import db
from support.database import execute
from support.jobs import run_import

PRODUCT_FIELDS = ["id", "sku", "name", "description", "active", "created_at", "updated_at"]


def failed(response: TestResponse, status: int, code: str, *fields: str) -> str:
    """Checks that an answer is an error in the one shape that all have; returns its sentence."""
    assert (response.status_code, response.mimetype) == (status, "application/json")
    body = response.json
    assert body is not None
    assert set(body) == {"error", "code", "status", *(["fields"] if fields else [])}
    assert (body["status"], body["code"]) == (status, code)
    assert body["error"].endswith(".")
    assert "Traceback" not in response.text
    assert list(body.get("fields", {})) == list(fields)
    assert all(
        sentences and all(text.endswith(".") for text in sentences) for sentences in body.get("fields", {}).values()
    )
    return str(body["error"])


def answered(response: TestResponse, status: int = 200) -> Any:
    """Checks the status of an answer; returns its body."""
    assert response.status_code == status, response.text
    return response.json


def create(client: FlaskClient, sku: str, **values: Any) -> Any:
    return answered(client.post("/api/products", json={"sku": sku, **values}), 201)


def skus(client: FlaskClient, **parameters: Any) -> list[str]:
    return [row["sku"] for row in answered(client.get("/api/products", query_string=parameters))["products"]]


# Errors.


def test_every_error_has_one_shape(app: Flask, client: FlaskClient) -> None:
    def broken() -> str:
        raise RuntimeError("a secret of the inside")

    app.add_url_rule("/api/broken", view_func=broken)
    for path in ("/api", "/api/", "/api/nothing", "/api/products/x", "/api/products/-1", "/api/upload/progress/"):
        failed(client.get(path), 404, "not_found")
    response = client.patch("/api/products")
    assert "PATCH" in failed(response, 405, "method_not_allowed")
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
    failed(client.get("/api/upload"), 405, "method_not_allowed")
    failed(client.post("/api/products", data="sku=a"), 415, "unsupported_media_type")
    failed(client.post("/api/products", data="{", content_type="application/json"), 400, "bad_request")
    failed(client.post("/api/products", data=b"\xff", content_type="application/json"), 400, "bad_request")
    assert "secret" not in failed(client.get("/api/broken"), 500, "internal_error")
    sentence = failed(client.post("/api/products", json={"sku": "a" * 1_100_000}), 413, "too_large")
    assert "file" not in sentence
    assert answered(client.get("/api/products"))["pagination"]["total"] == 0


def test_json_nested_without_end_is_a_bad_request(client: FlaskClient) -> None:
    body = '{"sku":' + "[" * 200_000
    failed(client.post("/api/products", data=body, content_type="application/json"), 400, "bad_request")


def test_a_database_that_is_away_is_503(app: Flask, client: FlaskClient, settings: config.Settings) -> None:
    name = settings.database_url.partition("?")[0].rpartition("/")[2]
    answered(client.get("/api/products"))
    with app.app_context():
        db.engine.dispose()
    server = settings.database_url.replace(name, "postgres")
    execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        failed(client.get("/api/products"), 503, "unavailable")
        failed(client.get("/api/imports"), 503, "unavailable")
        health = answered(client.get("/api/health"), 503)
        assert (health["status"], health["database"], health["worker"]) == ("unhealthy", "down", "unknown")
    finally:
        execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    answered(client.get("/api/products"))


# Products.


def test_a_product_is_created_read_changed_and_deleted(client: FlaskClient) -> None:
    before = datetime.now(UTC).isoformat()
    product = create(client, " A-1 ", name="Lamp\n", description=" big ", active=False)
    assert list(product) == PRODUCT_FIELDS
    assert [product[name] for name in PRODUCT_FIELDS[1:5]] == ["A-1", "Lamp\n", " big ", False]
    assert before < product["created_at"] == product["updated_at"]
    assert product["created_at"].endswith("Z")
    path = f"/api/products/{product['id']}"
    assert answered(client.get(path)) == product

    changed = answered(client.put(path, json={"name": "Lamp", "sku": "a-1"}))
    assert changed == {**product, "name": "Lamp", "sku": "a-1", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > product["updated_at"]
    assert answered(client.put(path, json={"sku": "a-1 ", "active": False})) == changed
    assert answered(client.put(path, json={})) == changed

    assert list(answered(client.delete(path))) == ["message"]
    for response in (client.get(path), client.put(path, json={}), client.delete(path)):
        failed(response, 404, "product_not_found")


def test_what_is_not_given_gets_its_default(client: FlaskClient) -> None:
    product = create(client, "a", id=77, created_at="2000-01-01", unknown=1)
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
def test_an_unusable_product_is_refused_with_the_fields_to_blame(
    client: FlaskClient, body: dict[str, Any], fields: list[str]
) -> None:
    failed(client.post("/api/products", json=body), 400, "invalid_product", *fields)
    if "sku" in body:
        product = create(client, "b")
        failed(client.put(f"/api/products/{product['id']}", json=body), 400, "invalid_product", *fields)
        assert answered(client.get(f"/api/products/{product['id']}")) == product


@pytest.mark.parametrize("body", ["[]", "null", '"a"', "5"])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: str) -> None:
    failed(client.post("/api/products", data=body, content_type="application/json"), 400, "invalid_body")


def test_a_sku_that_exists_is_a_conflict(client: FlaskClient) -> None:
    create(client, "ab")
    other = create(client, "c")
    assert "AB" in failed(client.post("/api/products", json={"sku": "AB "}), 409, "duplicate_sku", "sku")
    failed(client.put(f"/api/products/{other['id']}", json={"sku": "Ab"}), 409, "duplicate_sku", "sku")
    assert skus(client) == ["ab", "c"]


def test_of_many_who_create_a_product_at_once_one_succeeds(app: Flask) -> None:
    start = threading.Barrier(8)
    statuses: list[int] = []

    def post(number: int) -> None:
        client = app.test_client()
        start.wait(30)
        statuses.append(client.post("/api/products", json={"sku": "Same" if number % 2 else "sAME"}).status_code)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [409] * 7
    assert len(skus(app.test_client())) == 1


def test_a_change_is_answered_although_the_product_is_deleted_right_behind_it(
    app: Flask, client: FlaskClient, settings: config.Settings
) -> None:
    def delete_all(_session: object) -> None:
        execute(settings.database_url, "DELETE FROM products")

    with app.app_context():
        event.listen(db.session, "after_commit", delete_all)
        try:
            product = create(client, "a")
            assert product["sku"] == "a"
            execute(settings.database_url, "INSERT INTO products (sku) VALUES ('b')")
            (number,) = execute(settings.database_url, "SELECT id FROM products")[0]
            assert answered(client.put(f"/api/products/{number}", json={"name": "n"}))["name"] == "n"
        finally:
            event.remove(db.session, "after_commit", delete_all)


def test_an_id_of_any_size_is_only_not_found(client: FlaskClient) -> None:
    for number in ("0", "99999999", str(2**63), "9" * 100):
        failed(client.get(f"/api/products/{number}"), 404, "product_not_found")
        failed(client.delete(f"/api/products/{number}"), 404, "product_not_found")


def test_products_come_in_pages(client: FlaskClient, runner: ImportRunner) -> None:
    nothing = {"page": 1, "per_page": 50, "total": 0, "pages": 0, "next": None, "total_is_estimate": False}
    assert answered(client.get("/api/products")) == {"products": [], "pagination": nothing}
    run_import(runner, "sku\n" + "".join(f"{number:03}\n" for number in range(120)))
    seen: list[str] = []
    for page in (1, 2, 3):
        body = answered(client.get("/api/products", query_string={"page": page, "sort_by": "sku"}))
        pagination = {**body["pagination"], "next": None}
        assert pagination == {**nothing, "page": page, "total": 120, "pages": 3}
        assert (body["pagination"]["next"] is None) == (page == 3)
        seen += [product["sku"] for product in body["products"]]
    assert seen == [f"{number:03}" for number in range(120)]
    assert skus(client, page=4) == []
    assert skus(client, page=10**12, per_page=500) == []
    assert len(skus(client, per_page=500)) == 120


def test_products_come_in_pages_by_cursor(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, "sku,name\n" + "".join(f"{number:03},same\n" for number in range(25)))
    for order in ({}, {"sort_by": "name"}, {"sort_by": "created_at", "sort_order": "desc"}, {"sort_by": "active"}):
        wanted = {"name": "SAME", "per_page": 10, **order}
        everything = skus(client, **{**wanted, "per_page": 500})
        seen: list[str] = []
        after: dict[str, str] = {}
        for number in (1, 2, 3):
            # The number of the page counts for nothing beside a cursor.
            body = answered(client.get("/api/products", query_string={**wanted, "page": 1, **after}))
            seen += [product["sku"] for product in body["products"]]
            assert body["pagination"]["page"] == number
            after = {"after": body["pagination"]["next"]}
        assert seen == everything
        assert after == {"after": None}
    first = answered(client.get("/api/products?per_page=1"))["pagination"]["next"]
    failed(client.get(f"/api/products?sort_by=sku&after={first}"), 400, "invalid_parameter", "after")
    failed(client.get(f"/api/products?sort_order=desc&after={first}"), 400, "invalid_parameter", "after")


def test_the_total_is_exact_when_asked_for(client: FlaskClient) -> None:
    create(client, "a")
    pagination = answered(client.get("/api/products?total=exact"))["pagination"]
    assert (pagination["total"], pagination["total_is_estimate"]) == (1, False)


def test_filters_match_what_contains_them_and_all_of_them_must(client: FlaskClient) -> None:
    create(client, "A_1%", name="Ä lamp", description="two\nlines", active=False)
    create(client, "AB12", name="lamp", description="50% off \\ /x")
    create(client, "c", name="A chair")
    assert skus(client, sku="a") == ["A_1%", "AB12"]
    assert skus(client, sku="_") == skus(client, sku="1%") == ["A_1%"]
    assert skus(client, description="%") == skus(client, description="\\") == skus(client, description="/X") == ["AB12"]
    assert skus(client, name="ä LAMP") == ["A_1%"]
    assert skus(client, name="lamp", active="true") == ["AB12"]
    assert skus(client, active="FALSE") == ["A_1%"]
    assert skus(client, name="lamp", sku="c") == []
    assert skus(client, q="A") == ["A_1%", "AB12", "c"]
    assert skus(client, q="LINES") == ["A_1%"]
    assert skus(client, sku="", name=" ", active="") == ["A_1%", "AB12", "c"]
    assert skus(client, sku="'; DROP TABLE products; --") == []
    assert skus(client, sku="x" * 3000) == []


def test_products_are_sorted_as_asked(client: FlaskClient) -> None:
    for sku, name, active in (("b", "x", True), ("a", "y", False), ("c", "x", True)):
        create(client, sku, name=name, active=active)
    assert skus(client) == ["b", "a", "c"]
    assert skus(client, sort_order="desc") == ["c", "a", "b"]
    assert skus(client, sort_by="sku") == ["a", "b", "c"]
    assert skus(client, sort_by="name") == ["b", "c", "a"]
    assert skus(client, sort_by="name", sort_order="desc") == ["a", "c", "b"]
    assert skus(client, sort_by="active") == ["a", "b", "c"]
    assert skus(client, sort_by="created_at", sort_order="desc") == ["c", "a", "b"]
    assert skus(client, sort_by="updated_at") == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("page", value) for value in ("0", "-1", "x", "1.5", "٣", "1e3", str(10**13), "9" * 5000)),
        *(("per_page", value) for value in ("0", "501", "all")),
        ("sort_by", "password"),
        ("sort_by", "id; DROP TABLE products"),
        ("sort_order", "up"),
        ("active", "maybe"),
        ("sku", "a\0b"),
        ("q", "\0"),
        ("total", "1"),
        ("after", "x"),
        ("after", "\0"),
        ("after", "ł" * 500),
    ],
)
def test_an_unusable_parameter_is_named(client: FlaskClient, name: str, value: str) -> None:
    failed(client.get("/api/products", query_string={name: value}), 400, "invalid_parameter", name)
    if name in {"page", "per_page"}:
        failed(client.get("/api/imports", query_string={name: value}), 400, "invalid_parameter", name)


def test_a_parameter_counts_once_and_only_with_a_value(client: FlaskClient) -> None:
    create(client, "a")
    names = ("q", "sku", "name", "active", "page", "per_page", "after", "sort_by", "sort_order", "total", "unknown")
    assert skus(client, **dict.fromkeys(names, "")) == ["a"]
    for name in ("sku", "page", "active"):
        failed(client.get(f"/api/products?{name}=1&{name}="), 400, "invalid_parameter", name)
    failed(client.get("/api/imports?page=1&page=1"), 400, "invalid_parameter", "page")
    failed(client.get("/api/products?page=x&active=x"), 400, "invalid_parameter", "active", "page")


def test_a_query_that_is_no_utf_8_finds_nothing(client: FlaskClient) -> None:
    create(client, "a")
    assert answered(client.get("/api/products?sku=%ff%fe"))["products"] == []


# Imports.


def test_imports_are_listed_newest_first(client: FlaskClient, runner: ImportRunner) -> None:
    for content in ("sku\na\n", "name\n", "sku\nb\n"):
        run_import(runner, content)
    body = answered(client.get("/api/imports"))
    assert [job["status"] for job in body["imports"]] == ["completed", "failed", "completed"]
    assert [job["id"] for job in body["imports"]] == sorted((job["id"] for job in body["imports"]), reverse=True)
    assert body["pagination"] == {"page": 1, "per_page": 50, "total": 3, "pages": 1}
    assert body["imports"][1]["error_message"].endswith(".")
    task_id = body["imports"][0]["task_id"]
    assert body["imports"][0] == answered(client.get(f"/api/upload/progress/{task_id}"))
    assert body["imports"][0].items() <= answered(client.get(f"/api/imports/{task_id}")).items()
    second = answered(client.get("/api/imports?per_page=1&page=2"))
    assert second["imports"] == body["imports"][1:2]
    assert answered(client.get("/api/imports?status=failed"))["imports"] == body["imports"][1:2]
    assert answered(client.get("/api/imports?status=pending"))["imports"] == []
    failed(client.get("/api/imports?status=lost"), 400, "invalid_parameter", "status")


def test_rejects_are_listed_in_the_order_of_the_file(client: FlaskClient, runner: ImportRunner) -> None:
    job = run_import(runner, "sku,name\n" + "".join(f",{number}\n" for number in range(70)) + 'a,"b"c\n')
    path = f"/api/imports/{job['task_id']}/rejects"
    body = answered(client.get(path))
    assert body["pagination"] == {"page": 1, "per_page": 50, "total": 71, "pages": 2}
    assert body["rejects"][0] == {"line": 2, "code": "missing_sku", "message": "The row has no SKU.", "row": ",0"}
    more = answered(client.get(path, query_string={"page": 2}))["rejects"]
    assert [row["line"] for row in body["rejects"] + more] == list(range(2, 73))
    assert (more[-1]["code"], more[-1]["row"]) == ("bad_quoting", 'a,"b"c')
    failed(client.get(path, query_string={"per_page": "0"}), 400, "invalid_parameter", "per_page")


@pytest.mark.parametrize("task_id", [str(uuid.UUID(int=0)), "1", "x", "null", "%00", "a" * 2000])
def test_an_import_that_is_unknown_is_not_found(client: FlaskClient, task_id: str) -> None:
    for path in ("upload/progress/{}", "upload/progress/{}/stream", "imports/{}", "imports/{}/rejects"):
        failed(client.get("/api/" + path.format(task_id)), 404, "import_not_found")


# Health.


def test_health_says_which_part_is_down(
    client: FlaskClient, settings: config.Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.health, "celery", celery_app.create_celery(settings))
    body = answered(client.get("/api/health"), 503)
    assert body == {"status": "unhealthy", "database": "up", "broker": "up", "worker": "down"}
    execute(settings.database_url, "INSERT INTO workers (name) VALUES ('one')")
    body = answered(client.get("/api/health"))
    assert body == {"status": "healthy", "database": "up", "broker": "up", "worker": "up"}
    execute(settings.database_url, "UPDATE workers SET seen_at = now() - interval '1 hour'")
    assert answered(client.get("/api/health"), 503)["worker"] == "down"
    away = config.load({"CELERY_BROKER_URL": "amqp://guest@127.0.0.1:1//"})
    monkeypatch.setattr(api.health, "celery", celery_app.create_celery(away))
    assert answered(client.get("/api/health"), 503)["broker"] == "down"
