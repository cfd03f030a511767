"""The dispatcher carries on when webhooks change and when processes or connections die."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from database.connect import Component
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import create_job, run_import
from support.processes import Processes
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import (
    Client,
    StartDispatcher,
    all_finished,
    count_by_status,
    emit_events,
    received_numbers,
    sent_numbers,
    subscribe,
)
from webhooks import signing
from webhooks.process import DispatcherProcess

# Changes and failures


def test_changes_of_a_webhook_apply_at_once(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/old"))
    start_dispatcher(concurrency=1)
    emit_events(database_url, 6)
    wait_for("the first request", lambda: receiver.count("/slow/1/old") >= 1)
    client.put(f"/api/webhooks/{webhook}", json={"url": receiver.url("/ok/new")})
    wait_for("all", all_finished(database_url, webhook, 6))
    assert receiver.count("/ok/new") >= 3
    assert received_numbers(receiver, "/slow/1/old") + received_numbers(receiver, "/ok/new") == [1, 2, 3, 4, 5, 6]


def test_deliveries_wait_while_their_webhook_is_disabled(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/x"))
    start_dispatcher(concurrency=1)
    emit_events(database_url, 5)
    wait_for("the first request", lambda: receiver.count() >= 1)
    client.put(f"/api/webhooks/{webhook}", json={"enabled": False})
    wait_for("the running request to finish", lambda: count_by_status(database_url, webhook).get("delivered") == 1)
    sent = receiver.count()
    assert sent < 5
    # A request takes one second, so another one would have started by then.
    time.sleep(1.5)
    assert receiver.count() == sent
    client.put(f"/api/webhooks/{webhook}", json={"enabled": True})
    wait_for("all", all_finished(database_url, webhook, 5))
    assert received_numbers(receiver, "/slow/1/x") == [1, 2, 3, 4, 5]


def test_a_deleted_webhook_gets_no_more_requests(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/x"))
    other = subscribe(client, receiver.url("/ok/other"))
    start_dispatcher(concurrency=1)
    emit_events(database_url, 5)
    wait_for("the first request", lambda: receiver.count("/slow/1/x") >= 1)
    assert client.delete(f"/api/webhooks/{webhook}").status_code == 200
    wait_for("the other", all_finished(database_url, other, 5))
    sent = receiver.count("/slow/1/x")
    assert sent < 4
    # A request takes one second, so another one would have started by then.
    time.sleep(1.5)
    assert receiver.count("/slow/1/x") == sent
    wait_for("the removal", lambda: execute(database_url, "SELECT count(*) FROM webhook_deliveries") == [(5,)])
    emit_events(database_url)
    wait_for("the other goes on", all_finished(database_url, other, 6))


def test_both_secrets_sign_during_a_rotation(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    old = client.get(f"/api/webhooks/{webhook}").json["secret"]
    rotated = client.post(f"/api/webhooks/{webhook}/rotate-secret").json
    left = datetime.fromisoformat(rotated["previous_secret_expires_at"][:-1] + "+00:00") - datetime.now(UTC)
    assert 23.9 < left.total_seconds() / 3600 <= 24
    start_dispatcher()
    emit_events(database_url)
    wait_for("the delivery", lambda: receiver.count() == 1)
    execute(database_url, "UPDATE webhooks SET previous_secret_expires_at = now(), url = url")
    emit_events(database_url)
    wait_for("the second", lambda: receiver.count() == 2)
    for request, secrets in zip(receiver.requests(), [[rotated["secret"], old], [rotated["secret"]]], strict=True):
        id, timestamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        expected = [signing.sign(secret, id, timestamp, request.body) for secret in secrets]
        assert request.headers["webhook-signature"].split(" ") == expected


def test_two_dispatchers_share_the_webhooks_and_send_nothing_twice(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhooks = [subscribe(client, receiver.url(f"/ok/{number}")) for number in range(4)]
    start_dispatcher()
    start_dispatcher()
    emit_events(database_url, 60)
    for number, webhook in enumerate(webhooks):
        wait_for("all", all_finished(database_url, webhook, 60))
        assert sorted(received_numbers(receiver, f"/ok/{number}")) == list(range(1, 61))
        assert sent_numbers(database_url, webhook) == list(range(1, 61))


def test_an_expired_lease_is_taken_over(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    execute(
        database_url,
        "UPDATE webhooks SET lease_token = gen_random_uuid(), lease_holder = 'elsewhere 1 1',"
        " lease_expires_at = now() + interval '3 seconds'",
    )
    start_dispatcher()
    emit_events(database_url)
    # The dispatcher checks for free leases once a second.
    time.sleep(1)
    assert receiver.count() == 0
    wait_for("the takeover", all_finished(database_url, webhook, 1))


def test_nothing_is_lost_when_database_connections_break(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/0.1/x"))
    start_dispatcher()
    emit_events(database_url, 10)
    wait_for("the first request", lambda: receiver.count() >= 1)
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    wait_for("all", all_finished(database_url, webhook, 10))
    assert set(received_numbers(receiver, "/slow/0.1/x")) == set(range(1, 11))
    ids = [request.headers["webhook-id"] for request in receiver.requests()]
    assert len(set(ids)) == 10


def test_behind_a_transaction_pooler_the_dispatcher_polls(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    start_dispatcher(pooled=True)
    wait_for("the dispatcher", lambda: count_dispatchers(database_url))
    emit_events(database_url, 3)
    wait_for("all", all_finished(database_url, webhook, 3))


def test_old_deliveries_are_deleted(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    first = start_dispatcher()
    emit_events(database_url, 4)
    wait_for("all", all_finished(database_url, webhook, 4))
    first.stop()
    execute(
        database_url,
        "UPDATE webhook_events SET created_at = created_at - interval '31 days' WHERE id IN"
        " (SELECT id FROM webhook_events ORDER BY id LIMIT 3)",
    )
    start_dispatcher(retention_days=30)
    wait_for("three to be deleted", lambda: count_by_status(database_url, webhook) == {"delivered": 1})
    assert execute(database_url, "SELECT count(*) FROM webhook_attempts") == [(1,)]


# Imports


def test_the_event_of_an_import_waits_until_no_import_runs(
    client: Client, runner: ImportRunner, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    subscribe(client, receiver.url("/ok/x"), "products.imported,import.completed")
    start_dispatcher()
    waiting = create_job(runner, b"sku\nlater\n")
    run_import(runner, "sku\nA\n")
    # The dispatcher checks for due deliveries once a second.
    time.sleep(2.5)
    assert receiver.count() == 0
    runner.run(waiting)
    wait_for("all", lambda: receiver.count() == 4)
    received = [json.loads(request.body)["event"] for request in receiver.requests()]
    assert received == ["products.imported", "import.completed"] * 2


def test_the_event_of_an_import_does_not_wait_forever(
    client: Client, runner: ImportRunner, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    subscribe(client, receiver.url("/ok/x"), "products.imported")
    start_dispatcher(import_wait_seconds=1)
    create_job(runner, b"sku\nnever\n")
    run_import(runner, "sku\nA\n")
    wait_for("the event", lambda: receiver.count() == 1)


def test_thousands_of_single_events_are_expanded_in_order(
    client: Client, runner: ImportRunner, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"), "product.created", imports="each")
    start_dispatcher()
    run_import(runner, "sku\n" + "".join(f"k{number:04}\n" for number in range(2000)))
    wait_for("all", all_finished(database_url, webhook, 2000))
    skus = sorted(json.loads(request.body)["product"]["sku"] for request in receiver.requests())
    assert skus == [f"k{number:04}" for number in range(2000)]
    # Compare the order in which requests started: on a busy machine the receiver may handle them in another order.
    query = (
        "SELECT e.created[d.position + 1] FROM webhook_attempts a JOIN webhook_deliveries d ON d.id = a.delivery_id"
        " JOIN webhook_events e ON e.id = d.event_id ORDER BY a.at"
    )
    sent = [number for (number,) in execute(database_url, query)]
    assert sent == [number for (number,) in execute(database_url, "SELECT id FROM products ORDER BY sku")]


# Processes


def test_nothing_is_lost_when_a_dispatcher_is_killed(
    client: Client, database_url: str, receiver: Receiver, processes: Processes
) -> None:
    webhook = subscribe(client, receiver.url("/slow/0.05/x"))
    first = processes.start("-m", "webhooks.dispatcher")
    emit_events(database_url, 120)
    wait_for("the first requests", lambda: receiver.count() >= 10)
    first.kill()
    first.wait()
    processes.start("-m", "webhooks.dispatcher")
    wait_for("all", all_finished(database_url, webhook, 120))
    assert set(received_numbers(receiver, "/slow/0.05/x")) == set(range(1, 121))
    assert receiver.count() <= 130, "only requests without a result are repeated"


def test_a_worker_delivers_without_its_broker(
    client: Client, database_url: str, receiver: Receiver, processes: Processes
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    worker = processes.start_worker(CELERY_BROKER_URL="amqp://guest:guest@127.0.0.1:9//")
    emit_events(database_url)
    wait_for("the delivery", all_finished(database_url, webhook, 1))
    worker.kill()
    wait_for("the end of its dispatcher", lambda: not count_dispatchers(database_url))


def test_a_dispatcher_that_ends_is_started_again(
    client: Client, database_url: str, receiver: Receiver, processes: Processes
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    worker = processes.start_worker()
    wait_for("a dispatcher", lambda: count_dispatchers(database_url))
    for process in list_children(worker.pid):
        if "webhooks.dispatcher" in process.cmdline():
            process.kill()
    emit_events(database_url)
    wait_for("the delivery", all_finished(database_url, webhook, 1))
    worker.terminate()
    worker.wait(30)
    wait_for("the end of its dispatcher", lambda: not count_dispatchers(database_url))


def test_the_first_dispatcher_starts_before_the_worker_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    # A child that forks during `Popen` would inherit the pipe on which `Popen` waits, and keep it waiting forever.
    started: list[threading.Thread] = []
    ended = threading.Event()

    class Program:
        def __init__(self, *_: Any, **__: Any) -> None:
            started.append(threading.current_thread())

        def wait(self) -> int:
            ended.wait(60)
            return 0

        def send_signal(self, _: int) -> None:
            ended.set()

    monkeypatch.setattr(subprocess, "Popen", Program)
    supervisor = DispatcherProcess()
    supervisor.start()
    assert started == [threading.current_thread()]
    supervisor.stop()
    supervisor.join(60)
    assert not supervisor.is_alive()


def count_dispatchers(url: str) -> int:
    """Return the number of database connections of dispatchers."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    return int(execute(url, query, (Component.DISPATCHER.value,))[0][0])


def list_children(pid: int) -> Any:
    """Return the child processes of a process, and theirs."""
    return psutil.Process(pid).children(recursive=True)
