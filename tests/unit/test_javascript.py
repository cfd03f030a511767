"""Runs the JavaScript unit tests in tests/js as part of this suite."""

from __future__ import annotations

import subprocess

from support.paths import ROOT
from support.prerequisites import skip_or_fail


def test_the_javascript_unit_tests_pass() -> None:
    if subprocess.run([ROOT / ".ci" / "has-node"], check=False).returncode != 0:
        skip_or_fail("The JavaScript tests need npm and Node.js 20.19, 22.13, 24 or newer.")
    run = subprocess.run(
        ["npm", "run", "--silent", "test"],  # noqa: S607 - Node.js has no fixed place.
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
