"""Events: recorded in the transaction of their change, and only for subscribed webhooks."""

from __future__ import annotations

import json
from typing import Any

import psycopg2
import pytest

from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.imports import upload
from support.jobs import create_job, create_runner, read_job, run_import
from support.webhooks import Client
from webhooks import events, expander

# The statement of a bulk change, reduced to one product and its event.
SET_ACTIVE_SQL = f"""
WITH updated AS (
    UPDATE products SET active = %s, updated_at = clock_timestamp() WHERE id = %s RETURNING id
){events.INSERT_UPDATED_SQL.format(request_id="NULL")} SELECT count(*) FROM updated
"""


def subscribe(url: str, event_type: str = "*", **values: Any) -> int:
    """Insert a webhook into its table and return its id."""
    names = ["url", "event_type", *values]
    rows = execute(
        url,
        f"INSERT INTO webhooks ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))}) RETURNING id",
        ["http://127.0.0.1:9/", event_type, *values.values()],
    )
    return int(rows[0][0])


def read_bodies(url: str, webhook_id: int, **limits: int) -> list[dict[str, Any]]:
    """Expand all events, at most `limits` at a time, and return the bodies for a webhook in their order."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT id FROM webhook_deliveries WHERE parts_left IS NOT NULL ORDER BY id LIMIT 1")
            if (row := cursor.fetchone()) is None:
                break
            expander.expand(cursor, row[0], **limits)
        cursor.execute(
            "SELECT coalesce(d.body, e.body) FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id"
            " WHERE webhook_id = %s ORDER BY next_attempt_at, event_id, position",
            (webhook_id,),
        )
        bodies = [json.loads(row[0]) for row in cursor.fetchall()]
    connection.close()
    return bodies


def read_event_types(url: str, webhook_id: int) -> list[str]:
    """Return the event types for a webhook in their order."""
    return [body["event"] for body in read_bodies(url, webhook_id)]


def test_changes_through_the_api_record_the_product_that_it_returns(client: Client, database_url: str) -> None:
    webhook = subscribe(database_url)
    created = client.post("/api/products", json={"sku": "Ä-1", "name": "<b>"}).json
    path = f"/api/products/{created['id']}"
    updated = client.put(path, json={"active": False}).json
    client.delete(path)
    assert read_bodies(database_url, webhook) == [
        {"event": "product.created", "product": created},
        {"event": "product.updated", "product": updated},
        {"event": "product.deleted", "product": updated},
    ]


def test_an_ineffective_request_records_no_event(client: Client, runner: ImportRunner, database_url: str) -> None:
    product = client.post("/api/products", json={"sku": "A", "name": "one"}).json
    webhook = subscribe(database_url, imports="each")
    path = f"/api/products/{product['id']}"
    assert client.put(path, json={"name": "one"}).status_code == 200
    assert client.put(path, json={"sku": ""}).status_code == 400
    assert client.put(path, json={"name": "x"}, headers={"If-Match": '"other"'}).status_code == 412
    assert client.post("/api/products", json={"sku": "a"}).status_code == 409
    assert client.post("/api/products/bulk", json={"action": "activate", "filter": {}}).json["count"] == 0
    assert client.post("/api/products/bulk", json={"action": "delete", "ids": [10**6]}).json["count"] == 0
    run_import(runner, "sku,name\nA,one\n")
    assert read_event_types(database_url, webhook) == ["import.completed"]
    client.delete("/api/products/bulk-delete")
    client.delete("/api/products/bulk-delete")
    assert read_event_types(database_url, webhook) == ["import.completed", "product.bulk_deleted"]


def test_each_webhook_gets_the_events_that_it_subscribed_to(client: Client, database_url: str) -> None:
    several = subscribe(database_url, "product.created, product.deleted")
    other = subscribe(database_url, "product.updated")
    off = subscribe(database_url, enabled=False)
    product = client.post("/api/products", json={"sku": "A"}).json
    client.put(f"/api/products/{product['id']}", json={"name": "n"})
    client.delete(f"/api/products/{product['id']}")
    assert read_event_types(database_url, several) == ["product.created", "product.deleted"]
    assert read_event_types(database_url, other) == ["product.updated"]
    assert read_event_types(database_url, off) == []


def test_an_event_without_subscribers_is_not_recorded(client: Client, runner: ImportRunner, database_url: str) -> None:
    subscribe(database_url, "product.deleted")
    client.post("/api/products", json={"sku": "A"})
    client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}})
    run_import(runner, "sku\nB\n")
    assert execute(database_url, "SELECT count(*) FROM webhook_events") == [(0,)]


def test_a_rollback_removes_the_event_with_its_change(database_url: str, client: Client) -> None:
    client.post("/api/products", json={"sku": "A"})
    webhook = subscribe(database_url)
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor:
        cursor.execute(SET_ACTIVE_SQL, (False, 1))
        events.record_event(cursor, "product.bulk_deleted", {"count": 1})
        events.record_event(cursor, "product.created", {"product": {}})
    connection.rollback()
    connection.close()
    assert read_bodies(database_url, webhook) == []


@pytest.mark.parametrize(
    ("body", "of_change", "of_undo"),
    [
        ({"action": "deactivate", "filter": {}}, ["product.updated"] * 7, "product.updated"),
        ({"action": "delete", "filter": {"sku": "p-"}}, ["product.bulk_deleted"], "product.created"),
        ({"action": "delete", "filter": {}}, ["product.bulk_deleted"], "product.created"),
    ],
)
def test_a_bulk_change_and_its_undo_report_each_product_once(
    client: Client, runner: ImportRunner, database_url: str, body: dict[str, Any], of_change: list[str], of_undo: str
) -> None:
    execute(database_url, "INSERT INTO products (sku) SELECT 'P-' || i FROM generate_series(1, 7) i")
    webhook = subscribe(database_url)
    task_id = client.post("/api/products/bulk", json=body).json["task_id"]
    assert [event["event"] for event in read_bodies(database_url, webhook)] == of_change
    execute(database_url, "DELETE FROM webhook_deliveries")
    runner.run(client.post(f"/api/imports/{task_id}/undo").json["task_id"])
    bodies = read_bodies(database_url, webhook)
    assert [event["event"] for event in bodies] == [of_undo] * 7
    assert len({event["product"]["sku"] for event in bodies}) == 7


def test_a_change_fails_if_its_event_cannot_be_recorded(client: Client, database_url: str) -> None:
    subscribe(database_url)
    execute(database_url, "ALTER TABLE webhook_events ADD CHECK (type <> 'product.created')")
    assert client.post("/api/products", json={"sku": "A"}).status_code >= 400
    assert client.get("/api/products").json["products"] == []


def test_a_bulk_change_records_one_event_per_product_and_a_bulk_deletion_one_in_all(
    client: Client, database_url: str
) -> None:
    for number in range(5):
        client.post("/api/products", json={"sku": f"A{number}"})
    client.post("/api/products", json={"sku": "off", "active": False})
    webhook = subscribe(database_url)
    assert client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}}).json["count"] == 5
    assert client.post("/api/products/bulk", json={"action": "delete", "filter": {"sku": "off"}}).json["count"] == 1
    found = read_bodies(database_url, webhook, max_singles=2)
    assert [body["event"] for body in found] == ["product.updated"] * 5 + ["product.bulk_deleted"]
    assert sorted(body["product"]["sku"] for body in found[:5]) == [f"A{number}" for number in range(5)]
    assert found[0]["product"] == client.get(f"/api/products/{found[0]['product']['id']}").json
    assert found[5] == {"event": "product.bulk_deleted", "count": 1}
    assert client.delete("/api/products/bulk-delete").json["count"] == 5
    assert read_bodies(database_url, webhook)[-1] == {"event": "product.bulk_deleted", "count": 5}


def test_an_import_records_its_products_in_batches_and_then_its_end(
    runner: ImportRunner, client: Client, database_url: str
) -> None:
    run_import(runner, "sku,name\n" + "".join(f"old{number},n\n" for number in range(700)))
    webhook = subscribe(database_url)
    content = "".join(f"old{number},{'new' if number < 600 else 'n'}\n" for number in range(700))
    job = run_import(runner, "sku,name\n" + content + "".join(f"k{number},n\n" for number in range(1200)))
    found = read_bodies(database_url, webhook, max_batches=2)
    assert [body["event"] for body in found[:-1]] == ["products.imported"] * (len(found) - 1)
    assert {body["import"] for body in found[:-1]} == {job["task_id"]}
    assert max(len(body["created"]) + len(body["updated"]) for body in found[:-1]) <= 500
    created = [product["sku"] for body in found[:-1] for product in body["created"]]
    updated = [product for body in found[:-1] for product in body["updated"]]
    assert sorted(created) == sorted(f"k{number}" for number in range(1200))
    assert sorted(product["sku"] for product in updated) == sorted(f"old{number}" for number in range(600))
    assert {product["name"] for product in updated} == {"new"}
    assert updated[0] == client.get(f"/api/products/{updated[0]['id']}").json
    assert found[-1] == {
        "event": "import.completed",
        "import": client.get(f"/api/upload/progress/{job['task_id']}").json,
    }
    assert (found[-1]["import"]["status"], found[-1]["import"]["created_count"]) == ("completed", 1200)


def test_an_import_records_single_events_only_on_request(runner: ImportRunner, database_url: str) -> None:
    run_import(runner, "sku,name\nold,n\nsame,n\n")
    each = subscribe(database_url, "product.created,product.updated", imports="each")
    new_only = subscribe(database_url, "product.created", imports="each")
    neither = subscribe(database_url, "product.created,product.updated")
    batches = subscribe(database_url, "products.imported", imports="each")
    run_import(runner, "sku,name\nold,changed\nsame,n\nnew,n\n")
    assert [(body["event"], body["product"]["sku"]) for body in read_bodies(database_url, each)] == [
        ("product.created", "new"),
        ("product.updated", "old"),
    ]
    assert read_event_types(database_url, new_only) == ["product.created"]
    assert read_event_types(database_url, neither) == []
    assert read_event_types(database_url, batches) == ["products.imported"]


def test_products_deleted_before_their_delivery_are_listed_as_gone(
    runner: ImportRunner, client: Client, database_url: str
) -> None:
    batches = subscribe(database_url, "products.imported")
    each = subscribe(database_url, "product.created,product.deleted", imports="each")
    run_import(runner, "sku\nA\nB\n")
    (gone,) = [product["id"] for product in client.get("/api/products?sku=A").json["products"]]
    client.delete(f"/api/products/{gone}")
    (batch,) = read_bodies(database_url, batches)
    assert ([product["sku"] for product in batch["created"]], batch["gone"]) == (["B"], [gone])
    assert [(body["event"], body["product"]["sku"]) for body in read_bodies(database_url, each)] == [
        ("product.created", "B"),
        ("product.deleted", "A"),
    ]


@pytest.mark.parametrize("imports", ["none", "each"])
def test_products_that_an_import_deletes_are_sent_as_they_were(
    runner: ImportRunner, client: Client, database_url: str, imports: str
) -> None:
    run_import(runner, "sku,name\nkept,n\n" + "".join(f"k{number:04},\u00e4\n" for number in range(1001)))
    products = {product["sku"]: product for product in client.get("/api/products?per_page=500&sku=k0").json["products"]}
    batches = subscribe(database_url, "products.imported,product.bulk_deleted")
    each = subscribe(database_url, "product.deleted,import.completed", imports=imports)
    task_id = upload(client, "sku,name\nkept,n\n", missing="delete", missing_limit="1")
    while runner.run(task_id):
        pass
    # The import deletes the products in ranges, whose sizes are up to the statistics of the server.
    bodies = read_bodies(database_url, batches)
    imported = [body for body in bodies if body["event"] == "products.imported"]
    assert sum(body["count"] for body in bodies if body["event"] == "product.bulk_deleted") == 1001
    assert all(0 < len(body["deleted"]) <= 500 for body in imported)
    assert all((body["import"], body["created"], body["updated"]) == (task_id, [], []) for body in imported)
    found = {product["sku"]: product for body in imported for product in body["deleted"]}
    assert len(found) == 1001
    assert {sku: found[sku] for sku in products} == products

    *singles, completed = read_bodies(database_url, each, max_singles=200)
    assert completed["import"]["missing_count"] == 1001
    assert [body["event"] for body in singles] == ["product.deleted"] * (1001 if imports == "each" else 0)
    assert {body["product"]["sku"]: body["product"] for body in singles} == (found if imports == "each" else {})


def test_products_that_an_import_deactivates_are_updated_and_restored_ones_created_or_updated(
    runner: ImportRunner, client: Client, database_url: str
) -> None:
    run_import(runner, "sku\nA\nB\n")
    webhook = subscribe(database_url, "products.imported")

    def run(task_id: str) -> dict[str, Any]:
        while runner.run(task_id):
            pass
        return read_bodies(database_url, webhook)[-1]

    for missing in ("deactivate", "delete"):
        task_id = upload(client, "sku\nA\n", missing=missing, missing_limit="1")
        removed = run(task_id)
        restored = run(client.post(f"/api/imports/{task_id}/undo").json["task_id"])
        if missing == "deactivate":
            assert [(row["sku"], row["active"]) for row in removed["updated"]] == [("B", False)]
            assert [(row["sku"], row["active"]) for row in restored["updated"]] == [("B", True)]
        else:
            assert [row["sku"] for row in removed["deleted"]] == ["B"]
            assert [row["sku"] for row in restored["created"]] == ["B"]


def test_one_row_holds_all_products_of_an_event_until_they_are_due(runner: ImportRunner, database_url: str) -> None:
    subscribe(database_url, imports="each")
    run_import(runner, "sku\n" + "".join(f"k{number}\n" for number in range(3000)))
    rows = execute(database_url, "SELECT cut, sum(parts_left)::int FROM webhook_deliveries GROUP BY cut ORDER BY cut")
    assert dict(rows)["created"] == 3000
    assert execute(database_url, "SELECT count(*) FROM webhook_deliveries")[0][0] < 10


def test_a_failed_import_records_an_event(runner: ImportRunner, database_url: str, client: Client) -> None:
    webhook = subscribe(database_url)
    job = run_import(runner, "name\nno SKU column\n")
    (body,) = read_bodies(database_url, webhook)
    assert body == {"event": "import.failed", "import": client.get(f"/api/upload/progress/{job['task_id']}").json}
    failed = body["import"]
    assert (failed["status"], bool(failed["error_message"])) == ("failed", True)
    assert failed["error_code"] == "missing_sku_column"
    assert (failed["error_details"]["columns"], failed["error_details"]["more"]) == (["name"], 0)


def test_an_interrupted_import_records_each_product_once(settings: Any, database_url: str) -> None:
    webhook = subscribe(database_url, "products.imported,import.completed")
    runner = create_runner(settings, slice_rows=100, task_seconds=0)
    task_id = create_job(runner, ("sku\n" + "".join(f"k{number}\n" for number in range(1000))).encode())
    rounds = 1
    while runner.run(task_id):
        rounds += 1
    assert rounds > 5
    assert read_job(database_url, task_id)["created_count"] == 1000
    found = read_bodies(database_url, webhook)
    skus = [product["sku"] for body in found[:-1] for product in body["created"]]
    assert sorted(skus) == sorted(f"k{number}" for number in range(1000))
    assert found[-1]["event"] == "import.completed"


def test_events_of_one_product_are_in_the_order_of_its_changes(client: Client, database_url: str) -> None:
    """The event of a change that waited for an earlier one comes second."""
    webhook = subscribe(database_url)
    product = client.post("/api/products", json={"sku": "A"}).json
    early, late = psycopg2.connect(database_url), psycopg2.connect(database_url)
    with late.cursor() as cursor:
        cursor.execute("SELECT now()")
    with early.cursor() as cursor:
        cursor.execute(SET_ACTIVE_SQL, (False, product["id"]))
    early.commit()
    with late.cursor() as cursor:
        cursor.execute(SET_ACTIVE_SQL, (True, product["id"]))
    late.commit()
    early.close()
    late.close()
    rows = execute(
        database_url,
        "SELECT event_id FROM webhook_deliveries WHERE webhook_id = %s ORDER BY next_attempt_at, event_id",
        (webhook,),
    )
    assert rows == sorted(rows)


def test_an_unknown_event_type_cannot_be_recorded(database_url: str) -> None:
    connection = psycopg2.connect(database_url)
    with connection.cursor() as cursor, pytest.raises(ValueError, match=r"There is no event type product\.made"):
        events.record_event(cursor, "product.made", {})
    connection.close()


def test_an_undo_records_the_products_that_it_restored_and_removed(
    client: Client, runner: ImportRunner, database_url: str
) -> None:
    run_import(runner, "sku,name\nA,one\nB,one\n")
    job = run_import(runner, "sku,name\nA,two\nC,new\nD,new\n")
    webhook, single = subscribe(database_url), subscribe(database_url, "product.updated", imports="each")
    products = dict(execute(database_url, "SELECT sku, id FROM products"))
    undo = client.post(f"/api/imports/{job['task_id']}/undo").json["task_id"]
    while runner.run(undo):
        pass
    found = read_bodies(database_url, webhook)
    assert sorted(body["event"] for body in found[:-1]) == ["product.bulk_deleted", *["products.imported"] * 2]
    assert [body["count"] for body in found if body["event"] == "product.bulk_deleted"] == [2]
    batches = [body for body in found if body["event"] == "products.imported"]
    assert {body["import"] for body in batches} == {undo}
    assert [product["name"] for body in batches for product in body["updated"]] == ["one"]
    assert sorted(id for body in batches for id in body.get("gone", [])) == sorted([products["C"], products["D"]])
    assert found[-1] == {"event": "import.completed", "import": client.get(f"/api/upload/progress/{undo}").json}
    assert [body["product"]["sku"] for body in read_bodies(database_url, single)] == ["A"]
