"""The documentation names only files that exist, and its pages stay readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MAX_LINES = 400
MAX_LINE_CHARACTERS = 120

CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#]+)")
# A path has a slash, or is a file name with one of these suffixes. Paths of the API begin with a slash instead, and
# folders that the product creates with a dot and a slash.
PATH = re.compile(r"\.?[A-Za-z_][\w.-]*(/[\w.-]*)+|[\w.-]+\.(py|md|json|toml|in|txt|html|example)")


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    """One page of the documentation."""
    path: Path = request.param
    return path


def test_every_path_in_backticks_exists(page: Path) -> None:
    prose = CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))
    paths = {text for text in IN_BACKTICKS.findall(prose) if PATH.fullmatch(text)}
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = {target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target}
    assert [target for target in sorted(targets) if not (page.parent / target).exists()] == []


def test_pages_are_short_and_wrapped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_LINES
    # A row of a table and a command cannot be wrapped.
    prose = [line for line in CODE_BLOCK.sub("", text).splitlines() if not line.startswith("|")]
    assert [line for line in prose if len(line) > MAX_LINE_CHARACTERS] == []


def test_the_architecture_names_every_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    packages = [path.parent.name for path in sorted(ROOT.glob("*/__init__.py"))]
    assert [name for name in packages if f"`{name}/" not in text and name != "benchmarks"] == []


def test_the_calls_in_the_readme_are_among_those_that_are_tested() -> None:
    # tests/integration/deployment/test_documented_calls.py executes the calls of docs/api.md.
    readme, api = ((ROOT / name).read_text(encoding="utf-8").splitlines() for name in ("README.md", "docs/api.md"))
    calls = [line for line in readme if line.startswith("curl ")]
    assert calls
    assert [call for call in calls if call not in api] == []
