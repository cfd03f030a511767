"""The calls in docs/api.md do what the page says, in the order in which it shows them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from support.documented_calls import DOCUMENTED_ADDRESS, CommandRunner, curl_commands, read_code_blocks, used_variables
from support.jobs import delay_slices
from support.processes import Processes, is_healthy
from support.waiting import wait_for

EXPORT_HEADER = b"sku,name,description,active\n"
REJECTS_HEADER = "name,sku,description,line,code,message"
CREATE_PRODUCT = f"""curl -H 'Content-Type: application/json' -d '{{"sku": "B-1"}}' {DOCUMENTED_ADDRESS}/api/products"""
# With this delay an import still runs when the page's next call cancels it.
SLICE_SECONDS = 3


def test_every_documented_call_works(processes: Processes, free_port: int, tmp_path: Path) -> None:
    processes.start_web(free_port)
    processes.start_worker("--concurrency=1")
    address = f"http://127.0.0.1:{free_port}"
    wait_for("a healthy product", lambda: is_healthy(address))
    runner = CommandRunner(address, tmp_path)
    calls_block, job_actions_block, audit_block = read_code_blocks("api.md", "sh")

    outputs: list[str] = []
    for command in curl_commands(calls_block):
        outputs.append(runner.run(command))
        runner.variables |= read_variables(outputs[-1])
    assert used_variables(calls_block) == set(runner.variables)
    events = [line.removeprefix("data: ") for line in outputs[2].splitlines() if line.startswith("data: ")]
    assert json.loads(events[-1])["status"] == "completed"
    assert gzip.decompress((tmp_path / "products.csv.gz").read_bytes()).startswith(EXPORT_HEADER)
    assert (tmp_path / "rejects.csv").read_text(encoding="utf-8").strip() == REJECTS_HEADER
    assert json.loads(outputs[-2])["count"] > 0
    [last_change] = [
        output for command, output in zip(curl_commands(calls_block), outputs, strict=True) if "last-change" in command
    ]
    assert json.loads(last_change)["by"] == {"type": "local", "name": "local"}

    delay_slices(processes.environment["DATABASE_URL"], SLICE_SECONDS)
    runner.retry_early_calls()
    for command in curl_commands(job_actions_block):
        # curl prints the responses of all attempts; the last line is that of the successful one.
        outputs.append(runner.run(command).splitlines()[-1])
        runner.variables |= read_variables(outputs[-1])
    assert json.loads(outputs[-2])["kind"] == "undo"
    assert json.loads(outputs[-1])["message"] == "The undo of products-2k.csv was deleted."

    # The products of the other calls are gone.
    runner.variables |= read_variables(runner.run(CREATE_PRODUCT))
    outputs = [runner.run(command) for command in curl_commands(audit_block)]
    assert json.loads(outputs[0])["entries"][0]["action"] == "product.created"
    assert (tmp_path / "audit.csv").read_text(encoding="utf-8").count("import.fixed") == 1


def read_variables(output: str) -> dict[str, str]:
    """Return the shell variables that a response gives to later commands."""
    try:
        body = json.loads(output)
    except ValueError:
        return {}
    variables = {}
    if "task_id" in body:
        variables["TASK_ID"] = body["task_id"]
    if "sku" in body:
        variables |= {"ID": str(body["id"]), "ETAG": f'"{body["updated_at"]}"'}
    if next_page_token := body.get("pagination", {}).get("next"):
        variables["NEXT"] = next_page_token
    return variables
