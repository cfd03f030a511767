"""Many products at once: what changes, what does not, and how that goes together with everybody else."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config
from importer.pipeline.runner import Engine
from support.database import execute
from support.jobs import create_engine, create_job, delay_slices, read_job, read_products
from support.waiting import wait_for

ALL_MATCH: dict[str, Any] = {"filter": {}}


@pytest.fixture
def ids(database_url: str) -> list[int]:
    """Ten products P-0 to P-9, of which the odd ones are inactive."""
    return create_products(database_url, 10)


def create_products(url: str, count: int) -> list[int]:
    rows = execute(
        url,
        "INSERT INTO products (sku, name, description, active) SELECT 'P-' || i, 'name ' || i, 'text', i %% 2 = 0"
        " FROM generate_series(0, %s) i ORDER BY i RETURNING id",
        [count - 1],
    )
    return [row[0] for row in rows]


def active_of(url: str) -> dict[str, bool]:
    return {sku: active for sku, _, _, active in read_products(url)}


def updated(url: str) -> dict[int, Any]:
    return dict(execute(url, "SELECT id, updated_at FROM products"))


def change(client: FlaskClient, action: str, **which: Any) -> Any:
    """A bulk call that has to succeed."""
    answer = client.post("/api/products/bulk", json={"action": action, **which})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Runs works at the same time; returns what each returned, or raised."""
    results: list[Any] = [None] * len(works)

    def run(place: int) -> None:
        try:
            results[place] = works[place]()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,), daemon=True) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return results


