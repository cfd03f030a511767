"""Two web processes and three workers on machines of their own, a RabbitMQ cluster, PostgreSQL and S3.

Whatever is killed, paused or disconnected: nothing is lost, nothing is doubled, and everything ends by itself. The
test takes about a minute. A long run is

    SOAK_SECONDS=3600 SOAK_KILLS=20 python -m pytest tests/integration/cluster --timeout 5400 -s
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from support.database import execute
from support.machines import Machine, Node, require_machines
from support.processes import find_free_ports
from support.rabbitmq import RabbitMQNode
from support.receiver import Receiver
from support.s3 import S3Server
from support.sign_in import create_key, create_user
from support.waiting import wait_for
from support.web import end_connections

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
SOAK_KILLS = int(os.environ.get("SOAK_KILLS", "6"))
FAULTS = 6
SEED = int(os.environ.get("SOAK_SEED", "1"))
ROWS = 20_000
SKUS_PER_FILE = 3000
CALL_SECONDS = 30
END_SECONDS = 180
WORKER = ("run_celery.py", "--concurrency=1")


@dataclass
class Cluster:
    """The whole product on several machines."""

    url: str
    web: dict[str, Node]
    workers: dict[str, Node]
    brokers: dict[str, RabbitMQNode]
    ports: dict[str, int]
    key: str
    uploads: list[str] = field(default_factory=list)

    def call(self, name: str, method: str, path: str, **options: Any) -> requests.Response:
        """Make a call to one of the web processes."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        address = f"http://127.0.0.1:{self.ports[name]}{path}"
        return requests.request(method, address, headers=headers, timeout=CALL_SECONDS, **options)

    def is_healthy(self, name: str) -> bool:
        """Return whether a web process says that everything is up."""
        with contextlib.suppress(requests.RequestException):
            return self.call(name, "GET", "/api/health").ok
        return False

    def upload(self, name: str, content: str, **options: str) -> str | None:
        """Upload a file; return the task id, or None if there was no answer."""
        files = {"file": ("products.csv", content.encode())}
        with contextlib.suppress(requests.RequestException):
            response = self.call(name, "POST", "/api/upload", files=files, data=options)
            if response.status_code == requests.codes.accepted:
                task_id = str(response.json()["task_id"])
                self.uploads.append(task_id)
                return task_id
        return None

    def read_job(self, task_id: str) -> dict[str, Any]:
        """Return the row of a job."""
        columns = ("status", "created_count", "updated_count", "unchanged_count", "rejected_count", "error_message")
        [row] = execute(self.url, f"SELECT {', '.join(columns)} FROM import_jobs WHERE task_id = %s", (task_id,))
        return dict(zip(columns, row, strict=True))

    def has_ended(self, task_id: str) -> bool:
        """Return whether a job has ended."""
        return self.read_job(task_id)["status"] in {"completed", "failed", "cancelled"}


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RabbitMQNode]]:
    """A RabbitMQ cluster of two nodes."""
    first, second = (RabbitMQNode(tmp_path_factory.mktemp(name)) for name in ("rabbit-a", "rabbit-b"))
    try:
        first.start()
        second.share_cookie(first)
        second.start()
        second.join(first)
        yield {"a": first, "b": second}
    finally:
        for node in (first, second):
            node.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def cluster(
    environment: dict[str, str],
    database_url: str,
    brokers: dict[str, RabbitMQNode],
    moto: S3Server,
    tmp_path: Path,
) -> Iterator[Cluster]:
    """The product on two machines."""
    require_machines()
    machines = {"a": Machine("shop-a", tmp_path / "a"), "b": Machine("shop-b", tmp_path / "b")}
    ports = dict(zip(machines, find_free_ports(2), strict=True))
    shared = {
        **environment,
        **moto.environment(moto.create_bucket()),
        "CELERY_BROKER_URL": ";".join(node.url("") for node in brokers.values()),
        "QUEUE_TYPE": "quorum",
        "SLICE_ROWS": "1000",
        "CHUNK_ROWS": "1000",
        "AUTH": "required",
        "REQUESTS_PER_MINUTE": "2000",
    }
    key = create_key(database_url, create_user(database_url))
    web, workers = {}, {}
    with contextlib.ExitStack() as stack:
        for name, machine in machines.items():
            web[name] = machine.start(
                shared, "-m", "gunicorn", "-b", f"127.0.0.1:{ports[name]}", "--log-level", "warning", "app:create_app()"
            )
            stack.callback(web[name].kill)
        for name, machine in (("a1", machines["a"]), ("b1", machines["b"]), ("b2", machines["b"])):
            workers[name] = machine.start(shared, *WORKER, "-n", f"{name}@%h")
            stack.callback(workers[name].kill)
        cluster = Cluster(database_url, web, workers, brokers, ports, key)
        for name in web:
            wait_for("a healthy web process", partial(cluster.is_healthy, name))
        yield cluster


def make_file(number: int, rows: int = ROWS) -> str:
    """Return a file whose SKUs no other file has; each of its products has several rows, so the last one counts."""
    lines = ["sku,name,description"]
    for row in range(rows):
        lines.append(f"F{number}-{row % SKUS_PER_FILE},Name {row},{'d' * 60}")
    return "\n".join(lines) + "\n"


