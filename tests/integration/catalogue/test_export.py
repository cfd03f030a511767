"""Export: the file imports again to the same products, with and without a guard against formulas."""

from __future__ import annotations

import csv
import gzip
import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import read_products, run_import

HEADER = b"sku,name,description,active\n"

HOSTILE_TEXTS = [
    "plain",
    "a,comma",
    'a "quoted" word',
    '"',
    '""',
    '","',
    "\n",
    "\r",
    "\r\n",
    "one\ntwo\r\nthree\rfour\r",
    "\nstart and end\n",
    '"\n"\r\n","\r',
    "  spaces around  ",
    "\ttabs\t",
    "\\.",
    "\\N",
    "\\",
    "\\\\.\n\\.\n",
    "NULL",
    "true",
    "=1+1",
    '="00123"',
    '="a""b" ',
    '="',
    "+1",
    "-1",
    "@SUM(A1)",
    "=cmd|' /C calc'!A0",
    "'=1+1",
    "''@SUM(A1)",
    "'",
    "'quoted'",
    "\uff1d1+1",
    "\u2212 1",
    "<img src=x onerror=alert(1)>",
    "مرحبا بالعالم \u202eabc\u202c",
    "🧦👩‍👩‍👧‍👦",
    "İstanbul ıI ß ſ",
    "\ufeffmark",
    "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg",
    "\x01\x7f",
    "e\u0301 and \u00e9",
    "\U0010ffff\uffff",
    "",
]


def create_hostile_products(client: FlaskClient) -> int:
    """Create products through the API that have every hostile text in every column; return how many."""
    created = 0
    for number, text in enumerate(HOSTILE_TEXTS):
        bodies = [
            {"sku": f"D-{number}", "name": "a name", "description": text, "active": number % 2 == 0},
            {"sku": f"N-{number}", "name": text, "description": text * 3, "active": number % 3 == 0},
        ]
        if text.strip():
            bodies.append({"sku": f"{text}S-{number}"})
            bodies.append({"sku": text, "name": text})
        for body in bodies:
            answer = client.post("/api/products", json=body)
            assert answer.status_code == 201, (body, answer.get_json())
            created += 1
    return created


def read_rows(url: str) -> list[tuple[Any, ...]]:
    return execute(url, "SELECT * FROM products ORDER BY id")


@pytest.mark.thorough("format=csv.gz", "format=csv")
@pytest.mark.parametrize("query", ["format=csv", "format=csv.gz", "guard=true", "guard=true&format=csv.gz"])
def test_importing_the_file_again_changes_nothing(
    client: FlaskClient, runner: ImportRunner, database_url: str, query: str
) -> None:
    count = create_hostile_products(client)
    before = read_rows(database_url)
    exported = client.get(f"/api/products/export?{query}").data
    job = run_import(runner, exported)
    assert job["status"] == "completed", job["error_message"]
    counts = {name: job[f"{name}_count"] for name in ("unchanged", "created", "updated", "rejected", "duplicate")}
    assert counts == {"unchanged": count, "created": 0, "updated": 0, "rejected": 0, "duplicate": 0}
    assert read_rows(database_url) == before
    # Imported into an empty catalogue, the file restores the same products.
    products = read_products(database_url)
    assert client.delete("/api/products/bulk-delete").get_json()["count"] == count
    assert run_import(runner, exported)["created_count"] == count
    assert read_products(database_url) == products


def test_a_spreadsheet_runs_no_text_of_a_guarded_file_as_a_formula(client: FlaskClient) -> None:
    create_hostile_products(client)
    exported = client.get("/api/products/export?guard=true").data.decode()
    for row in csv.reader(io.StringIO(exported, newline="")):
        assert not [cell for cell in row if cell.startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))]
    # Every text is quoted, so no separator in it starts another cell.
    assert "\"'=cmd|' /C calc'!A0\"" in exported
    assert client.get("/api/products/export?guard=maybe").status_code == 400


