"""Rare conditions behind the API: rows and clients that vanish, clocks that differ, a cancelled VACUUM."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

import psycopg2
import pytest
from flask import Flask

from api.products.export import _client_of
from api.sse import JobEvent, JobSubscription, StreamHub
from catalogue import search_indexes, table_upkeep
from catalogue.export import ExportLimitExceeded, ExportLimits, _BlockQueue
from catalogue.search_indexes import IndexBuildError
from models import Webhook, db
from support.api import read_error, read_json
from support.bulk import is_waiting_for_lock, open_transaction
from support.database import execute
from support.search_indexes import create_products
from support.threads import Threads
from support.waiting import wait_for
from support.webhooks import Client, emit_events, list_deliveries, subscribe

URL = "https://example.com/hooks"


def test_a_delivery_that_is_removed_while_it_is_resent_is_not_found(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    emit_events(database_url)
    (delivery,) = list_deliveries(client, webhook)
    path = f"/api/webhooks/{webhook}/deliveries/{delivery['id']}/resend"
    with Threads() as threads, open_transaction(database_url) as cursor:
        cursor.execute("DELETE FROM webhook_deliveries")
        threads.start(lambda: read_error(client.post(path), 404, "delivery_not_found"))
        wait_for("the call", lambda: is_waiting_for_lock(database_url, "WITH chosen"))


def test_the_health_has_no_hour_of_the_future(client: Client, database_url: str) -> None:
    webhook = subscribe(client, URL)
    execute(
        database_url,
        "INSERT INTO webhook_hours (webhook_id, hour, delivered, failed, failed_attempts)"
        " VALUES (%s, date_trunc('hour', now(), 'UTC') + interval '2 hours', 5, 2, 3)",
        (webhook,),
    )
    health = read_json(client.get(f"/api/webhooks/{webhook}"))["health"]
    assert (health["delivered"], health["failed"], len(health["hours"])) == (5, 2, 24)
    assert sum(hour["delivered"] + hour["failed"] for hour in health["hours"]) == 0


def test_the_subscription_to_a_job_ignores_a_change_without_a_state() -> None:
    def connect() -> Any:
        raise NotImplementedError

    hub = StreamHub(
        connect, lambda _ids: {}, lambda _actors: set(), max_streams=1, listen=True, keep_alive_seconds=0.05
    )
    subscription = JobSubscription(hub, 1)
    subscription.publish(1, None)
    subscription.publish(1, JobEvent(1, "completed", True))
    assert list(subscription) == ["completed"]


def test_a_commit_outside_of_a_request_is_stored(app: Flask, database_url: str) -> None:
    with app.app_context():
        db.session.add(Webhook(url=URL, event_type="*"))
        db.session.commit()
    assert execute(database_url, "SELECT url FROM webhooks") == [(URL,)]


def test_a_cancelled_vacuum_is_reported_as_a_problem_of_the_build(database_url: str) -> None:
    def cancel_vacuum() -> Any:
        return execute(
            database_url,
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'VACUUM%%' AND wait_event_type = 'Lock'",
            (),
        )

    def build() -> None:
        with pytest.raises(IndexBuildError, match=r"^vacuum: canceling statement due to user request$"):
            search_indexes.build_indexes(database_url, [])

    create_products(database_url, 100)
    wait_for("the statistics", lambda: execute(database_url, table_upkeep.COUNT_UNVACUUMED_SQL) == [(100,)])
    with contextlib.closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE products IN SHARE UPDATE EXCLUSIVE MODE")
        with Threads() as threads:
            threads.start(build)
            wait_for("the vacuum is cancelled", cancel_vacuum)
    assert search_indexes.build_indexes(database_url, [])


def test_the_speed_of_an_export_in_one_window_does_not_count_in_the_next() -> None:
    limits = ExportLimits(window_seconds=10, min_bytes_per_second=100)
    blocks = _BlockQueue(limits)
    blocks._check_rate(10, 1_000_000)
    blocks._check_rate(9, 0)
    with pytest.raises(ExportLimitExceeded, match=r"less than 0\.1 kB per second"):
        blocks._check_rate(1, 999)


def test_the_client_of_an_export_that_has_reset_its_connection_counts_as_disconnected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    with ours:
        client = _client_of(ours)
        assert not client.is_disconnected()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        theirs.close()
        wait_for("the reset arrives", client.is_disconnected)
