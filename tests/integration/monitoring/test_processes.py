"""One request through all processes: its id, the log lines of its import, and what each process counts."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import requests

import config
from support.jobs import announce, create_job, create_runner, read_job
from support.processes import Processes, find_free_ports
from support.receiver import Receiver
from support.scrapes import Scrape
from support.waiting import wait_for
from support.web import REQUEST_SECONDS, WebProcess

TOKEN = "a-token-for-prometheus"
REQUEST_ID = "Root=1-from-the-proxy"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the log lines of all processes; each must be JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def scrape(address: str) -> Scrape:
    """Return what Prometheus reads from an address."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = requests.get(f"{address}/metrics", headers=headers, timeout=REQUEST_SECONDS)
    assert response.ok, response.text
    return Scrape(response.text)


def test_a_request_is_followed_through_all_processes(
    environment: dict[str, str], processes: Processes, shared_receiver: Receiver, tmp_path: Path
) -> None:
    web_port, metrics_port = find_free_ports(2)
    environment |= {"LOG_FORMAT": "json", "TRUSTED_PROXIES": "1", "METRICS_TOKEN": TOKEN}
    web = WebProcess(processes, web_port)
    web.start()
    worker_address = f"http://127.0.0.1:{metrics_port}"
    worker = processes.start_worker("--concurrency=2", METRICS_PORT=str(metrics_port))
    url = shared_receiver.url("/ok/monitoring")
    web.call("POST", "/webhooks", {"url": url, "event_type": "products.imported,import.completed,product.updated"})

    response = requests.post(
        f"{web.api_url}/upload",
        files={"file": ("a.csv", "sku,name\nA,one\nB,two\n,three\n")},
        headers={"X-Request-ID": REQUEST_ID},
        timeout=REQUEST_SECONDS,
    )
    assert response.headers["X-Request-ID"] == REQUEST_ID
    task_id = response.json()["task_id"]
    wait_for("the events of the import arrive", lambda: shared_receiver.count("/ok/monitoring") == 2)
    edit = requests.put(f"{web.api_url}/products/1", json={"name": "new"}, timeout=REQUEST_SECONDS)
    wait_for("the event of the edit arrives", lambda: shared_receiver.count("/ok/monitoring") == 3)
    ids = [request.headers["x-request-id"] for request in shared_receiver.requests("/ok/monitoring")]
    assert ids == [REQUEST_ID, REQUEST_ID, edit.headers["X-Request-ID"]]

    # gunicorn logs this one.
    with socket.create_connection(("127.0.0.1", web_port), timeout=REQUEST_SECONDS) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")

    # A message of an earlier version has no id of a request.
    runner = create_runner(config.load(environment))
    older = create_job(runner, b"sku\nC\n", announced=True)
    announce(environment, older)
    wait_for("the other import ends", lambda: read_job(runner.database_url, older)["status"] == "completed")

    # The child process of the worker counts the import, its dispatcher the deliveries.
    wait_for(
        "the dispatcher has counted its deliveries",
        lambda: scrape(worker_address).get("acme_webhook_attempts_total", outcome="delivered") == 5,
    )
    found = scrape(worker_address)
    assert found.get("acme_job_runs_total", kind="import", outcome="completed") == 2
    assert (found.get("acme_rows_total", outcome="created"), found.get("acme_rows_total", outcome="rejected")) == (3, 1)
    assert found.get("acme_webhook_attempt_duration_seconds_count") == 5
    assert scrape(f"http://127.0.0.1:{web_port}").get("acme_messages_total", outcome="sent") == 1

    # Children that outlive a killed worker do not keep its port.
    children = psutil.Process(worker.pid).children(recursive=True)
    kept = [child for child in children if any(c.laddr.port == metrics_port for c in child.net_connections("inet"))]
    assert children
    assert kept == []
    os.kill(worker.pid, signal.SIGTERM)
    assert worker.wait(60) == 0

    lines = read_lines(tmp_path / "processes.log")
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    assert "gunicorn.error" in {line["logger"] for line in lines}
    of_import = [line for line in lines if line.get("task_id") == task_id]
    assert {"importer.pipeline.runner", "celery.app.trace"} <= {line["logger"] for line in of_import}
    assert {line.get("request_id") for line in of_import} == {REQUEST_ID}
    assert not any(task_id in line["message"] for line in lines if line not in of_import)
    assert {line.get("request_id") for line in lines if line.get("task_id") == older} == {None}


def test_a_scrape_of_several_web_processes_has_the_sum(environment: dict[str, str], processes: Processes) -> None:
    environment["METRICS_TOKEN"] = TOKEN
    (port,) = find_free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = ("-m", "gunicorn", "--workers", "2", "-b", f"127.0.0.1:{port}", "app:create_app()")
    processes.start(*command)

    def has_two_processes() -> bool:
        try:
            return scrape(address).get("acme_streams_limit") == 200
        except requests.ConnectionError:
            return False

    wait_for("both processes have started", has_two_processes)
    for _ in range(20):
        assert requests.get(f"{address}/api/products", timeout=REQUEST_SECONDS).ok
    labels = {"endpoint": "/api/products", "method": "GET", "status": "2xx"}
    found = [scrape(address).get("acme_http_requests_total", **labels) for _ in range(6)]
    assert set(found) == {20}
