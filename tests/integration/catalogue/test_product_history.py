"""The history of a product: edits, imports, undos, and what is not known any more."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from importer.pipeline.runner import ImportRunner
from support.api import create_product, read_error, read_json
from support.database import execute
from support.imports import request_action, run_job, upload_and_run
from support.jobs import create_runner

LOCAL = {"type": "local", "name": "local"}


def get_history(client: FlaskClient, product_id: int = 1, **parameters: Any) -> Any:
    """Return a page of the history of a product."""
    return read_json(client.get(f"/api/products/{product_id}/history", query_string=parameters))


def change_name(client: FlaskClient, name: str, **values: Any) -> Any:
    """Change the name of the first product; return the product."""
    return read_json(client.put("/api/products/1", json={"name": name, **values}))


def outline(history: Any) -> list[tuple[Any, Any]]:
    """Return how each change was made, and the values that it changed."""
    return [(change["how"], change["changes"]) for change in history["history"]]


def test_edits_imports_and_undos_are_a_chain(client: FlaskClient, runner: ImportRunner) -> None:
    text = "long " * 300
    product = create_product(client, "A", name="first", description=text, started_from="page")
    change_name(client, "second", description="", started_from="page")
    first = upload_and_run(
        client, runner, "sku,name,active\na,third,false\nb,other,\n", "one.csv", started_by="nightly"
    )
    second = upload_and_run(client, runner, "sku,name\nA,fourth\n", "two.csv")
    undo = request_action(client, second["task_id"], "undo", started_by="the boss")
    run_job(client, runner, undo["task_id"])
    latest = change_name(client, "fifth", sku="A-1")
    history = get_history(client)
    assert outline(history) == [
        ("api", {"sku": ["A", "A-1"], "name": ["third", "fifth"]}),
        ("undo", {"name": [None, "third"]}),
        ("import", {"name": ["third", None]}),
        ("import", {"name": ["second", "third"], "active": [True, False]}),
        ("page", {"name": ["first", "second"], "description": [text, ""]}),
        ("page", {"sku": [None, "A"], "name": [None, "first"], "description": [None, text]}),
    ]
    assert history["complete"]
    assert [change["created"] for change in history["history"]] == [False] * 5 + [True]
    times = [change["at"] for change in history["history"]]
    assert (times[0], times[-1]) == (latest["updated_at"], product["updated_at"])
    assert times == sorted(times, reverse=True)
    names = [change["by"]["name"] for change in history["history"]]
    assert names == ["local", "the boss", "127.0.0.1", "nightly", "local", "local"]
    edit, undone, import_two, import_one, *_ = history["history"]
    assert (edit["by"], edit["import"]) == (LOCAL, None)
    assert undone["import"] == {"task_id": undo["task_id"], "filename": undo["filename"]}
    assert undone["undone"] == import_two["import"] == {"task_id": second["task_id"], "filename": "two.csv"}
    assert import_one["import"] == {"task_id": first["task_id"], "filename": "one.csv"}
    ((how, values),) = outline(get_history(client, 2))
    assert (how, values["name"], values["active"]) == ("import", [None, "other"], [None, True])


def test_pages(client: FlaskClient) -> None:
    create_product(client, "A", name="0")
    for number in range(1, 5):
        change_name(client, str(number))
    seen, page = [], 1
    while page:
        body = get_history(client, page=page, per_page=2)
        assert body["complete"] == (body["pagination"]["next"] is None)
        seen += [change["changes"]["name"][1] for change in body["history"]]
        page = body["pagination"]["next"]
    assert seen == ["4", "3", "2", "1", "0"]
    assert get_history(client, page=1000)["history"] == []
    read_error(client.get("/api/products/1/history?page=0"), 400, "invalid_parameter", "page")
    read_error(client.get("/api/products/1/history?per_page=101"), 400, "invalid_parameter", "per_page")
    read_error(client.get("/api/products/2/history"), 404, "product_not_found")


def test_what_fails_or_changes_nothing_is_no_edit(client: FlaskClient, database_url: str) -> None:
    product = create_product(client, "A", name="lamp")
    create_product(client, "B")
    read_error(client.put("/api/products/1", json={"sku": "b"}), 409, "duplicate_sku", "sku")
    read_error(
        client.put("/api/products/1", json={"name": "x"}, headers={"If-Match": '"1"'}), 412, "precondition_failed"
    )
    answer = client.put("/api/products/1", json={"started_from": "tablet"})
    read_error(answer, 400, "invalid_product", "started_from")
    assert read_json(client.put("/api/products/1", json={"name": "lamp", "started_from": "page"})) == product
    assert len(get_history(client)["history"]) == 1
    assert execute(database_url, "SELECT count(*) FROM product_edits") == [(2,)]


@pytest.mark.parametrize("gap", ["change by hand", "expired change log", "deleted import"])
def test_a_gap_interrupts_the_history(client: FlaskClient, runner: ImportRunner, database_url: str, gap: str) -> None:
    create_product(client, "A", name="first")
    change_name(client, "second")
    if gap == "change by hand":
        execute(database_url, "UPDATE products SET name = 'third', updated_at = clock_timestamp()")
    else:
        task_id = upload_and_run(client, runner, "sku,name\nA,third\n")["task_id"]
        if gap == "deleted import":
            read_json(client.delete(f"/api/imports/{task_id}"))
        else:
            execute(database_url, "DELETE FROM import_changes")
    change_name(client, "fourth")
    history = get_history(client)
    assert outline(history) == [
        ("api", {"name": ["third", "fourth"]}),
        (None, None),
        ("api", {"name": ["first", "second"]}),
        ("api", {"sku": [None, "A"], "name": [None, "first"]}),
    ]
    assert (history["history"][1]["by"], history["complete"]) == (None, False)


def test_edits_from_before_the_history_are_in_the_audit_log(client: FlaskClient, database_url: str) -> None:
    create_product(client, "A")
    change_name(client, "old")
    execute(database_url, "DELETE FROM product_edits")
    change_name(client, "new")
    newest, oldest = get_history(client)["history"]
    assert (newest["how"], newest["changes"]) == ("api", {"name": ["old", "new"]})
    # The entry of the newer edit is in the audit log, too; it is not that of the older one.
    assert (oldest["by"], oldest["how"], oldest["changes"]) == (LOCAL, None, None)


def test_an_undo_that_was_repeated_finds_both_times(
    client: FlaskClient, runner: ImportRunner, database_url: str
) -> None:
    for sku in ("A", "B"):
        create_product(client, sku, name="old")
    task_id = upload_and_run(client, runner, "sku,name\nA,new\nB,new\n")["task_id"]
    version = execute(database_url, "SELECT updated_at FROM products WHERE id = 2")[0]
    edited = read_json(client.put("/api/products/2", json={"name": "mine"}))
    first = request_action(client, task_id, "undo")["task_id"]
    run_job(client, runner, first)
    assert read_json(client.get("/api/products/2"))["updated_at"] == edited["updated_at"]
    # Somebody brings the imported version back, so the second undo restores the product.
    execute(database_url, "UPDATE products SET name = 'new', updated_at = %s WHERE id = 2", version)
    second = request_action(client, task_id, "undo")["task_id"]
    run_job(client, runner, second)
    for product_id, undo in ((1, first), (2, second)):
        history = get_history(client, product_id)
        assert outline(history)[0] == ("undo", {"name": [None, "old"]})
        assert history["history"][0]["import"]["task_id"] == undo
        assert [how for how, _ in outline(history)] == ["undo", "import", "api"]


def test_edits_at_the_same_time_are_all_in_the_chain(app: Flask, client: FlaskClient) -> None:
    create_product(client, "A", name="start")
    barrier = threading.Barrier(4)

    def edit(number: int) -> None:
        own = app.test_client()
        barrier.wait()
        for turn in range(3):
            change_name(own, f"{number} {turn}")

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = get_history(client)
    names = [values["name"] for _, values in outline(history)]
    assert len(names) == 13
    assert history["complete"]
    # Each edit begins with what the one before it wrote.
    assert [before for before, _ in names[:-1]] == [after for _, after in names[1:]]


def test_a_large_import_is_found_in_any_of_its_slices(client: FlaskClient, settings: Any) -> None:
    runner = create_runner(settings, slice_rows=100)
    for name in ("old", "new"):
        rows = "".join(f"S{number:04},{name} {number}\n" for number in range(1000))
        upload_and_run(client, runner, "sku,name\n" + rows)
    products = read_json(client.get("/api/products?per_page=500&name=new"))["products"]
    for product in (products[0], products[250], products[-1]):
        number = int(product["sku"][1:])
        newest, oldest = outline(get_history(client, product["id"]))
        assert newest == ("import", {"name": [f"old {number}", f"new {number}"]})
        assert oldest[1]["name"] == [None, f"old {number}"]
