"""The guarantees of RabbitMQ, on a node that the tests may stop: no import is lost, and none runs twice."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import config
from support.database import execute
from support.jobs import announce, create_job, create_runner, delay_slices, read_job, read_products
from support.processes import Processes, find_free_ports
from support.rabbitmq import CONSUMER_TIMEOUT_MS, RabbitMQNode, create_broker_connection, find_rabbitmq_program
from support.waiting import wait_for

ROWS = 20_000
SLICE_ROWS = 500
LONG_CONSUMER_TIMEOUT_MS = 60_000
PERSISTENT = 2  # The delivery mode of AMQP 0-9-1.
REQUEST_SECONDS = 30
WORKER_OPTIONS = ("--concurrency=1", "-n")
SEND_PROGRAM = "import sys, celery_app; sys.exit(0 if celery_app.wake_import('one') is {expected} else 1)"


@pytest.fixture(scope="module")
def running_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQNode]:
    """A node for all tests of this file."""
    find_rabbitmq_program("rabbitmqctl")
    node = RabbitMQNode(tmp_path_factory.mktemp("rabbitmq"))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(running_node: RabbitMQNode, environment: dict[str, str]) -> RabbitMQNode:
    """The running node; `environment` has the URL of a virtual host that only this test uses."""
    if not running_node.is_running:
        running_node.start()
    virtual_host = f"test_{uuid.uuid4().hex[:8]}"
    running_node.control("add_vhost", virtual_host)
    running_node.control("set_permissions", "-p", virtual_host, "guest", ".*", ".*", ".*")
    environment |= {"CELERY_BROKER_URL": running_node.url(virtual_host), "SLICE_ROWS": str(SLICE_ROWS)}
    return running_node


@pytest.fixture
def patient_node(node: RabbitMQNode) -> Iterator[RabbitMQNode]:
    """The node with a longer consumer timeout, because a call of rabbitmqctl can take as long as the usual one."""
    set_timeout = "application:set_env(rabbit, consumer_timeout, {})."
    node.control("eval", set_timeout.format(LONG_CONSUMER_TIMEOUT_MS))
    yield node
    node.control("eval", set_timeout.format(CONSUMER_TIMEOUT_MS))


def create_file(rows: int) -> bytes:
    """Return a CSV file with this many different products."""
    return ("sku,name\n" + "".join(f"SKU-{number:06},name {number}\n" for number in range(rows))).encode()


def start_import(environment: dict[str, str], slice_seconds: float) -> str:
    """Create and announce an import of ROWS rows whose slices take `slice_seconds`; return its task id."""
    runner = create_runner(config.load(environment))
    delay_slices(runner.database_url, slice_seconds)
    task_id = create_job(runner, create_file(ROWS))
    announce(environment, task_id)
    return task_id


def start_second_import(environment: dict[str, str]) -> str:
    """Create and announce an import of one row; return its task id."""
    task_id = create_job(create_runner(config.load(environment)), b"sku\nSKU-000000\n", announced=True)
    announce(environment, task_id)
    return task_id


def check_import_completes(url: str, task_id: str, rows: int = ROWS) -> None:
    """Wait for the end of an import and assert that it created each row once."""
    wait_for("the end of the import", lambda: read_job(url, task_id)["finished_at"])
    job = read_job(url, task_id)
    assert (job["status"], job["created_count"], job["unchanged_count"]) == ("completed", rows, 0), job
    assert read_products(url) == [(f"SKU-{number:06}", f"name {number}", "", True) for number in range(rows)]


def has_written(url: str, task_id: str) -> Callable[[], bool]:
    """Return a condition that is true once an import has committed some slices."""
    return lambda: bool(read_job(url, task_id)["created_count"] > 2 * SLICE_ROWS)


def is_completed(url: str, task_id: str) -> Callable[[], bool]:
    """Return a condition that is true once an import is completed."""
    return lambda: bool(read_job(url, task_id)["status"] == "completed")


def read_queues(environment: dict[str, str], node: RabbitMQNode) -> dict[str, tuple[bool, int, int]]:
    """Return, for each queue, whether it is durable, and its numbers of ready and of unacknowledged messages."""
    virtual_host = environment["CELERY_BROKER_URL"].rpartition("/")[2]
    columns = ("name", "durable", "messages_ready", "messages_unacknowledged")
    output = node.control("list_queues", "-p", virtual_host, *columns, "--formatter=json")
    return {
        queue["name"]: (queue["durable"], queue["messages_ready"], queue["messages_unacknowledged"])
        for queue in json.loads(output)
    }


def call(port: int, path: str, upload: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """Send a request, with `upload` as its file; return the status and the JSON, or 0 and {} without an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if upload is not None:
        disposition = b'Content-Disposition: form-data; name="file"; filename="products.csv"'
        request.data = b"--frame\r\n" + disposition + b"\r\n\r\n" + upload + b"\r\n--frame--\r\n"
        request.add_header("Content-Type", "multipart/form-data; boundary=frame")
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, {}


