"""docs/troubleshooting.md explains every warning and error that the product logs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from support.paths import ROOT

LEVELS = {"warning", "error", "exception", "critical"}
NOT_THE_PRODUCT = {"tests", "benchmarks", "migrations", "node_modules"}
PLACEHOLDER = re.compile(r"%(\.\d+)?[sdrf]")


def read_log_lines() -> set[str]:
    """Return the messages of warnings and errors in the product, with `…` in place of what varies."""
    lines = set()
    for folder in ROOT.iterdir():
        # The environments of Python and Node.js have thousands of files.
        if folder.name in NOT_THE_PRODUCT or folder.name.startswith("."):
            continue
        for path in folder.rglob("*.py") if folder.is_dir() else [folder] if folder.suffix == ".py" else []:
            lines |= _read_log_lines(path)
    return lines


def _read_log_lines(path: Path) -> set[str]:
    lines = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in {"log", "logger", "logging"}
        ):
            message = node.args[0]
            assert isinstance(message, ast.Constant), f"{path}:{node.lineno} needs a literal message"
            lines.add(PLACEHOLDER.sub("…", str(message.value)))
    return lines


# The lines are no parameters, because each process that collects tests would parse the whole product for them.
def test_the_page_explains_every_line() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    explained = {cells[1].strip().strip("`") for row in page.splitlines() if len(cells := row.split("|")) > 3}
    lines = read_log_lines()
    assert len(lines) > 10
    unexplained = [line for line in lines if not any(_matches(pattern, line) for pattern in explained)]
    assert sorted(set(unexplained) - explained) == []


def _matches(pattern: str, line: str) -> bool:
    """Return whether the `…` of a pattern of the page can stand for the parts of a line."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), line) is not None and len(pattern) > 20
