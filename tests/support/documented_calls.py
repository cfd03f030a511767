"""Run the curl commands that the documentation shows against a running product."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from support.paths import ROOT
from support.prerequisites import skip_or_fail

DOCUMENTED_ADDRESS = "http://127.0.0.1:5000"
CURL_OPTIONS = "fail-with-body\nsilent\nshow-error\nmax-time = 60\n"
# Repeats a call that comes too early, for example before the import has reached the state that the call needs.
CURL_RETRY_OPTIONS = "retry = 30\nretry-delay = 1\nretry-all-errors\n"
COMMAND_SECONDS = 90


def read_code_blocks(document: str, language: str) -> list[str]:
    """Return the code blocks of a language in a file of `docs`, from top to bottom."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def curl_commands(block: str) -> list[str]:
    """Return the lines of a code block that call curl."""
    return [line for line in block.splitlines() if line.startswith("curl")]


def used_variables(block: str) -> set[str]:
    """Return the names of the shell variables in a code block."""
    return set(re.findall(r"\$([A-Z_]+)", block))


@dataclass
class CommandRunner:
    """Runs documented commands in `folder`, against the product at `address`.

    `variables` are the shell variables of the commands. `replacements` maps other texts in the commands to the texts
    that replace them.
    """

    address: str
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    replacements: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if shutil.which("curl") is None:
            skip_or_fail("curl is missing, which the documented calls use; install it (apt-get install curl)")
        (self.folder / ".curlrc").write_text(CURL_OPTIONS)
        # The commands upload tests/products-2k.csv.
        (self.folder / "tests").symlink_to(ROOT / "tests")

    def retry_early_calls(self) -> None:
        """Repeat calls that fail, for up to half a minute."""
        (self.folder / ".curlrc").write_text(CURL_OPTIONS + CURL_RETRY_OPTIONS)

    def run(self, command: str) -> str:
        """Run a command and return its output; fail the test if the response has a status of 400 or more."""
        for text, replacement in {DOCUMENTED_ADDRESS: self.address, **self.replacements}.items():
            command = command.replace(text, replacement)
        result = subprocess.run(
            ["bash", "-euc", command],  # noqa: S607
            cwd=self.folder,
            env={**os.environ, "CURL_HOME": str(self.folder), **self.variables},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
        return result.stdout
