"""The whole product on several machines, with clocks ten minutes apart, and what may happen to it.

Machine a is ten minutes ahead; b and c are ten minutes behind. Machine c reaches everything through a network that can
fail. The database, the brokers, the storage and the receivers of webhooks have the right time.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg2
import requests

from support.database import execute
from support.machines import Machine, Node, require_machines
from support.processes import create_environment, find_free_ports
from support.rabbitmq import RabbitMQNode
from support.s3 import S3Server
from support.sign_in import create_key, create_user
from support.tcp_proxy import TcpProxy, running_proxy
from support.waiting import wait_for
from support.web import end_connections

CLOCK_SECONDS = 600
CALL_SECONDS = 30
HEALTHY_SECONDS = 120
WORKER = ("run_celery.py", "--concurrency=1")
WEB = ("-m", "gunicorn", "--log-level", "warning")
REQUESTS_PER_MINUTE = 2000
# Longer than a lease lasts, so that another worker takes over what this one still believes to have.
LONG_PAUSE_SECONDS = 6
SHORT_PAUSE_SECONDS = 2


@dataclass
class Cluster:
    """The product on three machines. `bucket` is the URL of its files, and `proxies` are the network of machine c."""

    url: str
    bucket: str
    storage: S3Server
    web: dict[str, Node]
    workers: dict[str, Node]
    brokers: dict[str, RabbitMQNode]
    proxies: list[TcpProxy]
    ports: dict[str, int]
    key: str
    uploads: list[str] = field(default_factory=list)

    def address(self, name: str, path: str) -> str:
        """Return the URL of a path of one of the web processes."""
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def call(self, name: str, method: str, path: str, **options: Any) -> requests.Response:
        """Make a call to one of the web processes; without another `key`, with that of the administrator."""
        headers = {"Authorization": f"Bearer {options.pop('key', self.key)}", **options.pop("headers", {})}
        return requests.request(method, self.address(name, path), headers=headers, timeout=CALL_SECONDS, **options)

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

    def list_files(self) -> list[str]:
        """Return the names of the stored files."""
        bucket, _, prefix = self.bucket.removeprefix("s3://").partition("/")
        found = self.storage.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")
        return [item["Key"].removeprefix(f"{prefix}/") for item in found.get("Contents", ())]


@contextlib.contextmanager
def running_brokers(create_folder: Callable[[str], Path]) -> Iterator[dict[str, RabbitMQNode]]:
    """Run a RabbitMQ cluster of two nodes."""
    nodes: dict[str, RabbitMQNode] = {}
    try:
        nodes["a"] = RabbitMQNode(create_folder("rabbit-a"))
        nodes["a"].start()
        nodes["b"] = RabbitMQNode(create_folder("rabbit-b"), first=nodes["a"])
        nodes["b"].start()
        yield nodes
    finally:
        for node in nodes.values():
            node.stop()


@contextlib.contextmanager
def running_cluster(url: str, brokers: dict[str, RabbitMQNode], storage: S3Server, folder: Path) -> Iterator[Cluster]:
    """Run two web processes and three workers on three machines."""
    require_machines()
    bucket = storage.create_bucket()
    names = ("a", "b")
    ports = dict(zip(names, find_free_ports(len(names)), strict=True))
    shared = {
        **create_environment(url, folder),
        **storage.environment(bucket),
        "CELERY_BROKER_URL": _broker_url(node.port for node in brokers.values()),
        "QUEUE_TYPE": "quorum",
        "SLICE_ROWS": "1000",
        "CHUNK_ROWS": "1000",
        "AUTH": "required",
        "REQUESTS_PER_MINUTE": str(REQUESTS_PER_MINUTE),
        "TRUSTED_PROXIES": "1",
    }
    with contextlib.ExitStack() as stack:
        proxies, variables = _connect_by_proxies(stack, url, brokers, storage)
        machines = {
            "a": Machine("shop-a", folder / "a", CLOCK_SECONDS),
            "b": Machine("shop-b", folder / "b", -CLOCK_SECONDS),
            "c": Machine("shop-c", folder / "c", -CLOCK_SECONDS, variables),
        }
        web, workers = {}, {}
        for name in names:
            web[name] = machines[name].start(shared, *WEB, "-b", f"127.0.0.1:{ports[name]}", "app:create_app()")
            stack.callback(web[name].kill)
        for name, machine in machines.items():
            workers[name] = machine.start(shared, *WORKER, "-n", f"{name}@%h")
            stack.callback(workers[name].kill)
        key = create_key(url, create_user(url))
        cluster = Cluster(url, bucket, storage, web, workers, brokers, proxies, ports, key)
        for name in names:
            wait_for("a healthy web process", partial(cluster.is_healthy, name), seconds=HEALTHY_SECONDS)
        yield cluster


def _broker_url(ports: Any) -> str:
    return ";".join(f"amqp://guest:guest@127.0.0.1:{port}/" for port in ports)


def _connect_by_proxies(
    stack: contextlib.ExitStack, url: str, brokers: Mapping[str, RabbitMQNode], storage: S3Server
) -> tuple[list[TcpProxy], dict[str, str]]:
    """Start a proxy in front of each server; return them, and the variables of a machine that uses them."""
    with contextlib.closing(psycopg2.connect(url)) as connection:
        host, port = connection.info.host, connection.info.port
    target = Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else port
    database = stack.enter_context(running_proxy(target))
    queues = [stack.enter_context(running_proxy(node.port)) for node in brokers.values()]
    files = stack.enter_context(running_proxy(urlsplit(storage.endpoint_url).port or 0))
    variables = {
        # Of two values, libpq takes the last one.
        "DATABASE_URL": f"{url}{'&' if '?' in url else '?'}host=127.0.0.1&port={database.port}",
        "CELERY_BROKER_URL": _broker_url(proxy.port for proxy in queues),
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{files.port}",
    }
    return [database, *queues, files], variables


def list_faults(cluster: Cluster, chance: Random) -> list[tuple[str, Callable[[], None]]]:
    """Return what may fail, and how: after each fault everything runs again."""
    web = cluster.web[chance.choice("ab")]
    worker = cluster.workers[chance.choice("abc")]
    broker = cluster.brokers[chance.choice("ab")]
    down = chance.uniform(0.2, SHORT_PAUSE_SECONDS)

    def kill(node: Node | RabbitMQNode) -> None:
        node.stop() if isinstance(node, RabbitMQNode) else node.kill()
        time.sleep(down)
        node.start()

    def pause(node: Node) -> None:
        node.pause()
        time.sleep(LONG_PAUSE_SECONDS)
        node.resume()

    def drain(node: Node) -> None:
        node.terminate()
        node.start()

    def cut_off() -> None:
        for proxy in cluster.proxies:
            proxy.is_cut_off = True
        time.sleep(LONG_PAUSE_SECONDS)
        for proxy in cluster.proxies:
            proxy.is_cut_off = False

    return [
        ("worker killed", lambda: kill(worker)),
        ("worker paused", lambda: pause(worker)),
        ("machine cut off", cut_off),
        ("storage paused", lambda: _pause_processes([psutil.Process(cluster.storage.pid)], SHORT_PAUSE_SECONDS)),
        ("worker drained", lambda: drain(worker)),
        ("web process killed", lambda: kill(web)),
        ("database paused", lambda: _pause_processes(_find_database(cluster.url), LONG_PAUSE_SECONDS)),
        ("broker node killed", lambda: kill(broker)),
        ("database connections ended", lambda: end_connections(cluster.url)),
    ]


def _find_database(url: str) -> list[psutil.Process]:
    """Return the processes of the database server, which runs on this machine."""
    [(pid,)] = execute(url, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    server = psutil.Process(pid).parent()
    assert server is not None
    return [server, *server.children()]


def _pause_processes(processes: list[psutil.Process], seconds: float) -> None:
    """Stop processes for a while, as a machine that hangs does."""
    _signal(processes, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