def test_messages_are_durable_and_are_acknowledged_when_their_import_is_done(
    patient_node: RabbitMQNode, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    task_id = start_import(environment, slice_seconds=0.5)
    with create_broker_connection(environment["CELERY_BROKER_URL"]) as connection:
        # Closing the connection without an acknowledgement returns the message to the queue.
        message = connection.default_channel.basic_get("imports")
        assert message.properties["delivery_mode"] == PERSISTENT
    worker = processes.start_worker(*WORKER_OPTIONS, "one@%h")
    wait_for("the first slices", has_written(database_url, task_id))
    start_second_import(environment)
    # The worker prefetches one message, so the second one stays ready for another worker.
    assert read_queues(environment, patient_node)["imports"] == (True, 1, 1)
    os.killpg(worker.pid, signal.SIGKILL)
    wait_for("both messages", lambda: read_queues(environment, patient_node)["imports"] == (True, 2, 0))
    delay_slices(database_url, 0)
    processes.start_worker(*WORKER_OPTIONS, "two@%h")
    check_import_completes(database_url, task_id)
    wait_for("an empty queue", lambda: read_queues(environment, patient_node)["imports"] == (True, 0, 0))


def test_a_message_that_rabbitmq_rejects_does_not_count_as_sent(
    node: RabbitMQNode, environment: dict[str, str], processes: Processes
) -> None:
    virtual_host = environment["CELERY_BROKER_URL"].rpartition("/")[2]
    full_queue = json.dumps({"max-length": 0, "overflow": "reject-publish"})
    node.control("set_policy", "-p", virtual_host, "full", "^imports$", full_queue, "--apply-to", "queues")
    assert processes.start("-c", SEND_PROGRAM.format(expected=False)).wait(REQUEST_SECONDS) == 0
    node.control("clear_policy", "-p", virtual_host, "full")
    assert processes.start("-c", SEND_PROGRAM.format(expected=True)).wait(REQUEST_SECONDS) == 0


def test_a_file_uploaded_while_rabbitmq_is_down_is_imported_once_it_is_back(
    node: RabbitMQNode, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    rows = 2000
    [port] = find_free_ports(1)
    processes.start_web(port)
    wait_for("an answer of the web process", lambda: call(port, "/api/health")[0])
    status, health = call(port, "/api/health")
    assert (status, health["broker"], health["worker"]) == (503, "up", "down")
    node.stop()
    worker = processes.start_worker(*WORKER_OPTIONS, "one@%h")
    status, job = call(port, "/api/upload", create_file(rows))
    assert (status, job["status"]) == (202, "pending")
    status, health = call(port, "/api/health")
    assert (status, health["broker"]) == (503, "down")
    assert call(port, f"/api/upload/progress/{job['task_id']}")[1]["status"] == "pending"
    node.start()
    check_import_completes(database_url, job["task_id"], rows)
    wait_for("a healthy product", lambda: call(port, "/api/health")[0] == 200)
    assert worker.poll() is None


def test_an_import_survives_a_restart_of_rabbitmq(
    node: RabbitMQNode, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    task_id = start_import(environment, slice_seconds=0.1)
    worker = processes.start_worker(*WORKER_OPTIONS, "one@%h")
    wait_for("the first slices", has_written(database_url, task_id))
    node.stop(signal.SIGTERM)
    node.start()
    check_import_completes(database_url, task_id)
    second_task_id = start_second_import(environment)
    wait_for("the second import", is_completed(database_url, second_task_id))
    assert worker.poll() is None


@pytest.mark.thorough("one task")
@pytest.mark.parametrize(
    ("task_seconds", "slice_rows", "slice_seconds", "closes_channel"),
    [("2", "5000", 0.8, False), ("600", "500", 0.25, True)],
    ids=["several tasks", "one task"],
)
def test_an_import_may_take_longer_than_the_consumer_timeout(
    node: RabbitMQNode,
    environment: dict[str, str],
    processes: Processes,
    database_url: str,
    task_seconds: str,
    slice_rows: str,
    slice_seconds: float,
    closes_channel: bool,
) -> None:
    environment |= {"TASK_SECONDS": task_seconds, "SLICE_ROWS": slice_rows}
    started_at = time.monotonic()
    task_id = start_import(environment, slice_seconds)
    worker = processes.start_worker(*WORKER_OPTIONS, "one@%h")
    check_import_completes(database_url, task_id)
    assert time.monotonic() - started_at > CONSUMER_TIMEOUT_MS / 1000
    second_task_id = start_second_import(environment)
    wait_for("the second import", is_completed(database_url, second_task_id))
    assert worker.poll() is None
    assert ("delivery acknowledgement on channel" in processes.log.read_text()) == closes_channel


@pytest.mark.thorough
def test_sigterm_hands_the_import_over_to_the_next_worker(
    node: RabbitMQNode, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    task_id = start_import(environment, slice_seconds=0.5)
    first_worker = processes.start_worker(*WORKER_OPTIONS, "one@%h")
    wait_for("the first slices", has_written(database_url, task_id))
    first_worker.terminate()
    assert first_worker.wait(30) == 0
    assert read_job(database_url, task_id)["status"] == "processing"
    wait_for("a list without workers", lambda: execute(database_url, "SELECT count(*) FROM workers") == [(0,)])

    def has_message() -> bool:
        _, ready, unacknowledged = read_queues(environment, node)["imports"]
        return ready > 0 and unacknowledged == 0

    # The worker has sent one, RabbitMQ has taken the first one back, and the reaper may have sent another one.
    wait_for("its messages", has_message)
    delay_slices(database_url, 0)
    processes.start_worker(*WORKER_OPTIONS, "two@%h")
    check_import_completes(database_url, task_id)