def check_results(cluster: Cluster, numbers: dict[str, int]) -> None:
    """Check that each import has the counts and the products that it has without interruptions."""
    for task_id, number in numbers.items():
        job = cluster.read_job(task_id)
        assert (job["status"], job["error_message"]) == ("completed", None)
        assert (job["created_count"], job["updated_count"], job["rejected_count"]) == (SKUS_PER_FILE, 0, 0), job
        [(count, first, last)] = execute(
            cluster.url,
            "SELECT count(*), min(split_part(name, ' ', 2)::int), max(split_part(name, ' ', 2)::int) FROM products"
            " WHERE sku LIKE %s",
            (f"F{number}-%",),
        )
        assert (count, first, last) == (SKUS_PER_FILE, ROWS - SKUS_PER_FILE, ROWS - 1)


def test_everything_works_from_any_machine(cluster: Cluster) -> None:
    # A session, an import and its stream, a cancellation, a webhook and a limit, each begun on one machine and used on
    # the other.
    task_id = cluster.upload("a", make_file(1))
    assert task_id is not None
    headers = {"Authorization": f"Bearer {cluster.key}"}
    address = f"http://127.0.0.1:{cluster.ports['b']}/api/upload/progress/{task_id}/stream"
    with requests.get(address, headers=headers, stream=True, timeout=CALL_SECONDS) as stream:
        events = [line for line in stream.iter_lines() if line.startswith(b"data: ")]
    last = json.loads(events[-1].removeprefix(b"data: "))
    assert (last["status"], last["created_count"]) == ("completed", SKUS_PER_FILE)
    job = cluster.call("b", "GET", f"/api/imports/{task_id}").json()
    assert job["seconds_since_update"] is None
    waiting = cluster.upload("b", make_file(2), preview="true")
    assert waiting is not None
    wait_for("the check has ended", lambda: cluster.read_job(waiting)["status"] == "awaiting_confirmation")
    assert cluster.call("a", "POST", f"/api/imports/{waiting}/cancel").status_code == requests.codes.accepted
    assert cluster.read_job(waiting)["status"] == "cancelled"
    assert cluster.call("b", "POST", f"/api/imports/{waiting}/retry").status_code == requests.codes.accepted
    check_results(cluster, {task_id: 1})


def test_whatever_fails_nothing_is_lost_or_doubled(cluster: Cluster, receiver: Receiver) -> None:
    body = {"url": receiver.url("/ok/soak"), "event_type": "import.completed"}
    assert cluster.call("a", "POST", "/api/webhooks", json=body).ok
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
            while not stopping.wait(0.2) and sum(not cluster.has_ended(task) for task in numbers) >= 3:
                pass

    thread = threading.Thread(target=upload_until_stopped)
    thread.start()
    faults = Counter[str]()
    try:
        ends_at = time.monotonic() + SOAK_SECONDS
        for kind in itertools.islice(itertools.cycle(range(FAULTS)), SOAK_KILLS):
            time.sleep(chance.uniform(0.2, 1.0) * SOAK_SECONDS / SOAK_KILLS)
            name, fault = list_faults(cluster, chance)[kind]
            faults[name] += 1
            print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
            fault()
        time.sleep(max(0.0, ends_at - time.monotonic()))
    finally:
        stopping.set()
        thread.join()
    assert len(numbers) >= 3
    wait_for("all imports end", lambda: all(map(cluster.has_ended, numbers)), seconds=END_SECONDS)
    check_results(cluster, numbers)
    # An upload whose answer was lost is an import, too.
    wait_for("no job is left", lambda: not count_unfinished(cluster.url), seconds=END_SECONDS)
    [(completed,)] = execute(cluster.url, "SELECT count(*) FROM import_jobs WHERE status = 'completed'")
    wait_for("each event is delivered", lambda: len(read_events(receiver)) >= completed, seconds=END_SECONDS)
    received = read_events(receiver)
    # A request may be repeated, but always with the same id.
    assert sorted(received.values()) == sorted(set(received.values()))
    assert len(received) == completed
    assert set(numbers) <= set(received.values())
    print(f"{len(numbers)} imports, {sum(faults.values())} faults: {dict(faults)}", file=sys.stderr)


def list_faults(cluster: Cluster, chance: random.Random) -> list[tuple[str, Callable[[], None]]]:
    """Return what may fail, and how: each fault ends with the process running again."""
    web = cluster.web[chance.choice("ab")]
    worker = cluster.workers[chance.choice(["a1", "b1", "b2"])]
    broker = cluster.brokers[chance.choice("ab")]
    down = chance.uniform(0.2, 2.0)

    def kill(node: Node | RabbitMQNode) -> None:
        node.stop() if isinstance(node, RabbitMQNode) else node.kill()
        time.sleep(down)
        node.start()

    def pause(node: Node) -> None:
        node.pause()
        # Longer than a lease lasts, so that another worker takes over what this one still believes to have.
        time.sleep(6)
        node.resume()

    def drain(node: Node) -> None:
        node.terminate()
        node.start()

    return [
        ("worker killed", lambda: kill(worker)),
        ("worker paused", lambda: pause(worker)),
        ("worker drained", lambda: drain(worker)),
        ("web process killed", lambda: kill(web)),
        ("broker node killed", lambda: kill(broker)),
        ("database connections ended", lambda: end_connections(cluster.url)),
    ]


def count_unfinished(url: str) -> int:
    """Return how many jobs have not ended."""
    [(count,)] = execute(url, "SELECT count(*) FROM import_jobs WHERE status IN ('pending', 'processing')")
    return int(count)


def read_events(receiver: Receiver) -> dict[str, str]:
    """Return the task id of each event that was received, by the id of the event."""
    requests_ = receiver.requests("/ok/soak")
    return {request.headers["webhook-id"]: json.loads(request.body)["import"]["task_id"] for request in requests_}
