"""Two web processes and three workers on machines of their own, a RabbitMQ cluster, PostgreSQL and S3.

The clocks of the machines are ten minutes apart. Whatever is killed, paused or disconnected: nothing is lost, nothing
is doubled, and everything ends by itself. The tests share one cluster. A long run is

    SOAK_SECONDS=3600 SOAK_KILLS=20 python -m pytest tests/integration/cluster --timeout 5400 -s
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

import psycopg2
import pytest
import requests
from psycopg2.extensions import cursor as Cursor

from access.tokens import hash_token
from api.request_limits import CLIENT_HASH_BYTES
from support.cluster import CALL_SECONDS, REQUESTS_PER_MINUTE, Cluster, list_faults, running_brokers, running_cluster
from support.database import execute, temporary_database
from support.receiver import Received, Receiver
from support.s3 import S3Server
from support.search_indexes import PARTS, create_products, list_parts
from support.sign_in import PASSWORD, create_key, create_user
from support.waiting import wait_for
from webhooks.signing import sign

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
SOAK_KILLS = int(os.environ.get("SOAK_KILLS", "9"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
ROWS = 10_000
SKUS_PER_FILE = 3000
END_SECONDS = 180
MAX_UNFINISHED = 3
UPLOAD_SECONDS = 2
# Receivers refuse signatures that are older or newer (Standard Webhooks 1.0).
SIGNATURE_SECONDS = 300
UNDO_DAYS = 7
EMAIL = "ada@example.com"
# Clients on the machine of the server have no limit.
ELSEWHERE = {"X-Forwarded-For": "198.51.100.7"}
TOO_MANY_REQUESTS = 429
SUM_UP_PRODUCTS_SQL = """
SELECT split_part(sku, '-', 1), count(*), min(split_part(name, ' ', 2)::int), max(split_part(name, ' ', 2)::int)
FROM products WHERE sku LIKE 'F%-%' GROUP BY 1
"""
INSERT_OLD_ENTRY_SQL = """
INSERT INTO audit_entries (at, actor_type, actor_name, action)
VALUES (clock_timestamp() - interval '100 years', 'local', 'local', 'session.created')
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks, with the right time."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def cluster(
    server_url: str, database_cursor: Cursor, moto: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The product on three machines, for all tests of this file."""
    with (
        temporary_database(server_url, database_cursor) as url,
        running_brokers(tmp_path_factory.mktemp) as brokers,
        running_cluster(url, brokers, moto, tmp_path_factory.mktemp("machines")) as cluster,
    ):
        yield cluster


def make_file(number: int, rows: int = ROWS) -> str:
    """Return a file whose SKUs no other file has; each of its products has several rows, so the last one counts.

    A long soak takes thousands of numbers, from 1. The other tests take those above a million.
    """
    lines = ["sku,name,description"]
    for row in range(rows):
        lines.append(f"F{number}-{row % SKUS_PER_FILE},Name {row},{'d' * 60}")
    return "\n".join(lines) + "\n"


def check_results(cluster: Cluster, numbers: dict[str, int]) -> None:
    """Check that each import has the counts and the products that it has without interruptions."""
    # One statement for all of them: a long run has a million products.
    products = {file: tuple(values) for file, *values in execute(cluster.url, SUM_UP_PRODUCTS_SQL)}
    for task_id, number in numbers.items():
        job = cluster.read_job(task_id)
        assert (job["status"], job["error_message"]) == ("completed", None)
        assert (job["created_count"], job["updated_count"], job["rejected_count"]) == (SKUS_PER_FILE, 0, 0), job
        assert products[f"F{number}"] == (SKUS_PER_FILE, ROWS - SKUS_PER_FILE, ROWS - 1)


def check_signature(request: Received, secret: str) -> None:
    """Check a request as receivers do, whose clock is right."""
    id, at = request.headers["webhook-id"], int(request.headers["webhook-timestamp"])
    assert hmac.compare_digest(sign(secret, id, at, request.body), request.headers["webhook-signature"])
    assert abs(request.received_at - at) <= SIGNATURE_SECONDS, (request.received_at, at)


def test_progress_and_cancellation_work_from_any_machine(cluster: Cluster) -> None:
    # Each is begun on one machine and used on the other. The clock of machine a is ten minutes ahead.
    task_id = cluster.upload("b", make_file(1_000_001))
    assert task_id is not None
    headers = {"Authorization": f"Bearer {cluster.key}"}
    address = cluster.address("a", f"/api/upload/progress/{task_id}/stream")
    with requests.get(address, headers=headers, stream=True, timeout=CALL_SECONDS) as stream:
        events = [line for line in stream.iter_lines() if line.startswith(b"data: ")]
    states = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert (states[-1]["status"], states[-1]["created_count"]) == ("completed", SKUS_PER_FILE)
    ages = [state["seconds_since_update"] for state in states if state["seconds_since_update"] is not None]
    assert all(age < SIGNATURE_SECONDS for age in ages), ages
    waiting = cluster.upload("b", make_file(1_000_002), preview="true")
    assert waiting is not None
    wait_for("the check has ended", lambda: cluster.read_job(waiting)["status"] == "awaiting_confirmation")
    assert cluster.call("a", "POST", f"/api/imports/{waiting}/cancel").status_code == requests.codes.accepted
    assert cluster.read_job(waiting)["status"] == "cancelled"
    assert cluster.call("b", "POST", f"/api/imports/{waiting}/retry").status_code == requests.codes.accepted
    check_results(cluster, {task_id: 1_000_001})


def test_webhooks_are_signed_with_the_right_time(cluster: Cluster, receiver: Receiver) -> None:
    body = {"url": receiver.url("/ok/signed"), "event_type": "import.completed,product.created"}
    webhook = cluster.call("a", "POST", "/api/webhooks", json=body).json()
    address = f"/api/webhooks/{webhook['id']}"
    for name in ("a", "b"):
        assert cluster.call(name, "POST", f"{address}/test").json()["test_result"]["success"]
        product = {"sku": f"made-on-{name}", "name": "x"}
        assert cluster.call(name, "POST", "/api/products", json=product).status_code == requests.codes.created
    wait_for("both events have arrived", lambda: receiver.count("/ok/signed") >= 4)
    for name in ("a", "b"):
        again = cluster.call(
            name, "POST", f"{address}/deliveries/resend", json={"filter": {"event": "product.created"}}
        )
        assert again.json()["count"] == 2
        wait_for("both are sent again", lambda: count_pending(cluster.url) == 0)
    for request in receiver.requests("/ok/signed"):
        check_signature(request, webhook["secret"])
    assert cluster.call("b", "DELETE", address).ok


def test_sessions_and_limits_belong_to_no_machine(cluster: Cluster) -> None:
    user = create_user(cluster.url, "viewer", email=EMAIL, password=PASSWORD)
    with requests.Session() as browser:
        credentials = {"email": EMAIL, "password": PASSWORD}
        assert browser.post(cluster.address("a", "/api/session"), json=credentials, timeout=CALL_SECONDS).ok
        who = browser.get(cluster.address("b", "/api/session"), timeout=CALL_SECONDS)
        assert who.json()["actor"]["role"] == "viewer"
        token = browser.cookies.copy()
        assert browser.delete(cluster.address("b", "/api/session"), timeout=CALL_SECONDS).ok
        who = requests.get(cluster.address("a", "/api/session"), cookies=token, timeout=CALL_SECONDS)
        assert who.status_code == requests.codes.unauthorized
    # Both machines count the requests of a minute in the same row.
    key = create_key(cluster.url, user)
    get = partial(cluster.call, method="GET", path="/api/products", key=key, headers=ELSEWHERE)
    client = f"key {hash_token(key)[:CLIENT_HASH_BYTES].hex()}"
    for name in ("a", "b"):
        assert get(name).ok
    read_sql = "SELECT sum(requests), max(abs(minute - extract(epoch FROM clock_timestamp()) / 60)) FROM request_counts"
    wait_for("both were counted", lambda: execute(cluster.url, f"{read_sql} WHERE client = %s", (client,))[0][0] == 2)
    [(_, minutes)] = execute(cluster.url, f"{read_sql} WHERE client = %s", (client,))
    assert minutes < SIGNATURE_SECONDS / 60
    used_up_sql = "UPDATE request_counts SET requests = %s WHERE client = %s"
    execute(cluster.url, used_up_sql, (5 * REQUESTS_PER_MINUTE, client))
    wait_for("machine a refuses", lambda: get("a").status_code == TOO_MANY_REQUESTS)
    wait_for("machine b refuses", lambda: get("b").status_code == TOO_MANY_REQUESTS)


def test_deadlines_and_search_indexes_do_not_depend_on_a_machine(cluster: Cluster) -> None:
    dry_run = {"action": "deactivate", "filter": {}, "dry_run": True}
    for name in ("a", "b"):
        answer = cluster.call(name, "POST", "/api/products/bulk", json=dry_run)
        [(now,)] = execute(cluster.url, "SELECT clock_timestamp()")
        # The page shows by it how long ago something happened.
        assert abs(parsedate_to_datetime(answer.headers["Date"]) - now) < timedelta(seconds=SIGNATURE_SECONDS)
        lasts = datetime.fromisoformat(answer.json()["undo_until"]) - now
        assert abs(lasts - timedelta(days=UNDO_DAYS)) < timedelta(seconds=SIGNATURE_SECONDS)
    create_products(cluster.url)
    wait_for("a worker has built the search indexes", lambda: list_parts(cluster.url) == PARTS, seconds=END_SECONDS)


def test_whatever_fails_nothing_is_lost_or_doubled(cluster: Cluster, receiver: Receiver) -> None:
    body = {"url": receiver.url("/ok/soak"), "event_type": "import.completed"}
    webhook = cluster.call("a", "POST", "/api/webhooks", json=body).json()
    expired = create_expired_job(cluster)
    execute(cluster.url, INSERT_OLD_ENTRY_SQL)
    [(last,)] = execute(cluster.url, "SELECT max(id) FROM import_jobs")
    chance = random.Random(SEED)
    numbers: dict[str, int] = {}
    stopping = threading.Event()

    def upload_until_stopped() -> None:
        for number in itertools.count(1):
            if stopping.is_set():
                return
            if task_id := cluster.upload(chance.choice("ab"), make_file(number)):
                numbers[task_id] = number
            # Never more than a few at a time, so that the end comes soon after the last upload.
            while not stopping.wait(UPLOAD_SECONDS):
                # One of the faults ends all connections, also this one.
                with contextlib.suppress(psycopg2.OperationalError):
                    if count_unfinished(cluster.url) < MAX_UNFINISHED:
                        break

    thread = threading.Thread(target=upload_until_stopped)
    thread.start()
    faults = Counter[str]()
    try:
        ends_at = time.monotonic() + SOAK_SECONDS
        for number in range(SOAK_KILLS):
            time.sleep(chance.uniform(0.2, 1.0) * SOAK_SECONDS / SOAK_KILLS)
            choices = list_faults(cluster, chance)
            name, fault = choices[number % len(choices)]
            faults[name] += 1
            print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
            fault()
        time.sleep(max(0.0, ends_at - time.monotonic()))
    finally:
        stopping.set()
        thread.join()
    assert len(numbers) >= 3
    # An upload whose answer was lost is an import, too.
    wait_for("all imports end", lambda: not count_unfinished(cluster.url), seconds=END_SECONDS)
    check_results(cluster, numbers)
    rows = execute(cluster.url, "SELECT task_id::text FROM import_jobs WHERE status = 'completed' AND id > %s", (last,))
    completed = [task_id for (task_id,) in rows]
    wait_for("each event is delivered", lambda: len(read_events(receiver)) >= len(completed), seconds=END_SECONDS)
    received = read_events(receiver)
    # A request may be repeated, but always with the same id.
    assert sorted(received.values()) == sorted(completed)
    assert set(numbers) <= set(completed)
    for request in receiver.requests("/ok/soak"):
        check_signature(request, webhook["secret"])
    # Workers that were started again look for what has expired at once, and the others within a minute.
    wait_for("expired files are deleted", lambda: f"{expired}.upload" not in cluster.list_files(), seconds=END_SECONDS)
    old_sql = "SELECT count(*) FROM audit_entries WHERE at < clock_timestamp() - interval '50 years'"
    wait_for("old entries are deleted", lambda: execute(cluster.url, old_sql) == [(0,)], seconds=END_SECONDS)
    print(f"{len(numbers)} imports, {sum(faults.values())} faults: {dict(faults)}", file=sys.stderr)


def create_expired_job(cluster: Cluster) -> str:
    """Create a job that was cancelled and can no longer be retried; return its task id. Its file is still stored."""
    task_id = cluster.upload("a", make_file(1_000_003, rows=10), preview="true")
    assert task_id is not None
    wait_for("the check has ended", lambda: cluster.read_job(task_id)["status"] == "awaiting_confirmation")
    assert cluster.call("b", "POST", f"/api/imports/{task_id}/cancel").ok
    assert f"{task_id}.upload" in cluster.list_files()
    expire_sql = "UPDATE import_jobs SET retry_until = clock_timestamp() - interval '1 minute' WHERE task_id = %s"
    execute(cluster.url, expire_sql, (task_id,))
    return task_id


def count_unfinished(url: str) -> int:
    """Return how many jobs have not ended."""
    [(count,)] = execute(url, "SELECT count(*) FROM import_jobs WHERE status IN ('pending', 'processing')")
    return int(count)


def count_pending(url: str) -> int:
    """Return how many deliveries are still to be sent."""
    [(count,)] = execute(url, "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'")
    return int(count)


def read_events(receiver: Receiver) -> dict[str, str]:
    """Return the task id of each event that was received, by the id of the event."""
    requests_ = receiver.requests("/ok/soak")
    return {request.headers["webhook-id"]: json.loads(request.body)["import"]["task_id"] for request in requests_}
