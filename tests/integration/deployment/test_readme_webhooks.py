"""The README's calls about webhooks on a running product, and its code for receivers on what that sends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient
from test_readme import is_healthy, run

from support.paths import ROOT
from support.prerequisites import skip_or_fail
from support.processes import Processes
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import subscribe
from webhooks import signing

PYTHON_DRIVER = """
import json, sys
given = json.load(sys.stdin)
sys.exit(not verify(given["secret"], given["headers"], given["body"].encode()))
"""
NODE_DRIVER = """
const given = JSON.parse(require("node:fs").readFileSync(0));
process.exit(verify(given.secret, given.headers, Buffer.from(given.body)) ? 0 : 1);
"""

Verify = Callable[[str, dict[str, str], bytes], bool]


def blocks(language: str) -> list[str]:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_every_call_does_what_it_says(processes: Processes, receiver: Receiver, free_port: int, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        skip_or_fail("curl is missing, which the README's calls are made with; install it (apt-get install curl)")
    processes.start_web(free_port)
    processes.start_worker("--concurrency=1")
    address = f"http://127.0.0.1:{free_port}"
    wait_for("a healthy product", lambda: is_healthy(address))
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nmax-time = 60\n")
    (block,) = blocks("sh")
    variables: dict[str, str] = {}
    answers = []
    for command in (line for line in block.splitlines() if line.startswith("curl")):
        here = command.replace("http://127.0.0.1:5000", address).replace(
            "https://example.com/hooks", receiver.url("/ok/x")
        )
        answers.append(json.loads(run(here, tmp_path, variables)))
        if not variables:
            variables["WEBHOOK"] = str(answers[0]["id"])
            requests.post(f"{address}/api/products", json={"sku": "A"}, timeout=10)
            variables["DELIVERY"] = delivered(f"{address}/api/webhooks/{variables['WEBHOOK']}")
    assert set(re.findall(r"\$([A-Z_]+)", block)) == set(variables)
    created, tested, failed, _, recovered, rotated, switched_off, _ = answers
    assert tested["test_result"]["success"]
    assert (failed["deliveries"], recovered["count"]) == ([], 0)
    assert rotated["secret"] != created["secret"]
    assert not switched_off["enabled"]


def delivered(webhook: str) -> str:
    """The number of the first delivery, once it has arrived."""
    found = wait_for("a delivery", lambda: requests.get(f"{webhook}/deliveries", timeout=10).json()["deliveries"])
    wait_for("its arrival", lambda: requests.get(f"{webhook}/deliveries?status=delivered", timeout=10).json())
    return str(found[0]["id"])


@pytest.fixture(params=["python", "js", "bash"])
def verify(request: pytest.FixtureRequest, tmp_path: Path) -> Verify:
    """The README's code in one of its languages."""
    (code,) = blocks(request.param)
    program = tmp_path / f"receiver.{request.param}"

    def by_program(command: list[str], driver: str) -> Verify:
        program.write_text(code + driver, encoding="utf-8")

        def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
            given = json.dumps({"secret": secret, "headers": headers, "body": body.decode()})
            return _succeeds([*command, str(program)], given, {}, tmp_path)

        return verify

    if request.param == "python":
        return by_program([sys.executable], PYTHON_DRIVER)
    if request.param == "js":
        node = shutil.which("node")
        if node is None:
            skip_or_fail("node is missing, which runs the README's code for Node; install nodejs")
        return by_program([node], NODE_DRIVER)
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is missing, which the README's code for the shell calls; install it")

    def by_shell(secret: str, headers: dict[str, str], body: bytes) -> bool:
        (tmp_path / "body.json").write_bytes(body)
        variables = {
            "SECRET": secret,
            "ID": headers["webhook-id"],
            "TIMESTAMP": headers["webhook-timestamp"],
            "SIGNATURE": headers["webhook-signature"],
        }
        program.write_text(code, encoding="utf-8")
        return _succeeds(["bash", str(program)], "", variables, tmp_path)

    return by_shell


def _succeeds(command: list[str], given: str, variables: dict[str, str], folder: Path) -> bool:
    result = subprocess.run(
        command, input=given, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert result.returncode in {0, 1}, result.stderr
    assert not result.stderr
    return result.returncode == 0


def test_a_receiver_tells_ours_from_others(client: FlaskClient, receiver: Receiver, verify: Verify) -> None:
    webhook = subscribe(client, receiver.url("/ok/x"), description="ä")
    old = client.get(f"/api/webhooks/{webhook}").get_json()["secret"]
    new = client.post(f"/api/webhooks/{webhook}/rotate-secret").get_json()["secret"]
    client.post(f"/api/webhooks/{webhook}/test", json={"name": "Ä 茶"})
    (request,) = receiver.requests()
    assert verify(new, request.headers, request.body)
    assert verify(old, request.headers, request.body), "for 24 hours"
    assert not verify(signing.create_secret(), request.headers, request.body)
    assert not verify(new, request.headers, request.body + b" ")
    assert not verify(new, {**request.headers, "webhook-id": "another"}, request.body)
    for secret in (new, "a plain secret"):
        for age, fresh in ((0, True), (600, False), (-600, False)):
            headers = signing.sign_headers([secret], "evt_1", int(time.time()) - age, b"{}")
            assert verify(secret, headers, b"{}") == fresh
