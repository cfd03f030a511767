"""Accessibility checks: axe-core, which ships in axe-playwright-python, and the layout in windows of all sizes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from support.layout import NARROW, find_layout_faults
from support.thorough import IS_THOROUGH

# All rules of WCAG 2.2 at levels A and AA, and axe's best practices. `target-size` is off in axe by default.
OPTIONS: dict[str, Any] = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    },
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
    # Of these rules, only the one about audio that plays by itself needs preloaded files, and the pages have no audio.
    "preload": False,
}
# A table that is loading is dimmed. WCAG requires no contrast for elements that cannot be used. The rows of a table are
# made alike, so a few of each table are enough: axe takes most of its time for the colours and sizes of their cells.
CONTEXT = {"exclude": [".table-scroll[aria-busy=true] tbody", "tbody tr:nth-child(n + 5):nth-last-child(n + 2)"]}
# These two take most of the time of axe.
EXPENSIVE_RULES = ("color-contrast", "target-size")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

# Wait until no transition runs: axe would judge a colour that is still changing. The end of a transition may start
# another one. A closed <details> keeps finished transitions in the list.
WAIT_FOR_TRANSITIONS = """async () => {
    const running = () => document.getAnimations().filter(animation => animation.playState !== 'finished');
    do {
        await new Promise(requestAnimationFrame);
        await Promise.allSettled(running().map(animation => animation.finished));
        await new Promise(requestAnimationFrame);
    } while (running().length);
}"""


def check_accessible(page: Page, state: str, *, narrow: bool = False) -> None:
    """Fail with the violations on the page, and with what does not fit into windows of some size.

    `state` describes what the page shows. The themes differ in colours only, and all states together have each part of
    the page many times, so a state is checked in one theme, and by one of the expensive rules; its name decides which.
    With `narrow`, both rules apply, and axe also checks the layout for phones, in the other theme: for screens that
    look much different there. With the environment variable TEST_THOROUGH, both rules apply to all states, in both
    themes. The theme is light afterwards.
    """
    number = zlib.crc32(state.encode())
    left_out = [] if narrow or IS_THOROUGH else [EXPENSIVE_RULES[number // 2 % 2]]
    found = [f"{state}, {fault}" for fault in find_layout_faults(page, state)]
    for theme in THEMES if IS_THOROUGH else [THEMES[number % 2]]:
        found += find_violations(page, state, theme, left_out)
    if narrow and (before := page.viewport_size):
        page.set_viewport_size(NARROW)
        found += find_violations(page, f"{state}, 360 px", THEMES[1 - number % 2])
        page.set_viewport_size(before)
    page.emulate_media(color_scheme="light")
    if found:
        pytest.fail("\n".join([f"{len(found)} violations of accessibility rules", *found]), pytrace=False)


def find_violations(page: Page, state: str, theme: Literal["light", "dark"], left_out: Iterable[str] = ()) -> list[str]:
    """Return axe's violations in a theme, which is emulated as the system's setting, without those of some rules."""
    page.emulate_media(color_scheme=theme)
    options = OPTIONS | {"rules": OPTIONS["rules"] | {rule: {"enabled": False} for rule in left_out}}
    return [f"{state}, {theme}: {describe(violation)}" for violation in settled_violations(page, options)]


def settled_violations(page: Page, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return axe's violations. The header, which stays in view, may hide a part of a control, depending on the scroll
    position: then the page is checked again from its top.
    """
    found = violations(page, options)
    if any(violation["id"] == "target-size" for violation in found):
        page.evaluate("() => scrollTo({top: 0, behavior: 'instant'})")
        found = violations(page, options)
    return found


def violations(page: Page, options: dict[str, Any] = OPTIONS, part: str = "") -> list[dict[str, Any]]:
    """Return axe's violations, or those in the element that the selector `part` finds.

    See https://www.deque.com/axe/core-documentation/api-documentation/.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    page.evaluate(WAIT_FOR_TRANSITIONS)
    context = CONTEXT | ({"include": [part]} if part else {})
    found: list[dict[str, Any]] = page.evaluate(
        "async ([context, options]) => (await axe.run(context, options)).violations", [context, options]
    )
    return found


def describe(violation: dict[str, Any]) -> str:
    """Format a violation: its rule, its elements, and how to fix each of them."""
    lines = [f"{violation['id']} ({violation['impact']}): {violation['help']}"]
    for node in violation["nodes"]:
        lines.append(f"    {' '.join(str(part) for part in node['target'])}  {node['html'][:200]}")
        lines += [f"        {line.strip()}" for line in node["failureSummary"].splitlines()]
    return "\n".join(lines)
