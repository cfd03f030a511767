"""docs/operations.md explains every warning and error that the product logs."""

from __future__ import annotations

import ast
import re

import pytest

from support.paths import ROOT

LEVELS = {"warning", "error", "exception", "critical"}
NOT_THE_PRODUCT = {"tests", "benchmarks", "migrations", "node_modules"}
PLACEHOLDER = re.compile(r"%(\.\d+)?[sdrf]")


def _log_lines() -> list[str]:
    lines = []
    for path in sorted(ROOT.rglob("*.py")):
        folder = path.relative_to(ROOT).parts[0]
        if folder in NOT_THE_PRODUCT or folder.startswith("."):
            continue
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
                lines.append(PLACEHOLDER.sub("…", str(message.value)))
    return lines


LOG_LINES = sorted(set(_log_lines()))


def test_there_are_log_lines() -> None:
    assert len(LOG_LINES) > 10


@pytest.mark.parametrize("line", LOG_LINES)
def test_the_operations_page_explains_the_line(line: str) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    explained = {cells[1].strip().strip("`") for row in page.splitlines() if len(cells := row.split("|")) > 3}
    assert line in explained or any(_matches(pattern, line) for pattern in explained)


def _matches(pattern: str, line: str) -> bool:
    """Return whether the `…` of a pattern of the page can stand for the parts of a line."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), line) is not None and len(pattern) > 20