@contextlib.contextmanager
def transaction(url: str) -> Iterator[Any]:
    """A cursor in a transaction that ends with the block."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        with connection.cursor() as cursor:
            yield cursor
        connection.commit()


def is_waiting(url: str) -> bool:
    return bool(
        execute(url, "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    )


def test_named_products_are_changed_and_no_others(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    before = updated(database_url)
    assert change(client, "activate", ids=ids[:4]) == {
        "message": "2 products were activated, 2 were active already.",
        "count": 2,
    }
    assert [sku for sku, active in active_of(database_url).items() if active] == [
        "P-0", "P-1", "P-2", "P-3", "P-4", "P-6", "P-8",
    ]  # fmt: skip
    after = updated(database_url)
    assert [key for key in ids if after[key] > before[key]] == [ids[1], ids[3]]
    assert change(client, "activate", ids=ids[:4])["message"] == ("No product was activated, 4 were active already.")
    assert updated(database_url) == after
    assert change(client, "delete", ids=ids[:9]) == {"message": "9 products were deleted.", "count": 9}
    assert list(active_of(database_url)) == ["P-9"]


def test_ids_that_come_twice_or_do_not_exist_do_no_harm(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    answer = change(client, "deactivate", ids=[ids[0], ids[0], -1, 0, 10**9, 2**63, 10**40])
    assert answer == {"message": "1 product was deactivated, 5 were not there any more.", "count": 1}
    assert change(client, "delete", ids=[10**40]) == {
        "message": "No product was deleted, 1 was not there any more.",
        "count": 0,
    }
    assert len(read_products(database_url)) == 10


def test_ten_thousand_ids_are_taken(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    many = [2**63 - 1 - number for number in range(9_990)]
    assert change(client, "deactivate", ids=[*many, *ids])["count"] == 5


def test_a_filter_means_what_the_list_shows_for_it(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    execute(database_url, "UPDATE products SET name = '100%' WHERE sku IN ('P-3', 'P-4')")
    for wanted in ({"q": "NAME 1"}, {"name": "0%"}, {"sku": "p-"}, {"active": False}, {"sku": "4", "active": True}):
        query = {name: str(value).lower() for name, value in wanted.items()}
        listed = client.get("/api/products", query_string=query).get_json()
        matched = {product["id"] for product in listed["products"]}
        count = sum(product["active"] for product in listed["products"])
        assert change(client, "deactivate", filter=wanted)["count"] == count, wanted
        execute(database_url, "UPDATE products SET active = id %% 2 = %s", [ids[0] % 2])
        assert matched


def test_deleting_by_a_filter_leaves_the_others(client: FlaskClient, database_url: str, ids: list[int]) -> None:
    assert change(client, "delete", filter={"active": True})["message"] == "5 products were deleted."
    assert list(active_of(database_url)) == ["P-1", "P-3", "P-5", "P-7", "P-9"]
    assert change(client, "delete", filter={"sku": "nothing"}) == {"message": "No product was deleted.", "count": 0}


@pytest.mark.parametrize("call", ["bulk-delete", "empty filter"])
def test_all_products_are_deleted_and_their_ids_are_not_used_again(
    client: FlaskClient, database_url: str, ids: list[int], call: str
) -> None:
    if call == "bulk-delete":
        answer = client.delete("/api/products/bulk-delete")
        assert (answer.status_code, answer.get_json()) == (200, {"message": "10 products were deleted.", "count": 10})
    else:
        assert change(client, "delete", **ALL_MATCH)["count"] == 10
    assert read_products(database_url) == []
    created = client.post("/api/products", json={"sku": "P-1"})
    assert created.status_code == 201
    assert created.get_json()["id"] > max(ids)
    assert change(client, "activate", **ALL_MATCH)["message"] == "No product was activated, 1 was active already."


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
    ],
)
def test_what_could_be_meant_otherwise_is_refused(
    client: FlaskClient, database_url: str, ids: list[int], body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/products/bulk", json=body)
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["status"]) == (400, "invalid_bulk", 400)
    assert field in answer.get_json()["fields"]
    assert answer.get_json()["error"].endswith(".")
    assert len(read_products(database_url)) == 10


def test_bodies_that_are_none(client: FlaskClient, database_url: str, ids: list[int]) -> None:
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


# Beside imports.


@pytest.fixture
def slow_engine(settings: config.Settings) -> Engine:
    """One with small slices, of which each takes a moment."""
    engine = create_engine(settings, slice_rows=50)
    delay_slices(engine.database_url, 0.2)
    return engine


def as_file(count: int, start: int = 0) -> bytes:
    lines = [f"P-{number},imported {number}" for number in range(start, start + count)]
    return "\n".join(["sku,name", *lines]).encode()


def run(engine: Engine, task_id: str) -> threading.Thread:
    thread = threading.Thread(target=engine.run, args=(task_id,), daemon=True)
    thread.start()
    return thread


def test_while_an_import_runs_not_all_are_deleted(
    client: FlaskClient, database_url: str, ids: list[int], slow_engine: Engine
) -> None:
    def refused() -> None:
        started = time.monotonic()
        for answer in (
            client.delete("/api/products/bulk-delete"),
            client.post("/api/products/bulk", json={"action": "delete", **ALL_MATCH}),
        ):
            assert (answer.status_code, answer.get_json()["code"]) == (409, "import_running")
            assert "autumn & “co”.csv" in answer.get_json()["error"]
        assert time.monotonic() - started < 1

    task_id = create_job(slow_engine, as_file(500), "autumn & “co”.csv")
    refused()
    thread = run(slow_engine, task_id)
    wait_for("writing", lambda: read_job(database_url, task_id)["rows_written"])
    for _ in range(5):
        refused()
    thread.join(60)
    assert read_job(database_url, task_id)["status"] == "completed"
    assert change(client, "delete", **ALL_MATCH)["count"] == 500


def test_an_import_that_comes_while_all_are_deleted_writes_its_whole_file(
    app: Flask, database_url: str, engine: Engine
) -> None:
    create_products(database_url, 300)
    execute(database_url, "UPDATE products SET name = 'imported ' || split_part(sku, '-', 2)")
    with transaction(database_url) as cursor:
        # The deletion waits for this row, with the lock on the jobs in its hands.
        cursor.execute("UPDATE products SET description = 'mine' WHERE sku = 'P-7'")
        answers: list[TestResponse] = []
        deleting = threading.Thread(
            target=lambda: answers.append(app.test_client().delete("/api/products/bulk-delete")), daemon=True
        )
        deleting.start()
        wait_for("the deletion waits", lambda: is_waiting(database_url))
        time.sleep(0.5)
        creating: list[str] = []

        def import_file() -> None:
            task_id = create_job(engine, as_file(300))
            creating.append(task_id)
            engine.run(task_id)

        importing = threading.Thread(target=import_file, daemon=True)
        importing.start()
        time.sleep(0.5)
        assert creating == []
    deleting.join(30)
    importing.join(30)
    assert (answers[0].status_code, answers[0].get_json()["count"]) == (200, 300)
    # Nothing was taken for unchanged that was about to go.
    assert read_job(database_url, creating[0])["created_count"] == 300
    assert len(read_products(database_url)) == 300


def test_deactivating_everything_beside_an_import_ends_right(
    app: Flask, database_url: str, slow_engine: Engine
) -> None:
    create_products(database_url, 1000)
    execute(database_url, "UPDATE products SET active = true")
    task_id = create_job(slow_engine, as_file(1000))
    thread = run(slow_engine, task_id)
    wait_for("writing", lambda: read_job(database_url, task_id)["rows_written"])
    answers = in_threads(
        *[
            lambda action=action: change(app.test_client(), action, **ALL_MATCH)["count"]
            for action in ("deactivate", "deactivate", "deactivate")
        ]
    )
    assert sum(answers) == 1000
    thread.join(60)
    assert read_job(database_url, task_id)["updated_count"] == 1000
    # The file says nothing of `active`: what the call did stays, and so does what the import wrote.
    assert all((name, active) == (f"imported {sku[2:]}", False) for sku, name, _, active in read_products(database_url))


def test_bulk_calls_in_each_others_way_all_succeed(app: Flask, database_url: str) -> None:
    ids = create_products(database_url, 400)

    def calls(number: int) -> list[int]:
        client = app.test_client()
        mine = ids[:: 1 if number % 2 else -1]
        actions = ["activate", "deactivate"] * 10
        return [change(client, action, ids=mine)["count"] for action in actions]

    answers = in_threads(*[lambda number=number: calls(number) for number in range(4)])
    assert all(isinstance(counts, list) for counts in answers), answers
    assert set(active_of(database_url).values()) == {False}


# Beside other clients.


def test_two_who_delete_all_at_once(app: Flask, database_url: str) -> None:
    create_products(database_url, 5000)
    answers = in_threads(*[lambda: app.test_client().delete("/api/products/bulk-delete") for _ in range(3)])
    assert [answer.status_code for answer in answers] == [200] * 3
    assert sorted(answer.get_json()["count"] for answer in answers) == [0, 0, 5000]


def test_all_are_deleted_in_the_middle_of_a_change(app: Flask, database_url: str, ids: list[int]) -> None:
    with transaction(database_url) as cursor:
        cursor.execute("UPDATE products SET name = 'mine' WHERE id = %s", [ids[3]])
        deleting = threading.Thread(target=lambda: app.test_client().delete("/api/products/bulk-delete"), daemon=True)
        deleting.start()
        wait_for("the deletion waits", lambda: is_waiting(database_url))
        time.sleep(0.5)
        # Readers go on.
        assert app.test_client().get("/api/products").get_json()["pagination"]["total"] == 10
    deleting.join(30)
    assert read_products(database_url) == []


def test_who_changes_a_product_while_all_are_deleted_hears_that_it_is_gone(
    app: Flask, database_url: str, ids: list[int]
) -> None:
    with transaction(database_url) as cursor:
        cursor.execute("LOCK TABLE products IN EXCLUSIVE MODE")
        cursor.execute("DELETE FROM products")
        answers: list[TestResponse] = []
        changing = threading.Thread(
            target=lambda: answers.append(app.test_client().put(f"/api/products/{ids[0]}", json={"name": "x"})),
            daemon=True,
        )
        changing.start()
        wait_for("the change waits", lambda: is_waiting(database_url))
    changing.join(30)
    assert answers[0].status_code == 404


@pytest.mark.parametrize(
    "beside", ["SELECT count(*) FROM products", "LOCK TABLE products IN SHARE UPDATE EXCLUSIVE MODE"]
)
def test_all_are_deleted_beside_readers_and_whoever_vacuums(
    client: FlaskClient, database_url: str, beside: str
) -> None:
    create_products(database_url, 1000)
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level="REPEATABLE READ")
        cursor.execute(beside)
        cursor.execute("SELECT count(*) FROM products")
        started = time.monotonic()
        assert change(client, "delete", **ALL_MATCH)["count"] == 1000
        assert time.monotonic() - started < 1
        assert client.get("/api/products").get_json()["pagination"]["total"] == 0
        # Who has begun to read goes on with what was there.
        cursor.execute("SELECT count(*) FROM products")
        assert cursor.fetchone() == (1000,)


def test_rows_that_somebody_keeps_are_told_not_waited_for_for_ever(
    client: FlaskClient, database_url: str, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalogue.bulk.LOCK_WAIT_SECONDS", 1)
    with transaction(database_url) as cursor:
        cursor.execute("UPDATE products SET name = 'mine' WHERE id = %s", [ids[3]])
        for answer in (
            client.delete("/api/products/bulk-delete"),
            client.post("/api/products/bulk", json={"action": "delete", "ids": ids}),
            client.post("/api/products/bulk", json={"action": "activate", **ALL_MATCH}),
        ):
            assert (answer.status_code, answer.get_json()["code"]) == (503, "busy")
    assert len(read_products(database_url)) == 10
