"""The list of products: filters, sorting, pages and page tokens, and invalid parameters."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import create_product, list_skus, read_error, read_json
from support.jobs import run_import

EMPTY_PAGE = {"page": 1, "per_page": 50, "total": 0, "pages": 0, "next": None, "total_is_estimate": False}
PARAMETERS = ("q", "sku", "name", "active", "page", "per_page", "after", "sort_by", "sort_order", "total", "unknown")


def test_products_are_listed_in_numbered_pages(client: FlaskClient, runner: ImportRunner) -> None:
    assert read_json(client.get("/api/products")) == {"products": [], "pagination": EMPTY_PAGE}
    run_import(runner, "sku\n" + "".join(f"{number:03}\n" for number in range(120)))
    listed: list[str] = []
    for page in (1, 2, 3):
        body = read_json(client.get("/api/products", query_string={"page": page, "sort_by": "sku"}))
        pagination = {**body["pagination"], "next": None}
        assert pagination == {**EMPTY_PAGE, "page": page, "total": 120, "pages": 3}
        assert (body["pagination"]["next"] is None) == (page == 3)
        listed += [product["sku"] for product in body["products"]]
    assert listed == [f"{number:03}" for number in range(120)]
    assert list_skus(client, page=4) == []
    assert list_skus(client, page=10**12, per_page=500) == []
    assert len(list_skus(client, per_page=500)) == 120


def test_page_tokens_lead_through_all_products(client: FlaskClient, runner: ImportRunner) -> None:
    run_import(runner, "sku,name\n" + "".join(f"{number:03},same\n" for number in range(25)))
    for sorting in ({}, {"sort_by": "name"}, {"sort_by": "created_at", "sort_order": "desc"}, {"sort_by": "active"}):
        query = {"name": "SAME", "per_page": 10, **sorting}
        listed: list[str] = []
        token: dict[str, str] = {}
        for number in (1, 2, 3):
            # A page token takes precedence over the page number.
            body = read_json(client.get("/api/products", query_string={**query, "page": 1, **token}))
            listed += [product["sku"] for product in body["products"]]
            assert body["pagination"]["page"] == number
            token = {"after": body["pagination"]["next"]}
        assert listed == list_skus(client, **{**query, "per_page": 500})
        assert token == {"after": None}


def test_a_page_token_is_invalid_with_another_sorting(client: FlaskClient) -> None:
    create_product(client, "a")
    create_product(client, "b")
    token = read_json(client.get("/api/products?per_page=1"))["pagination"]["next"]
    assert list_skus(client, after=token) == ["b"]
    read_error(client.get(f"/api/products?sort_by=sku&after={token}"), 400, "invalid_parameter", "after")
    read_error(client.get(f"/api/products?sort_order=desc&after={token}"), 400, "invalid_parameter", "after")


def test_the_total_is_exact_on_request(client: FlaskClient) -> None:
    create_product(client, "a")
    pagination = read_json(client.get("/api/products?total=exact"))["pagination"]
    assert (pagination["total"], pagination["total_is_estimate"]) == (1, False)


def test_products_must_contain_every_filter(client: FlaskClient) -> None:
    create_product(client, "A_1%", name="Ä lamp", description="two\nlines", active=False)
    create_product(client, "AB12", name="lamp", description="50% off \\ /x")
    create_product(client, "c", name="A chair")
    assert list_skus(client, sku="a") == ["A_1%", "AB12"]
    assert list_skus(client, sku="_") == list_skus(client, sku="1%") == ["A_1%"]
    for text in ("%", "\\", "/X"):
        assert list_skus(client, description=text) == ["AB12"]
    assert list_skus(client, name="ä LAMP") == ["A_1%"]
    assert list_skus(client, name="lamp", active="true") == ["AB12"]
    assert list_skus(client, active="FALSE") == ["A_1%"]
    assert list_skus(client, name="lamp", sku="c") == []
    assert list_skus(client, q="A") == ["A_1%", "AB12", "c"]
    assert list_skus(client, q="LINES") == ["A_1%"]
    assert list_skus(client, sku="", name=" ", active="") == ["A_1%", "AB12", "c"]
    assert list_skus(client, sku="'; DROP TABLE products; --") == []
    assert list_skus(client, sku="x" * 3000) == []


def test_a_query_finds_words_in_any_field_and_leaves_words_out(client: FlaskClient) -> None:
    create_product(client, "OAK-1", name="Massey, Robin", description='5" tube of dark wood')
    create_product(client, "ELM-2", name="Robin Massey", description="t-shirt, 100% wool")
    create_product(client, "ASH-3", name="Robin", description="dark oak")
    found = {
        "massey robin": ["OAK-1", "ELM-2"],
        "ROBIN oak": ["OAK-1", "ASH-3"],
        '"robin massey"': ["ELM-2"],
        "robin -massey": ["ASH-3"],
        'robin -"dark wood"': ["ELM-2", "ASH-3"],
        "-massey": ["ASH-3"],
        '5" oak': ["OAK-1"],
        "t-shirt": ["ELM-2"],
        "-t-shirt dark": ["OAK-1", "ASH-3"],
        '"-shirt"': ["ELM-2"],
        "robin - massey": ["OAK-1", "ELM-2"],
        "massey, rob": ["OAK-1"],
        "0% _": [],
        "-": ["OAK-1", "ELM-2", "ASH-3"],
        '"': ["OAK-1"],
        '""': [],
        '"dark wo': ["OAK-1"],
        "rob robin Robin": ["OAK-1", "ELM-2", "ASH-3"],
        "robin -rob": [],
        "a s h": ["ELM-2", "ASH-3"],
        "oa\u200bk 1": ["OAK-1"],
        "ash\u200b-3": ["ASH-3"],
        "-ash\u200b-3": ["OAK-1", "ELM-2"],
    }
    for text, skus in found.items():
        assert list_skus(client, q=text) == skus, text
    assert list_skus(client, name="massey robin") == ["OAK-1", "ELM-2"]
    assert list_skus(client, name='"massey, robin"') == ["OAK-1"]
    assert list_skus(client, name="robin oak") == []
    assert list_skus(client, sku="-3") == ["ASH-3"]
    assert list_skus(client, q="dark", sku="1 a") == ["OAK-1"]


def test_a_search_has_a_limited_number_of_words(client: FlaskClient) -> None:
    create_product(client, "a")
    words = " ".join(f"word{number}" for number in range(100))
    for name in ("q", "sku", "name", "description"):
        message = read_error(client.get("/api/products", query_string={name: words}), 400, "invalid_parameter", name)
        assert message.startswith(f"{name} has 100 words and quoted texts; at most 20 are allowed.")
        body = {"action": "delete", "filter": {name: words}}
        read_error(client.post("/api/products/bulk", json=body), 400, "invalid_bulk", f"filter.{name}")
    assert list_skus(client, q=f'"{words}"') == list_skus(client, q=" ".join(words.split()[:20])) == []
    assert list_skus(client, q="a " * 100) == ["a"]


def test_products_are_sorted_as_requested(client: FlaskClient) -> None:
    for sku, name, active in (("b", "x", True), ("a", "y", False), ("c", "x", True)):
        create_product(client, sku, name=name, active=active)
    assert list_skus(client) == ["b", "a", "c"]
    assert list_skus(client, sort_order="desc") == ["c", "a", "b"]
    assert list_skus(client, sort_by="sku") == ["a", "b", "c"]
    assert list_skus(client, sort_by="name") == ["b", "c", "a"]
    assert list_skus(client, sort_by="name", sort_order="desc") == ["a", "c", "b"]
    assert list_skus(client, sort_by="active") == ["a", "b", "c"]
    assert list_skus(client, sort_by="created_at", sort_order="desc") == ["c", "a", "b"]
    assert list_skus(client, sort_by="updated_at") == ["b", "a", "c"]


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
def test_an_invalid_parameter_is_named(client: FlaskClient, name: str, value: str) -> None:
    message = read_error(client.get("/api/products", query_string={name: value}), 400, "invalid_parameter", name)
    assert message.startswith(name)
    if name in {"page", "per_page"}:
        read_error(client.get("/api/imports", query_string={name: value}), 400, "invalid_parameter", name)


def test_every_invalid_parameter_is_named(client: FlaskClient) -> None:
    read_error(client.get("/api/products?page=x&active=x"), 400, "invalid_parameter", "active", "page")


def test_an_empty_parameter_counts_as_not_given(client: FlaskClient) -> None:
    create_product(client, "a")
    assert list_skus(client, **dict.fromkeys(PARAMETERS, "")) == ["a"]


def test_a_parameter_that_is_given_twice_is_invalid(client: FlaskClient) -> None:
    for name in ("sku", "page", "active"):
        read_error(client.get(f"/api/products?{name}=1&{name}="), 400, "invalid_parameter", name)
    read_error(client.get("/api/imports?page=1&page=1"), 400, "invalid_parameter", "page")


def test_a_filter_that_is_not_utf_8_matches_nothing(client: FlaskClient) -> None:
    create_product(client, "a")
    assert list_skus(client) == ["a"]
    assert read_json(client.get("/api/products?sku=%ff%fe"))["products"] == []
