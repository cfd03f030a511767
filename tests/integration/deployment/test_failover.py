"""The primary fails while an import runs, and a standby is promoted: everything continues on its own."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import requests

import config
from app import create_app
from support.database import execute
from support.jobs import delay_slices, read_products
from support.processes import Processes, is_healthy
from support.receiver import Receiver
from support.standby import running_primary
from support.waiting import wait_for

REQUEST_SECONDS = 120
ROWS = 600
SLICE_SECONDS = 0.15
EXIT_STATUS = 3


def follow(address: str, task_id: str, states: list[dict[str, Any]]) -> None:
    """Collect the states that the progress stream of a job reports; open it again if it breaks."""
    while not states or states[-1]["status"] not in {"completed", "failed", "cancelled"}:
        url = f"{address}/api/upload/progress/{task_id}/stream"
        with requests.get(url, stream=True, timeout=REQUEST_SECONDS) as response:
            for line in response.iter_lines(decode_unicode=True):
                if line.startswith("data: "):
                    states.append(json.loads(line.removeprefix("data: ")))


def test_an_import_its_stream_and_its_webhook_continue_on_a_promoted_standby(
    environment: dict[str, str],
    processes: Processes,
    receiver: Receiver,
    free_port: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running_primary() as (primary, folder, stack):
        standby = primary.create_standby(folder / "standby" / "data", "standby")
        stack.callback(standby.server.stop)
        # Nothing that the product has committed may be missing on the standby.
        execute(primary.url, "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        execute(primary.url, "SELECT pg_reload_conf()")

        with pytest.raises(SystemExit) as caught:
            create_app(config.load({**environment, "DATABASE_URL": standby.url}))
        assert caught.value.code == EXIT_STATUS
        assert capsys.readouterr().err.startswith("error: DATABASE_URL: the server is a standby")

        # The standby is the first host, so the order does not decide which one is used.
        url = f"{primary.url.rpartition('@')[0]}@{standby.host},{primary.host}/acme"
        environment |= {"DATABASE_URL": url, "SLICE_ROWS": "20", "CHUNK_ROWS": "50", "IMPORT_WRITERS": "2"}
        processes.start_web(free_port)
        processes.start_worker("--concurrency=1")
        address = f"http://127.0.0.1:{free_port}"
        wait_for("a healthy product", lambda: is_healthy(address))
        webhook = {"url": receiver.url("/ok/x"), "event_type": "import.completed,products.imported,product.created"}
        requests.post(f"{address}/api/webhooks", json=webhook, timeout=REQUEST_SECONDS).raise_for_status()
        delay_slices(primary.url, SLICE_SECONDS)

        content = "sku,name\n" + "".join(f"F-{number:04},lamp\n" for number in range(ROWS))
        answer = requests.post(f"{address}/api/upload", files={"file": ("f.csv", content)}, timeout=REQUEST_SECONDS)
        states: list[dict[str, Any]] = []
        stream = threading.Thread(target=follow, args=(address, answer.json()["task_id"], states), daemon=True)
        stream.start()
        wait_for("a part of the rows", lambda: any(0 < state["created_count"] < ROWS for state in states))
        primary.server.kill()
        execute(standby.url, "SELECT pg_promote()")
        execute(standby.url, "DROP TRIGGER delay_slice ON import_jobs")

        wait_for("a product that can be written again", lambda: creates_product(address))
        stream.join(REQUEST_SECONDS)
        last = states[-1]
        assert (last["status"], last["created_count"], last["processed_records"]) == ("completed", ROWS, ROWS)
        counts = [state["created_count"] for state in states]
        assert counts == sorted(counts)
        assert len(read_products(standby.url)) == ROWS + 1
        wait_for("the events", lambda: received_skus(receiver) >= {f"f-{number:04}" for number in range(ROWS)})
        wait_for("the end of the import", lambda: "import.completed" in received(receiver))
        # A request whose result was not saved is repeated with the same id, so receivers count ids.
        events = received(receiver)
        assert len(events["import.completed"]) == 1
        assert len(events["product.created"]) == 1
        assert sum(len(body["created"]) for body in events["products.imported"].values()) == ROWS


def creates_product(address: str) -> bool:
    try:
        response = requests.post(f"{address}/api/products", json={"sku": "AFTER"}, timeout=REQUEST_SECONDS)
    except requests.RequestException:
        return False
    assert response.status_code in {201, 409, 503}, response.text
    return response.status_code in {201, 409}


def received(receiver: Receiver) -> dict[str, dict[str, Any]]:
    """Return what was received: the bodies by the kind of event and the id of the event."""
    events: dict[str, dict[str, Any]] = {}
    for request in receiver.requests():
        body = json.loads(request.body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        events.setdefault(body["event"], {})[headers["webhook-id"]] = body
    return events


def received_skus(receiver: Receiver) -> set[str]:
    bodies = received(receiver).get("products.imported", {}).values()
    return {product["sku"].lower() for body in bodies for product in body["created"]}
