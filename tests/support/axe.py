"""Checks what a page shows with axe-core, which ships in axe-playwright-python."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

# Everything of WCAG 2.2 at A and AA, and axe's best practices. `target-size` is off in axe unless it is asked for.
OPTIONS = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# A colour half-way through its transition is nobody's colour. The end of one may be the beginning of another. In a
# closed <details> transitions that have finished stay in the list.
STILL = """async () => {
    const running = () => document.getAnimations().filter(animation => animation.playState !== 'finished');
    do {
        await new Promise(requestAnimationFrame);
        await Promise.allSettled(running().map(animation => animation.finished));
        await new Promise(requestAnimationFrame);
    } while (running().length);
}"""


def check_accessible(page: Page, state: str) -> None:
    """Fails with every violation in what the page shows now, in the light and in the dark theme.

    `state` names what is shown. The themes are the system's here; afterwards it is the light one.
    """
    found = []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        found += [f"{state}, {theme}: {describe(violation)}" for violation in violations(page)]
    page.emulate_media(color_scheme="light")
    if found:
        pytest.fail("\n".join([f"{len(found)} violations of accessibility rules", *found]), pytrace=False)


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds wrong with the page as it is: https://www.deque.com/axe/core-documentation/api-documentation/."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    page.evaluate(STILL)
    result: dict[str, Any] = page.evaluate("options => axe.run(document, options)", OPTIONS)
    found: list[dict[str, Any]] = result["violations"]
    return found


def describe(violation: dict[str, Any]) -> str:
    """A violation with its rule, its elements, and what would make each of them right."""
    lines = [f"{violation['id']} ({violation['impact']}): {violation['help']}"]
    for node in violation["nodes"]:
        lines.append(f"    {' '.join(str(part) for part in node['target'])}  {node['html'][:200]}")
        lines += [f"        {line.strip()}" for line in node["failureSummary"].splitlines()]
    return "\n".join(lines)
