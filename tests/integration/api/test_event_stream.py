"""The stream of imports, products and webhooks together."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from access.actors import Actor
from api.events import MAX_IMPORTS, EventSubscription
from api.sse import CHANGE_INTERVAL_SECONDS, JobEvent, StreamHub
from api.topics import PRODUCTS_TOPIC, WEBHOOKS_TOPIC
from support.api import read_error
from support.database import execute
from support.job_streams import COMPLETED, insert_running_job, update_job
from support.processes import Processes
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess, count_connections, count_listening_connections, end_connections

# The listener, a request, and two connections that stay in the pool.
MAX_CONNECTIONS = 4

Event = tuple[str, Any]


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A web process that has not been started."""
    return WebProcess(processes, free_port)


def parse(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the name and the data of each event."""
    name, data = "", ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data += value
        elif not line and data:
            yield name, json.loads(data)
            name, data = "", ""


@contextlib.contextmanager
def follow(web: WebProcess, query: str, *, with_pings: bool = False) -> Iterator[Iterator[Event]]:
    """Open a stream and yield an iterator of its events."""
    with web.open_stream(f"/events?{query}") as response:
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "no-cache" in response.headers["Cache-Control"]
        events = parse(response.iter_lines(chunk_size=1, decode_unicode=True))
        yield (event for event in events if with_pings or event[0] != "ping")


def read_jobs(events: Iterator[Event], count: int) -> list[tuple[str, int]]:
    """Return the ids and the progress of the next jobs, sorted."""
    found = [next(events) for _ in range(count)]
    assert {name for name, _ in found} == {"import"}
    return sorted((job["task_id"], job["progress"]) for _, job in found)


def test_a_stream_reports_several_imports_products_and_webhooks(web: WebProcess, database_url: str) -> None:
    web.start()
    first, second, other = sorted(insert_running_job(database_url) for _ in range(3))
    with follow(web, f"imports={first},{second}&products=true&webhooks=true") as events:
        assert next(events) == ("ready", {"missing": []})
        assert read_jobs(events, 2) == [(first, 0), (second, 0)]
        update_job(database_url, other, "progress = 5")
        update_job(database_url, second, "progress = 40")
        assert read_jobs(events, 1) == [(second, 40)]
        web.call("POST", "/products", {"sku": "A"})
        assert next(events) == ("products", {})
        web.call("POST", "/webhooks", {"url": "https://example.com/", "event_type": "*"})
        assert next(events) == ("webhooks", {})
        update_job(database_url, first, COMPLETED)
        assert read_jobs(events, 1) == [(first, 100)]
        # An import that has ended can be retried, so the stream goes on.
        update_job(database_url, first, "status = 'pending', progress = 0")
        assert read_jobs(events, 1) == [(first, 0)]
        assert count_listening_connections(database_url) == 1


def test_a_stream_reports_only_what_the_client_wants(web: WebProcess, database_url: str) -> None:
    web.start()
    with follow(web, "webhooks=true&products=false") as events:
        assert next(events)[0] == "ready"
        web.call("POST", "/products", {"sku": "A"})
        web.call("POST", "/webhooks", {"url": "https://example.com/", "event_type": "*"})
        assert next(events) == ("webhooks", {})
    with follow(web, "", with_pings=True) as events:
        assert [next(events)[0], next(events)[0]] == ["ready", "ping"]


def test_a_stream_reports_the_list_of_jobs_and_not_their_progress(web: WebProcess, database_url: str) -> None:
    web.start()
    with follow(web, "jobs=true&products=true") as events:
        assert next(events)[0] == "ready"
        started = insert_running_job(database_url)
        assert next(events) == ("jobs", {})
        update_job(database_url, started, "progress = 40")
        web.call("POST", "/products", {"sku": "A"})
        assert next(events) == ("products", {})
        insert_running_job(database_url)
        assert next(events) == ("jobs", {})
        update_job(database_url, started, COMPLETED)
        assert next(events) == ("jobs", {})
        execute(database_url, "DELETE FROM import_jobs WHERE task_id = %s", (started,))
        assert next(events) == ("jobs", {})


def test_unknown_imports_are_named_and_the_others_are_reported(web: WebProcess, database_url: str) -> None:
    web.start()
    known, unknown = insert_running_job(database_url), str(uuid.uuid4())
    with follow(web, f"imports={unknown},{known},,{known}") as events:
        assert next(events) == ("ready", {"missing": [unknown]})
        assert read_jobs(events, 1) == [(known, 0)]


def test_a_stream_takes_one_place_and_no_connection_and_beyond_the_limit_it_is_refused(
    web: WebProcess, database_url: str
) -> None:
    web.start(MAX_STREAMS="1")
    path = f"/events?products=true&imports={','.join(insert_running_job(database_url) for _ in range(MAX_IMPORTS))}"
    with web.open_stream(path) as response:
        events = parse(response.iter_lines(chunk_size=1, decode_unicode=True))
        assert next(events)[0] == "ready"
        assert len(read_jobs(events, MAX_IMPORTS)) == MAX_IMPORTS
        assert count_connections(database_url) <= MAX_CONNECTIONS
        refused = requests.get(f"{web.api_url}/events?products=true", timeout=REQUEST_SECONDS)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")

    def is_accepted() -> bool:
        with web.open_stream("/events") as another:
            return another.status_code == 200

    wait_for("the place is free", is_accepted, seconds=30)


def test_a_stream_reports_what_it_missed_while_its_database_connection_was_lost(
    web: WebProcess, database_url: str
) -> None:
    web.start()
    task_id = insert_running_job(database_url)
    with follow(web, f"imports={task_id}&products=true") as events:
        assert next(events)[0] == "ready"
        assert read_jobs(events, 1) == [(task_id, 0)]
        end_connections(database_url)
        update_job(database_url, task_id, "progress = 50")
        execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
        assert sorted(name for name, _ in (next(events), next(events))) == ["import", "products"]


def test_behind_a_transaction_pooler_the_stream_polls(web: WebProcess, database_url: str) -> None:
    web.start(DATABASE_URL=f"{database_url}&pgbouncer=true")
    task_id = insert_running_job(database_url)
    with follow(web, f"imports={task_id}&products=true") as events:
        assert next(events)[0] == "ready"
        assert read_jobs(events, 1) == [(task_id, 0)]
        update_job(database_url, task_id, "progress = 50")
        assert read_jobs(events, 1) == [(task_id, 50)]
        execute(database_url, "INSERT INTO products (sku) VALUES ('A')")
        assert next(events) == ("products", {})
        assert count_listening_connections(database_url) == 0


@pytest.mark.parametrize(
    "query",
    ["imports=nothing", f"imports={','.join(str(uuid.uuid4()) for _ in range(MAX_IMPORTS + 1))}", "products=maybe"],
    ids=["no id", "too many", "no boolean"],
)
def test_an_unusable_query_is_refused(client: FlaskClient, query: str) -> None:
    read_error(client.get(f"/api/events?{query}"), 400, "invalid_parameter", query.partition("=")[0])


def test_a_stream_that_cannot_start_takes_no_place(
    app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub: StreamHub = app.extensions["streams"]
    task_id = insert_running_job(database_url)
    subscribe = hub.subscribe

    def subscribe_and_lose_the_connection(subscription: EventSubscription, actor: Actor) -> bool:
        is_open = subscribe(subscription, actor)
        end_connections(database_url)
        return is_open

    monkeypatch.setattr(hub, "subscribe", subscribe_and_lose_the_connection)
    assert app.test_client().get(f"/api/events?imports={task_id}").status_code in {200, 503}
    wait_for("no stream is open", lambda: hub.streams == 0)


# The subscription alone.


def test_only_the_newest_state_of_a_job_waits_for_a_slow_client() -> None:
    subscription = EventSubscription({1, 2}, keep_alive_seconds=0)
    for topic, revision in ((1, 3), (2, 1), (1, 5), (1, 4)):
        subscription.publish(topic, JobEvent(revision, f"id: {topic}.{revision}\n\n", final=False))
    texts = iter(subscription)
    assert next(texts) == "event: import\nid: 1.5\n\nevent: import\nid: 2.1\n\n"
    assert next(texts) is None


def test_changes_are_reported_at_once_and_then_after_the_interval() -> None:
    subscription = EventSubscription({PRODUCTS_TOPIC, WEBHOOKS_TOPIC}, keep_alive_seconds=CHANGE_INTERVAL_SECONDS / 10)
    texts = iter(subscription)
    subscription.publish(PRODUCTS_TOPIC, None)
    assert next(texts) == "event: products\ndata: {}\n\n"
    subscription.publish(PRODUCTS_TOPIC, None)
    subscription.publish(PRODUCTS_TOPIC, None)
    subscription.publish(WEBHOOKS_TOPIC, None)
    assert next(texts) == "event: webhooks\ndata: {}\n\n"
    later = [next(texts)]
    while later[-1] is None:
        later.append(next(texts))
    assert later[-1] == "event: products\ndata: {}\n\n"
    assert len(later) > 1
    assert next(texts) is None
