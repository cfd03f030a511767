"""The README's calls of the API, as they stand there, one after the other on a running product; and its code."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from support.jobs import delay_slices
from support.paths import ROOT
from support.prerequisites import skip_or_fail
from support.processes import Processes
from support.waiting import wait_for

BLOCK = re.compile(r"## Calls\n.*?```sh\n(.*?)```.*?## Preview, .*?```sh\n(.*?)```", re.DOTALL)
# An import is not always as far as the next call wants it.
PATIENT = "retry = 30\nretry-delay = 1\nretry-all-errors\n"


def test_every_call_does_what_it_says(processes: Processes, free_port: int, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        skip_or_fail("curl is missing, which the README's calls are made with; install it (apt-get install curl)")
    processes.start_web(free_port)
    processes.start_worker("--concurrency=1")
    address = f"http://127.0.0.1:{free_port}"
    wait_for("a healthy product", lambda: is_healthy(address))
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\nmax-time = 60\n")

    ((block, control),) = BLOCK.findall((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    commands = [line for line in block.splitlines() if line.startswith("curl")]
    variables: dict[str, str] = {}
    answers: dict[str, str] = {}
    for command in commands:
        answers[command] = said = run(command.replace("http://127.0.0.1:5000", address), tmp_path, variables)
        variables |= noted(said)

    assert set(re.findall(r"\$([A-Z_]+)", block)) == set(variables)
    events = [line for line in answers[commands[2]].splitlines() if line.startswith("data: ")]
    assert json.loads(events[-1][6:])["status"] == "completed"
    assert gzip.decompress((tmp_path / "products.csv.gz").read_bytes()).startswith(b"sku,name,description,active\n")
    assert json.loads(answers[commands[-2]])["count"] > 0
    assert (tmp_path / "rejects.csv").read_text(encoding="utf-8").strip() == "name,sku,description,line,code,message"

    with (tmp_path / ".curlrc").open("a") as settings:
        settings.write(PATIENT)
    # Otherwise it would be over before it is cancelled.
    delay_slices(processes.environment["DATABASE_URL"], 3)
    for command in filter(lambda line: line.startswith("curl"), control.splitlines()):
        # Before the last answer stand those of the attempts that came too early.
        said = run(command.replace("http://127.0.0.1:5000", address), tmp_path, variables).splitlines()[-1]
        variables |= noted(said)
    assert json.loads(said)["kind"] == "undo"


def run(command: str, folder: Path, variables: dict[str, str]) -> str:
    """What a command prints; a status of 400 or more fails the test."""
    result = subprocess.run(
        ["bash", "-euc", command],  # noqa: S607
        cwd=folder,
        env={**os.environ, "CURL_HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def noted(said: str) -> dict[str, str]:
    """The values that later commands name."""
    try:
        body = json.loads(said)
    except ValueError:
        return {}
    variables = {}
    if "task_id" in body:
        variables["TASK_ID"] = body["task_id"]
    if "sku" in body:
        variables |= {"ID": str(body["id"]), "ETAG": f'"{body["updated_at"]}"'}
    if following := body.get("pagination", {}).get("next"):
        variables["NEXT"] = following
    return variables


def is_healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/health", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
