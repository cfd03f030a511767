"""docs/api.md and the filter of the page name every action of the audit log."""

from __future__ import annotations

import re

from support.paths import ROOT

FOLDERS = ("access", "api", "importer")
# Actions that are put together from a verb are found by their verb.
ACTION_RE = re.compile(r"(?:record|record_once|_record|record_action)\(\s*(?:\w+, \w+, )?f?\"([\w.]+)\"")
PAGE_RE = re.compile(r"^  '(\w+\.\w+)',$", re.MULTILINE)


def read_documented_actions() -> set[str]:
    """Return the actions in the table of docs/api.md, where `.updated` repeats the object of the action before it."""
    actions: set[str] = set()
    table = (ROOT / "docs" / "api.md").read_text(encoding="utf-8").partition("| object | actions |")[2]
    for row in table.partition("\n\n")[0].splitlines():
        named = ""
        for action in re.findall(r"`(\w*\.\w+)`", row):
            named = action.partition(".")[0] or named
            actions.add(f"{named}.{action.partition('.')[2]}")
    return actions


def test_the_filter_of_the_page_has_the_documented_actions() -> None:
    script = (ROOT / "static" / "js" / "access" / "activity-text.js").read_text(encoding="utf-8")
    names = script.partition("const ACTION_NAMES")[2].partition("]")[0]
    assert set(PAGE_RE.findall(names)) == read_documented_actions()


def test_every_action_in_the_code_is_documented() -> None:
    files = [path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    found = {action for text in files for action in ACTION_RE.findall(text)}
    documented = read_documented_actions()
    verbs = {action.partition(".")[2] for action in documented if action.startswith("import.")}
    assert len(found) > 20
    assert [action for action in sorted(found) if action not in documented | verbs] == []
