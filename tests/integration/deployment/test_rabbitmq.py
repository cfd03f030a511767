"""What RabbitMQ guarantees, on a node of the tests' own that they may stop: no import is lost, none runs twice."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import config
from support.database import execute
from support.jobs import announce, create_job, create_runner, delay_slices, read_job, read_products
from support.prerequisites import skip_or_fail
from support.processes import Processes, find_free_ports, run_program
from support.rabbitmq import create_broker_connection
from support.waiting import wait_for

CONSUMER_TIMEOUT_MS = 5000
WORKER = ("--concurrency=1", "-n")


class Node:
    """A RabbitMQ node with its data in `folder`, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.port, distribution = find_free_ports(2)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.port}\nconsumer_timeout = {CONSUMER_TIMEOUT_MS}\n"
        )
        # Channels look at their consumers once a minute by default.
        (folder / "advanced.config").write_text("[{rabbit, [{channel_tick_interval, 1000}]}].\n")
        (folder / "plugins").write_text("[].\n")
        self.folder = folder
        self.environment = {
            "HOME": str(folder),  # The Erlang cookie.
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the node and waits for it."""
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [program("rabbitmq-server")],
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        def answers() -> bool:
            with contextlib.suppress(OSError), create_broker_connection(self.url("")) as connection:
                connection.connect()
                return True
            return False

        wait_for("RabbitMQ starts", answers)

    def stop(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends the node with a signal."""
        if self.process is not None:
            os.killpg(self.process.pid, number)
            self.process.wait(30)
            self.process = None

    def control(self, *words: str) -> str:
        """Runs rabbitmqctl; returns what it printed."""
        return run_program(program("rabbitmqctl"), "-q", *words, environment=self.environment)

    def url(self, host: str) -> str:
        """The URL of a virtual host, "" for the default one."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/{host}"


def program(name: str) -> str:
    """The program itself: what Debian has in the path changes the user and forgets the environment."""
    found = shutil.which(name, path="/usr/lib/rabbitmq/bin") or shutil.which(name)
    if found is None:
        skip_or_fail(f"{name} is missing; install rabbitmq-server")
    return found


@pytest.fixture(scope="module")
def running_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    program("rabbitmqctl")
    node = Node(tmp_path_factory.mktemp("rabbitmq"))
    node.start()
    yield node
    node.stop()


@pytest.fixture
def node(running_node: Node, environment: dict[str, str]) -> Node:
    """The node, up, with a virtual host of the test's own in `environment`."""
    if running_node.process is None:
        running_node.start()
    host = f"test_{uuid.uuid4().hex[:8]}"
    running_node.control("add_vhost", host)
    running_node.control("set_permissions", "-p", host, "guest", ".*", ".*", ".*")
    environment |= {"CELERY_BROKER_URL": running_node.url(host), "SLICE_ROWS": "500"}
    return running_node


@pytest.fixture
def patient_node(node: Node) -> Iterator[Node]:
    """The node, with time for consumers: to ask it something may take as long as they have otherwise."""
    set_timeout = "application:set_env(rabbit, consumer_timeout, {})."
    node.control("eval", set_timeout.format(60_000))
    yield node
    node.control("eval", set_timeout.format(CONSUMER_TIMEOUT_MS))


def rows(count: int, prefix: str = "SKU") -> bytes:
    return ("sku,name\n" + "".join(f"{prefix}-{number:06},name {number}\n" for number in range(count))).encode()


def start_import(environment: dict[str, str], slice_seconds: float, count: int = 20_000) -> str:
    """Puts a file, its job and its message in place; the import takes `count` / 500 slices."""
    runner = create_runner(config.load(environment))
    delay_slices(runner.database_url, slice_seconds)
    task_id = create_job(runner, rows(count))
    announce(environment, task_id)
    return task_id


def check_end(url: str, task_id: str, count: int = 20_000) -> None:
    """The import ends within a minute, each row created once."""
    wait_for("the import ends", lambda: read_job(url, task_id)["finished_at"], 60)
    row = read_job(url, task_id)
    assert (row["status"], row["created_count"], row["unchanged_count"]) == ("completed", count, 0), row
    assert read_products(url) == [(f"SKU-{number:06}", f"name {number}", "", True) for number in range(count)]


def writing(url: str, task_id: str) -> Callable[[], bool]:
    return lambda: bool(read_job(url, task_id)["created_count"] > 1000)


def queues(environment: dict[str, str], node: Node) -> dict[str, tuple[bool, int, int]]:
    """Of each queue whether it is durable, and how many messages are ready and how many held by workers."""
    host = environment["CELERY_BROKER_URL"].rpartition("/")[2]
    listed = node.control(
        "list_queues", "-p", host, "name", "durable", "messages_ready", "messages_unacknowledged", "--formatter=json"
    )
    return {
        queue["name"]: (queue["durable"], queue["messages_ready"], queue["messages_unacknowledged"])
        for queue in json.loads(listed)
    }


def call(port: int, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
    """A request to the web process; a body is sent as the file of an upload."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if body is not None:
        disposition = b'Content-Disposition: form-data; name="file"; filename="products.csv"'
        request.data = b"--frame\r\n" + disposition + b"\r\n\r\n" + body + b"\r\n--frame--\r\n"
        request.add_header("Content-Type", "multipart/form-data; boundary=frame")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
    except OSError:
        return 0, {}


def test_queues_and_messages_are_durable_and_a_message_is_held_until_its_import_is_done(
    patient_node: Node, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    task_id = start_import(environment, 0.5)
    with create_broker_connection(environment["CELERY_BROKER_URL"]) as connection:
        # The channel is closed without an answer, upon which the message is there again.
        message = connection.default_channel.basic_get("imports")
        assert message.properties["delivery_mode"] == 2
    worker = processes.start_worker(*WORKER, "one@%h")
    wait_for("writing", writing(database_url, task_id))
    second = create_job(create_runner(config.load(environment)), b"sku\nSKU-000000\n", announced=True)
    announce(environment, second)
    # Prefetch 1: the second message is left for another worker.
    found = queues(environment, patient_node)
    assert found["imports"] == (True, 1, 1)
    os.killpg(worker.pid, signal.SIGKILL)
    wait_for("both messages are back", lambda: queues(environment, patient_node)["imports"] == (True, 2, 0))
    delay_slices(database_url, 0)
    processes.start_worker(*WORKER, "two@%h")
    check_end(database_url, task_id)
    wait_for("the messages are done with", lambda: queues(environment, patient_node)["imports"] == (True, 0, 0))


def test_a_message_that_rabbitmq_refuses_is_not_taken_for_sent(
    node: Node, environment: dict[str, str], processes: Processes
) -> None:
    host = environment["CELERY_BROKER_URL"].rpartition("/")[2]
    full = json.dumps({"max-length": 0, "overflow": "reject-publish"})
    node.control("set_policy", "-p", host, "full", "^imports$", full, "--apply-to", "queues")
    send = "import sys, celery_app; sys.exit(celery_app.wake_import('one') is not False)"
    assert processes.start("-c", send).wait(30) == 0
    node.control("clear_policy", "-p", host, "full")
    assert processes.start("-c", send.replace("False", "True")).wait(30) == 0


def test_a_file_uploaded_while_rabbitmq_is_down_waits_and_is_imported_once_it_is_back(
    node: Node, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    [port] = find_free_ports(1)
    processes.start_web(port)
    wait_for("the web process answers", lambda: call(port, "/api/health")[0])
    status, health = call(port, "/api/health")
    assert (status, health["broker"], health["worker"]) == (503, "up", "down")
    node.stop()
    worker = processes.start_worker(*WORKER, "one@%h")
    status, answer = call(port, "/api/upload", rows(2000))
    assert (status, answer["status"]) == (202, "pending")
    status, health = call(port, "/api/health")
    assert (status, health["broker"]) == (503, "down")
    assert call(port, f"/api/upload/progress/{answer['task_id']}")[1]["status"] == "pending"
    node.start()
    check_end(database_url, answer["task_id"], 2000)
    wait_for("all is healthy", lambda: call(port, "/api/health")[0] == 200)
    assert worker.poll() is None


def test_rabbitmq_restarted_in_the_middle_of_an_import(
    node: Node, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    task_id = start_import(environment, 0.1)
    worker = processes.start_worker(*WORKER, "one@%h")
    wait_for("writing", writing(database_url, task_id))
    node.stop(signal.SIGTERM)
    node.start()
    check_end(database_url, task_id)
    second = create_job(create_runner(config.load(environment)), b"sku\nSKU-000000\n", announced=True)
    announce(environment, second)
    wait_for("the worker takes the next one", lambda: read_job(database_url, second)["status"] == "completed")
    assert worker.poll() is None


@pytest.mark.parametrize(
    ("task_seconds", "slice_rows", "slice_seconds", "closed"),
    [("2", "5000", 0.8, False), ("600", "500", 0.25, True)],
    ids=["in pieces", "in one go"],
)
def test_an_import_longer_than_the_consumer_timeout(
    node: Node,
    environment: dict[str, str],
    processes: Processes,
    database_url: str,
    task_seconds: str,
    slice_rows: str,
    slice_seconds: float,
    closed: bool,
) -> None:
    environment |= {"TASK_SECONDS": task_seconds, "SLICE_ROWS": slice_rows}
    started = time.monotonic()
    task_id = start_import(environment, slice_seconds)
    worker = processes.start_worker(*WORKER, "one@%h")
    check_end(database_url, task_id)
    assert time.monotonic() - started > CONSUMER_TIMEOUT_MS / 1000
    second = create_job(create_runner(config.load(environment)), b"sku\nSKU-000000\n", announced=True)
    announce(environment, second)
    wait_for("the worker takes the next one", lambda: read_job(database_url, second)["status"] == "completed")
    assert worker.poll() is None
    assert ("delivery acknowledgement on channel" in processes.log.read_text()) == closed


def test_sigterm_hands_the_import_to_the_next_worker(
    node: Node, environment: dict[str, str], processes: Processes, database_url: str
) -> None:
    task_id = start_import(environment, 0.5)
    first = processes.start_worker(*WORKER, "one@%h")
    wait_for("writing", writing(database_url, task_id))
    first.terminate()
    assert first.wait(30) == 0
    assert read_job(database_url, task_id)["status"] == "processing"
    wait_for("it has signed off", lambda: execute(database_url, "SELECT count(*) FROM workers") == [(0,)])
    # The sweep may have sent a second one, which is harmless.
    wait_for("its message is back", lambda: queues(environment, node)["imports"][1:] in {(1, 0), (2, 0)})
    delay_slices(database_url, 0)
    processes.start_worker(*WORKER, "two@%h")
    check_end(database_url, task_id)