def test_a_guarded_file_that_a_spreadsheet_has_saved_gives_the_same_products(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    """Some spreadsheets drop the apostrophe, and none quotes more than it has to."""
    client.post("/api/products", json={"sku": "-1", "name": "=1+1", "description": "'quoted'"})
    client.post("/api/products", json={"sku": "'-1", "name": "@x", "description": "+"})
    before = read_rows(database_url)
    saved = "sku;name;description;active;Formula_Guard\r\n'-1;=1+1;'quoted';TRUE;TRUE\r\n''-1;'@x;+;TRUE;TRUE\r\n"
    assert run_import(runner, saved)["unchanged_count"] == 2
    # New rows of the same file have no guard.
    job = run_import(runner, saved + "new;'a';-;;\r\n")
    assert (job["created_count"], job["unchanged_count"]) == (1, 2)
    assert read_rows(database_url)[: len(before)] == before


def test_without_the_column_of_the_guard_apostrophes_stay(runner: ImportRunner, database_url: str) -> None:
    run_import(runner, "sku,name\n'-1,'=x\n")
    assert execute(database_url, "SELECT sku, name FROM products") == [("'-1", "'=x")]


@pytest.mark.parametrize("letter", ["x", '"', "\n", ",", "ß", "🧦"])
def test_the_longest_texts_that_the_api_accepts_are_imported_again(
    client: FlaskClient, runner: ImportRunner, database_url: str, letter: str
) -> None:
    # Nearly as long as a JSON body may be.
    length = 990_000 // len(escape_json(letter).encode())
    body = '{"sku": "long", "description": "' + escape_json(letter) * length + '"}'
    assert client.post("/api/products", data=body, content_type="application/json").status_code == 201
    product_id = execute(database_url, "SELECT id FROM products")[0][0]
    answer = client.put(f"/api/products/{product_id}", json={"sku": '"' * 255, "name": '"' * 500})
    assert answer.status_code == 200
    job = run_import(runner, client.get("/api/products/export").data)
    assert (job["unchanged_count"], job["rejected_count"]) == (1, 0)


def escape_json(letter: str) -> str:
    """Return the shortest form of a letter in a JSON string."""
    return {'"': '\\"', "\n": "\\n"}.get(letter, letter)


def test_the_headers_describe_the_file(client: FlaskClient, database_url: str) -> None:
    execute(database_url, "INSERT INTO products (sku, name, active) VALUES ('B', 'b, b', false), ('A', 'a', true)")
    answer = client.get("/api/products/export")
    assert answer.status_code == 200
    assert answer.data == HEADER + b'B,"b, b","",false\nA,a,"",true\n'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r"attachment; filename=products-\d{4}-\d\d-\d\d\.csv", answer.headers["Content-Disposition"])
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["Cache-Control"] == "no-store"
    compressed = client.get("/api/products/export?format=csv.gz&date=2026-11-29")
    assert gzip.decompress(compressed.data) == answer.data
    assert compressed.headers["Content-Type"] == "application/gzip"
    assert compressed.headers["Content-Disposition"] == "attachment; filename=products-2026-11-29.csv.gz"
    head = client.head("/api/products/export?format=csv.gz")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Type"] == "application/gzip"


@pytest.mark.parametrize(
    "date", ["2026-02-30", "20261129", "2026-11-29T00:00:00Z", "today", "../../x", "\u0662026-11-29"]
)
def test_a_date_that_does_not_exist_is_refused(client: FlaskClient, date: str) -> None:
    answer = client.get("/api/products/export", query_string={"date": date})
    assert (answer.status_code, list(answer.get_json()["fields"])) == (400, ["date"])
    answer = client.post("/api/products/export", json={"ids": [1], "date": date})
    assert answer.get_json()["fields"] == {"date": ["This must be a date such as 2026-11-24."]}


def test_chosen_products_are_exported_by_their_ids(client: FlaskClient, database_url: str) -> None:
    rows = execute(
        database_url, "INSERT INTO products (sku) SELECT 'P-' || i FROM generate_series(1, 9) i RETURNING id, sku"
    )
    ids = {sku: number for number, sku in rows}
    chosen = [ids["P-7"], ids["P-2"], ids["P-7"], 0, -1, 2**62, 2**70]
    body = {"ids": chosen, "format": "csv.gz", "date": "2026-11-29"}
    answer = client.post("/api/products/export", json=body)
    assert answer.status_code == 200
    assert gzip.decompress(answer.data) == HEADER + b'P-2,"","",true\nP-7,"","",true\n'
    assert answer.headers["Content-Disposition"] == "attachment; filename=products-2026-11-29.csv.gz"
    assert client.post("/api/products/export", json={"ids": [2**62]}).data == HEADER
    # The audit log has the number of ids.
    [(changes, *_), *_] = execute(
        database_url, "SELECT changes FROM audit_entries WHERE action = 'products.exported' ORDER BY id"
    )
    assert changes == {"ids": [None, 6], "format": [None, "csv.gz"]}
    refused: list[dict[str, Any]] = [{}, {"ids": []}, {"ids": ["1"]}, {"ids": list(range(10_001))}, {"filter": {}}]
    for body in refused:
        assert client.post("/api/products/export", json=body).status_code == 400, body


def test_only_products_that_match_the_filters_are_exported(client: FlaskClient, database_url: str) -> None:
    execute(
        database_url,
        "INSERT INTO products (sku, name, active) SELECT 'P-' || i, i || '%', i % 2 = 0 FROM generate_series(1, 20) i",
    )
    for query, skus in (
        ("sku=p-1&active=false", ["P-1", "P-11", "P-13", "P-15", "P-17", "P-19"]),
        ("name=0%25", ["P-10", "P-20"]),
        ("q=P-2&active=true&name=&sku=%20", ["P-2", "P-20"]),
        ("q=nothing", []),
    ):
        lines = client.get(f"/api/products/export?{query}").data.decode().splitlines(keepends=True)
        assert lines[0].encode() == HEADER
        assert [line.partition(",")[0] for line in lines[1:]] == skus, query


def test_invalid_parameters_are_refused(client: FlaskClient) -> None:
    for query, field in (("format=xlsx", "format"), ("active=maybe", "active"), ("q=a%00", "q")):
        answer = client.get(f"/api/products/export?{query}")
        assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_parameter")
        assert field in answer.get_json()["fields"]
