"""Webhooks: create, read, change and delete them, their secrets, and invalid values."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from support.api import read_error, read_json
from support.database import execute
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import Client, StartDispatcher, all_finished, emit_events, list_deliveries
from webhooks import events

URL = "https://example.com/hooks"
MASK = "••••••••"


def create(client: Client, **values: Any) -> Any:
    """Create a webhook and return it."""
    return read_json(client.post("/api/webhooks", json={"url": URL, "event_type": "product.created", **values}), 201)


def test_a_webhook_is_created_read_changed_and_deleted(client: Client) -> None:
    webhook = create(client, description="Shop", event_type="product.created, import.failed")
    assert webhook["event_type"] == "product.created,import.failed"
    assert (webhook["enabled"], webhook["imports"], webhook["disabled_reason"]) == (True, "none", None)
    assert (webhook["health"]["delivered"], len(webhook["health"]["hours"])) == (0, 24)
    path = f"/api/webhooks/{webhook['id']}"
    assert read_json(client.get(path)) == webhook

    values = {"enabled": False, "event_type": "*", "imports": "each"}
    changed = read_json(client.put(path, json=values))
    assert changed == {**webhook, **values, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > webhook["updated_at"]
    # Nothing changes, so `updated_at` stays the same.
    assert read_json(client.put(path, json={"enabled": False})) == changed

    assert read_json(client.delete(path)) == {"message": f"The webhook to {URL} was deleted."}
    assert read_json(client.get("/api/webhooks")) == []
    for response in (client.get(path), client.delete(path), client.put(path, json={})):
        read_error(response, 404, "webhook_not_found")
    read_error(client.get(f"/api/webhooks/{10**30}"), 404, "webhook_not_found")


def test_the_list_is_an_array_of_webhooks_with_masked_secrets(client: Client) -> None:
    webhooks = [create(client), create(client, secret=None), create(client, secret="short")]
    listed = read_json(client.get("/api/webhooks"))
    assert [webhook["id"] for webhook in listed] == [webhook["id"] for webhook in webhooks]
    assert [webhook["secret"] for webhook in listed] == [MASK + webhooks[0]["secret"][-4:], None, MASK]
    assert [webhook["secret_is_masked"] for webhook in listed] == [True, False, True]
    assert {**listed[0], "secret": webhooks[0]["secret"], "secret_is_masked": False} == webhooks[0]


def test_a_secret_is_generated_if_none_is_given(client: Client) -> None:
    first, second = create(client)["secret"], create(client)["secret"]
    assert first != second
    assert first.startswith("whsec_")
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 24
    assert create(client, secret=None)["secret"] is None
    assert create(client, secret="")["secret"] is None


def test_a_masked_secret_changes_nothing(client: Client) -> None:
    webhook = create(client)
    path = f"/api/webhooks/{webhook['id']}"
    masked = read_json(client.get("/api/webhooks"))[0]["secret"]
    assert read_json(client.put(path, json={"secret": masked})) == webhook
    assert read_json(client.put(path, json={"secret": "another"}))["secret"] == "another"
    assert read_json(client.put(path, json={"secret": None}))["secret"] is None
    # A copy of a webhook gets a secret of its own.
    assert create(client, secret=masked)["secret"].startswith("whsec_")


def test_a_secret_that_the_client_chooses_ends_a_rotation(client: Client) -> None:
    path = f"/api/webhooks/{create(client)['id']}"
    rotated = read_json(client.post(f"{path}/rotate-secret"))
    webhook = read_json(client.get(path))
    assert {name: webhook[name] for name in rotated} == rotated
    assert read_json(client.put(path, json={"secret": "mine"}))["previous_secret_expires_at"] is None


def test_a_rotation_without_a_previous_secret_has_no_overlap(client: Client) -> None:
    unsigned = create(client, secret=None)
    rotated = read_json(client.post(f"/api/webhooks/{unsigned['id']}/rotate-secret"))
    assert (rotated["secret"][:6], rotated["previous_secret_expires_at"]) == ("whsec_", None)


def test_a_second_rotation_is_refused_while_the_previous_secret_is_valid(client: Client, database_url: str) -> None:
    path = f"/api/webhooks/{create(client)['id']}"
    rotated = read_json(client.post(f"{path}/rotate-secret"))
    message = read_error(client.post(f"{path}/rotate-secret"), 409, "rotation_pending")
    assert rotated["previous_secret_expires_at"] in message
    read_error(client.post(f"{path}/rotate-secret", json={"force": False}), 409, "rotation_pending")
    webhook = read_json(client.get(path))
    assert {name: webhook[name] for name in rotated} == rotated
    execute(database_url, "UPDATE webhooks SET previous_secret_expires_at = now() - interval '1 second'")
    assert read_json(client.post(f"{path}/rotate-secret"))["secret"] != rotated["secret"]


def test_a_forced_rotation_ends_the_previous_secret(client: Client, database_url: str) -> None:
    path = f"/api/webhooks/{create(client)['id']}"
    first = read_json(client.post(f"{path}/rotate-secret", json={"force": True}))
    second = read_json(client.post(f"{path}/rotate-secret", json={"force": True}))
    rows = execute(database_url, "SELECT secret, previous_secret FROM webhooks")
    assert rows == [(second["secret"], first["secret"])]
    read_error(client.post(f"{path}/rotate-secret", json={"force": 1}), 400, "invalid_parameter", "force")


@pytest.mark.parametrize(
    ("values", "field", "part_of_message"),
    [
        ({"url": None}, "url", "URL"),
        ({"url": 7}, "url", "URL"),
        ({"url": ""}, "url", "Give the URL"),
        ({"url": "ftp://example.com"}, "url", "http"),
        ({"url": "http://"}, "url", "host"),
        ({"url": "http://user:secret@example.com/"}, "url", "password"),
        ({"url": "http://10.0.0.5/"}, "url", "private"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url", "link-local"),
        ({"url": "http://[::1]/"}, "url", "loopback"),
        ({"url": "http://2886729729/"}, "url", "private"),
        ({"url": "http://example.com/\r\nX-Evil: 1"}, "url", "control characters"),
        ({"url": "http://example.com/" + "a" * 2048}, "url", "2,048"),
        ({"event_type": "product.made"}, "event_type", "There is no event type 'product.made'"),
        ({"event_type": ""}, "event_type", "Use one or more of product.created"),
        ({"event_type": None}, "event_type", "string"),
        ({"event_type": ["product.created"]}, "event_type", "string"),
        ({"imports": "all"}, "imports", "none or each"),
        ({"enabled": "yes"}, "enabled", "true or false"),
        ({"secret": "whsec_!"}, "secret", "not base64"),
        ({"secret": "whsec_c2hvcnQ="}, "secret", "24 to 64 bytes, not 5"),
        ({"secret": "x" * 256}, "secret", "255"),
        ({"secret": 7}, "secret", "string"),
        ({"description": "x" * 501}, "description", "500"),
    ],
)
def test_an_invalid_value_is_refused_with_its_field(
    client: Client, values: dict[str, Any], field: str, part_of_message: str
) -> None:
    response = client.post("/api/webhooks", json={"url": URL, "event_type": "*", **values})
    read_error(response, 400, "invalid_webhook", field)
    assert part_of_message in response.json["fields"][field][0]
    webhook = create(client)
    path = f"/api/webhooks/{webhook['id']}"
    read_error(client.put(path, json=values), 400, "invalid_webhook", field)
    assert read_json(client.get(path)) == webhook


def test_a_new_webhook_needs_a_url_and_an_event_type(client: Client) -> None:
    read_error(client.post("/api/webhooks", json={}), 400, "invalid_webhook", "url", "event_type")
    read_error(client.post("/api/webhooks", data="{"), 415, "unsupported_media_type")


def test_the_event_types_are_listed(client: Client) -> None:
    event_types = read_json(client.get("/api/webhooks/events"))
    assert [event_type["event"] for event_type in event_types] == list(events.EVENT_TYPES)


def test_the_health_counts_each_product_of_an_event_as_pending(client: Client) -> None:
    webhook = create(client, event_type="product.updated")["id"]
    for number in range(3):
        client.post("/api/products", json={"sku": f"A{number}"})
    client.post("/api/products/bulk", json={"action": "deactivate", "filter": {}})
    assert read_json(client.get(f"/api/webhooks/{webhook}"))["health"]["pending"] == 3
    # The event has not been split into deliveries yet.
    assert list_deliveries(client, webhook) == []


def test_the_health_counts_the_last_24_hours(client: Client, database_url: str) -> None:
    webhook = create(client)["id"]
    execute(
        database_url,
        "INSERT INTO webhook_hours (webhook_id, hour, delivered, failed, failed_attempts)"
        " SELECT %s, date_trunc('hour', now(), 'UTC') - make_interval(hours => age), 1 + age, 2, 3"
        " FROM unnest(ARRAY[0, 23, 24]) age",
        (webhook,),
    )
    health = read_json(client.get(f"/api/webhooks/{webhook}"))["health"]
    assert (health["delivered"], health["failed"], len(health["hours"])) == (1 + 24, 4, 24)
    first, last = health["hours"][0], health["hours"][-1]
    assert (first["delivered"], first["failed"], first["failed_attempts"]) == (24, 2, 3)
    assert (last["delivered"], last["failed"], last["failed_attempts"]) == (1, 2, 3)
    assert sum(hour["delivered"] for hour in health["hours"]) == 25


def test_the_hours_of_the_health_are_those_of_utc_in_every_time_zone(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    name = database_url.partition("?")[0].rpartition("/")[2]
    # In Nepal, full hours begin 15 minutes later.
    execute(database_url, f"ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'")
    webhook = create(client, url=receiver.url("/ok/x"), event_type="*")["id"]
    start_dispatcher()
    emit_events(database_url)
    wait_for("the delivery", all_finished(database_url, webhook, 1))
    hours = execute(database_url, "SELECT hour = date_trunc('hour', hour, 'UTC') FROM webhook_hours")
    assert hours == [(True,)]
    health = read_json(client.get(f"/api/webhooks/{webhook}"))["health"]
    assert health["delivered"] == sum(hour["delivered"] for hour in health["hours"]) == 1
    assert {hour["hour"][13:] for hour in health["hours"]} == {":00:00Z"}


def test_a_previous_secret_expires_by_the_clock_of_the_database(client: Client, database_url: str) -> None:
    path = f"/api/webhooks/{create(client)['id']}"
    rotated = read_json(client.post(f"{path}/rotate-secret"))
    query = "SELECT previous_secret_expires_at - updated_at FROM webhooks"
    ((valid_for,),) = execute(database_url, query)
    # Both are times of the database, a few statements apart.
    assert abs(valid_for - timedelta(hours=24)) < timedelta(seconds=1)
    assert rotated["previous_secret_expires_at"] == read_json(client.get(path))["previous_secret_expires_at"]
    execute(database_url, "UPDATE webhooks SET previous_secret_expires_at = clock_timestamp()")
    assert read_json(client.get(path))["previous_secret_expires_at"] is None


def test_a_deleted_webhook_is_gone_at_once_with_its_deliveries(client: Client, database_url: str) -> None:
    webhook, other = create(client, event_type="*")["id"], create(client, event_type="*")["id"]
    emit_events(database_url, 3)
    ((delivery,),) = execute(database_url, "SELECT min(id) FROM webhook_deliveries WHERE webhook_id = %s", (webhook,))
    path = f"/api/webhooks/{webhook}"
    read_json(client.delete(path))
    assert [row["id"] for row in read_json(client.get("/api/webhooks"))] == [other]
    since = {"since": "2000-01-01T00:00:00Z"}
    for response in (
        client.get(path),
        client.delete(path),
        client.put(path, json={"enabled": True}),
        client.post(f"{path}/test"),
        client.post(f"{path}/rotate-secret"),
        client.get(f"{path}/deliveries"),
        client.get(f"{path}/deliveries/{delivery}"),
        client.post(f"{path}/deliveries/{delivery}/resend"),
        client.post(f"{path}/recover", json=since),
    ):
        read_error(response, 404, "webhook_not_found")
    emit_events(database_url)
    counts = "SELECT webhook_id, count(*) FROM webhook_deliveries GROUP BY 1 ORDER BY 1"
    assert execute(database_url, counts) == [(webhook, 3), (other, 4)], "it gets no further deliveries"
    secrets = execute(database_url, "SELECT secret, previous_secret FROM webhooks WHERE id = %s", (webhook,))
    assert secrets == [(None, None)]
