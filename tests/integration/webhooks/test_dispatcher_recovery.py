"""Delivering goes on: whatever is changed meanwhile, whichever process or connection dies."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

import tasks
import webhook_service
from importer.pipeline.runner import ImportRunner
from support.database import execute
from support.jobs import create_job, run_import
from support.processes import Processes
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import Client, StartDispatcher, numbers, settled, statuses, subscribe, tell
from webhooks import dispatcher

# Whatever is changed or dies.


def test_changes_of_a_webhook_count_at_once(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/old"))
    start_dispatcher(concurrency=1)
    tell(database_url, 6)
    wait_for("the first is out", lambda: receiver.count("/slow/1/old") >= 1)
    client.put(f"/api/webhooks/{webhook}", json={"url": receiver.url("/ok/new")})
    wait_for("all", settled(database_url, webhook, 6))
    assert receiver.count("/ok/new") >= 3
    assert numbers(receiver, "/slow/1/old") + numbers(receiver, "/ok/new") == [1, 2, 3, 4, 5, 6]


def test_what_is_on_its_way_waits_while_the_webhook_is_off(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/x"))
    start_dispatcher(concurrency=1)
    tell(database_url, 5)
    wait_for("the first is out", lambda: receiver.count() >= 1)
    client.put(f"/api/webhooks/{webhook}", json={"enabled": False})
    time.sleep(1.5)
    out = receiver.count()
    assert out < 5
    time.sleep(1.5)
    assert receiver.count() == out
    client.put(f"/api/webhooks/{webhook}", json={"enabled": True})
    wait_for("all", settled(database_url, webhook, 5))
    assert numbers(receiver, "/slow/1/x") == [1, 2, 3, 4, 5]


def test_a_deleted_webhook_gets_nothing_more(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/1/x"))
    other = subscribe(client, receiver.url("/ok/other"))
    start_dispatcher(concurrency=1)
    tell(database_url, 5)
    wait_for("the first is out", lambda: receiver.count("/slow/1/x") >= 1)
    assert client.delete(f"/api/webhooks/{webhook}").status_code == 200
    wait_for("the other", settled(database_url, other, 5))
    time.sleep(2.5)
    assert receiver.count("/slow/1/x") < 4
    assert execute(database_url, "SELECT count(*) FROM webhook_deliveries") == [(5,)]
    tell(database_url)
    wait_for("the other goes on", settled(database_url, other, 6))


def test_while_a_secret_is_rotated_both_sign(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    old = client.get(f"/api/webhooks/{webhook}").json["secret"]
    rotated = client.post(f"/api/webhooks/{webhook}/rotate-secret").json
    left = datetime.fromisoformat(rotated["previous_secret_expires_at"][:-1] + "+00:00") - datetime.now(UTC)
    assert 23.9 < left.total_seconds() / 3600 <= 24
    start_dispatcher()
    tell(database_url)
    wait_for("it arrived", lambda: receiver.count() == 1)
    execute(database_url, "UPDATE webhooks SET previous_secret_expires_at = now(), url = url")
    tell(database_url)
    wait_for("the second", lambda: receiver.count() == 2)
    for request, secrets in zip(receiver.requests(), [[rotated["secret"], old], [rotated["secret"]]], strict=True):
        id, timestamp = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
        expected = [webhook_service.sign(secret, id, timestamp, request.body) for secret in secrets]
        assert request.headers["webhook-signature"].split(" ") == expected


def test_two_deliverers_share_the_work_and_send_nothing_twice(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhooks = [subscribe(client, receiver.url(f"/ok/{number}")) for number in range(4)]
    start_dispatcher()
    start_dispatcher()
    tell(database_url, 60)
    for number, webhook in enumerate(webhooks):
        wait_for("all", settled(database_url, webhook, 60))
        assert numbers(receiver, f"/ok/{number}") == list(range(1, 61))


def test_a_lease_that_ran_out_is_taken_over(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    execute(
        database_url,
        "UPDATE webhooks SET lease_token = gen_random_uuid(), lease_holder = 'elsewhere 1 1',"
        " lease_expires_at = now() + interval '3 seconds'",
    )
    start_dispatcher()
    tell(database_url)
    time.sleep(1)
    assert receiver.count() == 0
    wait_for("taken over", settled(database_url, webhook, 1))


def test_the_database_may_go_away_meanwhile(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/slow/0.1/x"))
    start_dispatcher()
    tell(database_url, 10)
    wait_for("the first is out", lambda: receiver.count() >= 1)
    execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    wait_for("all", settled(database_url, webhook, 10))
    assert set(numbers(receiver, "/slow/0.1/x")) == set(range(1, 11))
    ids = [request.headers["webhook-id"] for request in receiver.requests()]
    assert len(set(ids)) == 10


def test_behind_a_transaction_pooler_it_looks_by_itself(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    start_dispatcher(pooled=True)
    time.sleep(0.5)
    tell(database_url, 3)
    wait_for("all", settled(database_url, webhook, 3))


def test_old_deliveries_are_removed(
    client: Client, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    first = start_dispatcher()
    tell(database_url, 4)
    wait_for("all", settled(database_url, webhook, 4))
    first.stop()
    execute(
        database_url,
        "UPDATE webhook_events SET created_at = created_at - interval '31 days' WHERE id IN"
        " (SELECT id FROM webhook_events ORDER BY id LIMIT 3)",
    )
    start_dispatcher(retention_days=30)
    wait_for("three are gone", lambda: statuses(database_url, webhook) == {"delivered": 1})
    assert execute(database_url, "SELECT count(*) FROM webhook_attempts") == [(1,)]


# Imports.


def test_products_of_an_import_wait_until_no_import_runs(
    client: Client, runner: ImportRunner, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    subscribe(client, receiver.url("/ok/x"), "products.imported,import.completed")
    start_dispatcher()
    waiting = create_job(runner, b"sku\nlater\n")
    run_import(runner, "sku\nA\n")
    time.sleep(2.5)
    assert receiver.count() == 0
    runner.run(waiting)
    wait_for("all", lambda: receiver.count() == 4)
    told = [json.loads(request.body)["event"] for request in receiver.requests()]
    assert told == ["products.imported", "import.completed"] * 2


def test_products_of_an_import_do_not_wait_for_ever(
    client: Client,
    runner: ImportRunner,
    database_url: str,
    receiver: Receiver,
    start_dispatcher: StartDispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher, "PATIENCE_SECONDS", 1)
    subscribe(client, receiver.url("/ok/x"), "products.imported")
    start_dispatcher()
    create_job(runner, b"sku\nnever\n")
    run_import(runner, "sku\nA\n")
    wait_for("it was told", lambda: receiver.count() == 1)


def test_thousands_of_single_events_are_cut_as_they_go_out(
    client: Client, runner: ImportRunner, database_url: str, receiver: Receiver, start_dispatcher: StartDispatcher
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"), "product.created", imports="each")
    start_dispatcher()
    run_import(runner, "sku\n" + "".join(f"k{number:04}\n" for number in range(2000)))
    wait_for("all", settled(database_url, webhook, 2000))
    skus = sorted(json.loads(request.body)["product"]["sku"] for request in receiver.requests())
    assert skus == [f"k{number:04}" for number in range(2000)]
    # As they were started; on a busy machine the receiver may come to one before another.
    query = (
        "SELECT e.created[d.position + 1] FROM webhook_attempts a JOIN webhook_deliveries d ON d.id = a.delivery_id"
        " JOIN webhook_events e ON e.id = d.event_id ORDER BY a.at"
    )
    told = [number for (number,) in execute(database_url, query)]
    assert told == [number for (number,) in execute(database_url, "SELECT id FROM products ORDER BY sku")]


# Real processes.


def test_killed_in_the_middle_nothing_is_lost(
    client: Client, database_url: str, receiver: Receiver, processes: Processes
) -> None:
    webhook = subscribe(client, receiver.url("/slow/0.05/x"))
    first = processes.start("-m", "webhooks.dispatcher")
    tell(database_url, 120)
    wait_for("it is at work", lambda: receiver.count() >= 10)
    first.kill()
    first.wait()
    processes.start("-m", "webhooks.dispatcher")
    wait_for("all", settled(database_url, webhook, 120))
    assert set(numbers(receiver, "/slow/0.05/x")) == set(range(1, 121))
    assert receiver.count() <= 130, "what was under way is sent again, no more"


def test_a_worker_delivers_also_while_its_broker_is_away(
    client: Client, database_url: str, receiver: Receiver, processes: Processes
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    worker = processes.start_worker(CELERY_BROKER_URL="amqp://guest:guest@127.0.0.1:9//")
    tell(database_url)
    wait_for("it arrived", settled(database_url, webhook, 1))
    worker.kill()
    wait_for("its deliverer ends with it", lambda: not deliverers(database_url))


def test_a_deliverer_that_ends_is_started_again(
    client: Client, database_url: str, receiver: Receiver, processes: Processes
) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"))
    worker = processes.start_worker()
    wait_for("a deliverer", lambda: deliverers(database_url))
    for process in children(worker.pid):
        if "webhooks.dispatcher" in process.cmdline():
            process.kill()
    tell(database_url)
    wait_for("it arrived", settled(database_url, webhook, 1))
    worker.terminate()
    worker.wait(30)
    wait_for("no lease is left", lambda: not deliverers(database_url))


def test_the_first_deliverer_is_there_before_the_worker_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    # A child forked meanwhile would keep the pipe open by which the start of a program is confirmed: for ever.
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
    keeper = tasks.DelivererProcess()
    keeper.start()
    assert started == [threading.current_thread()]
    keeper.stop()
    keeper.join(60)
    assert not keeper.is_alive()


def deliverers(url: str) -> int:
    """How many connections listen for deliveries."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%webhook%%'"
    return int(execute(url, query + " AND pid <> pg_backend_pid()")[0][0])


def children(pid: int) -> Any:
    return psutil.Process(pid).children(recursive=True)
