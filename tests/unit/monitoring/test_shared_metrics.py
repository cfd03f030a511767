"""Several processes share their metrics in a folder, which does not outlive them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitoring.shared_metrics import share_metrics
from support.paths import ROOT

# A child process counts and ends, another one uses a stream and ends, and the parent prints what a scrape has.
PROGRAM = """
import os, signal, sys
from monitoring.shared_metrics import share_metrics
share_metrics()
from monitoring import exporter, metrics
for _ in range(2):
    if not os.fork():
        metrics.ROWS.labels("created").inc(3)
        metrics.STREAMS.inc()
        os._exit(0)
    os.wait()
metrics.ROWS.labels("created").inc()
metrics.STREAMS.inc()
registry = exporter.create_registry()
print(registry.get_sample_value("acme_rows_total", {"outcome": "created"}))
print(registry.get_sample_value("acme_streams_open"))
print(registry.get_sample_value("acme_job_runs_total", {"kind": "import", "outcome": "failed"}))
if "--killed" in sys.argv:
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Run the program with a temporary folder; return its status and its lines."""
    command = [sys.executable, "-c", PROGRAM, *options]
    environment = {"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == ""
    return result.returncode, result.stdout.split()


def test_a_scrape_has_the_sum_of_all_processes_and_the_folder_goes_with_them(tmp_path: Path) -> None:
    # What ended processes counted stays, and what they used is free again. A counter begins at 0.
    assert run(tmp_path, "--killed") == (-signal.SIGKILL, ["7.0", "1.0", "0.0"])
    (abandoned,) = tmp_path.iterdir()
    foreign = tmp_path / "acme-metrics-of-somebody"
    foreign.mkdir()
    # The next start begins at 0 and removes what the killed one left, but nothing that has no lock of the product.
    assert run(tmp_path) == (0, ["7.0", "1.0", "0.0"])
    assert not abandoned.exists()
    assert list(tmp_path.iterdir()) == [foreign]


def test_metrics_cannot_be_shared_once_they_are_in_memory() -> None:
    with pytest.raises(RuntimeError, match="before the first import"):
        share_metrics()
