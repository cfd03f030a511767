"""The calls in docs/webhooks.md work, and its code for receivers verifies the product's signatures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient

from support.documented_calls import CommandRunner, curl_commands, read_code_blocks, used_variables
from support.prerequisites import skip_or_fail
from support.processes import Processes, is_healthy
from support.receiver import Receiver
from support.waiting import wait_for
from support.webhooks import subscribe
from webhooks import signing

DOCUMENTED_RECEIVER = "https://example.com/hooks"
REQUEST_SECONDS = 10
# Appended to the documented code: they read {"secret", "headers", "body"} from stdin, and exit with 0 if the signature
# is valid and with 1 if it is not.
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


def test_every_documented_call_works(processes: Processes, receiver: Receiver, free_port: int, tmp_path: Path) -> None:
    processes.start_web(free_port)
    processes.start_worker("--concurrency=1")
    address = f"http://127.0.0.1:{free_port}"
    wait_for("a healthy product", lambda: is_healthy(address))
    runner = CommandRunner(address, tmp_path, replacements={DOCUMENTED_RECEIVER: receiver.url("/ok/x")})
    (block,) = read_code_blocks("webhooks.md", "sh")

    bodies = []
    for command in curl_commands(block):
        bodies.append(json.loads(runner.run(command)))
        if not runner.variables:
            webhook_id = str(bodies[0]["id"])
            requests.post(f"{address}/api/products", json={"sku": "A"}, timeout=REQUEST_SECONDS)
            delivery_id = wait_for_delivery(f"{address}/api/webhooks/{webhook_id}/deliveries")
            runner.variables |= {"WEBHOOK": webhook_id, "DELIVERY": delivery_id}
    assert used_variables(block) == set(runner.variables)
    created, tested, tested_again, failed, found, _, resent, recovered, hours, rotated, switched_off, _ = bodies
    assert tested["test_result"]["success"] and tested_again["test_result"]["success"]
    assert (failed["deliveries"], found["deliveries"], resent["count"], recovered["count"]) == ([], [], 0, 0)
    assert sum(hour["delivered"] for hour in hours["hours"]) >= 1
    assert rotated["secret"] != created["secret"]
    assert not switched_off["enabled"]


def wait_for_delivery(deliveries_url: str) -> str:
    """Wait until the first event is delivered and return the id of its delivery."""

    def read_delivered() -> list[dict[str, int]]:
        response = requests.get(f"{deliveries_url}?status=delivered", timeout=REQUEST_SECONDS)
        delivered: list[dict[str, int]] = response.json()["deliveries"]
        return delivered

    return str(wait_for("a delivery", read_delivered)[0]["id"])


@pytest.fixture(params=["python", "js", "bash"])
def verify(request: pytest.FixtureRequest, tmp_path: Path) -> Verify:
    """A function that verifies a signature with the documented code in one of its languages."""
    (code,) = read_code_blocks("webhooks.md", request.param)
    if request.param == "python":
        return create_program_verifier([sys.executable], code + PYTHON_DRIVER, tmp_path)
    if request.param == "js":
        node = shutil.which("node")
        if node is None:
            skip_or_fail("node is missing, which runs the documented code for Node; install nodejs")
        return create_program_verifier([node], code + NODE_DRIVER, tmp_path)
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is missing, which the documented code for the shell calls; install openssl")
    return create_shell_verifier(code, tmp_path)


def create_program_verifier(interpreter: list[str], code: str, folder: Path) -> Verify:
    """Return a verifier that passes the request to a program through stdin."""
    program = folder / "receiver_code"
    program.write_text(code, encoding="utf-8")

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        stdin = json.dumps({"secret": secret, "headers": headers, "body": body.decode()})
        return is_accepted([*interpreter, str(program)], stdin, {}, folder)

    return verify


def create_shell_verifier(code: str, folder: Path) -> Verify:
    """Return a verifier that passes the request to a shell script through variables and a file."""
    program = folder / "receiver_code"
    program.write_text(code, encoding="utf-8")

    def verify(secret: str, headers: dict[str, str], body: bytes) -> bool:
        (folder / "body.json").write_bytes(body)
        variables = {
            "SECRET": secret,
            "ID": headers["webhook-id"],
            "TIMESTAMP": headers["webhook-timestamp"],
            "SIGNATURE": headers["webhook-signature"],
        }
        return is_accepted(["bash", str(program)], "", variables, folder)

    return verify


def is_accepted(command: list[str], stdin: str, variables: dict[str, str], folder: Path) -> bool:
    """Run a verifier; return true for exit status 0 and false for 1. Any other status fails the test."""
    result = subprocess.run(
        command, input=stdin, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert result.returncode in {0, 1}, result.stderr
    assert not result.stderr
    return result.returncode == 0


def test_the_documented_code_accepts_only_valid_and_recent_signatures(
    client: FlaskClient, receiver: Receiver, verify: Verify
) -> None:
    webhook_id = subscribe(client, receiver.url("/ok/x"), description="ä")
    old_secret = client.get(f"/api/webhooks/{webhook_id}").get_json()["secret"]
    new_secret = client.post(f"/api/webhooks/{webhook_id}/rotate-secret").get_json()["secret"]
    client.post(f"/api/webhooks/{webhook_id}/test", json={"name": "Ä 茶", "test": True})
    (request,) = receiver.requests()
    assert verify(new_secret, request.headers, request.body)
    assert verify(old_secret, request.headers, request.body), "the old secret signs for 24 hours"
    assert not verify(signing.create_secret(), request.headers, request.body)
    assert not verify(new_secret, request.headers, request.body + b" ")
    assert not verify(new_secret, {**request.headers, "webhook-id": "another"}, request.body)
    for secret in (new_secret, "a plain secret"):
        for age_seconds, is_recent in ((0, True), (600, False), (-600, False)):
            timestamp = int(time.time()) - age_seconds
            headers = signing.sign_headers([secret], "evt_1", timestamp, b"{}")
            assert verify(secret, headers, b"{}") == is_recent
