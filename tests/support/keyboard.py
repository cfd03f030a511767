"""A person who uses a page by keyboard alone: every control that gets the focus must be in view, marked and named.

The checks follow WCAG 2.2: 2.1.2 (no keyboard trap), 2.4.3 (focus order), 1.4.11 (contrast of the outline, in
both themes), 2.4.7 (focus visible), 2.4.11 (focus not obscured) and 4.1.2 (name, role, value).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Page

from support.waiting import wait_for

# Names that say nothing without the control's surroundings.
EMPTY_NAMES = {"more", "here", "click here", "open", "option", "menu"}
# Chromium has names of its own for a few roles.
ROLES = {"DisclosureTriangle": "disclosure", "Date": "date", "DateTime": "date", "InputTime": "time"}
# A screen that has just opened gets the focus as a whole. It is no control, so it needs neither mark nor name.
NO_CONTROL = "main"
MOVES = {"ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown"}
WAIT_SECONDS = 20
# A busy machine draws few frames.
FRAME_SECONDS = 5

# Content that arrives moves what is below it, so a person who sees that something loads waits.
IS_LOADED = """![...document.querySelectorAll('[aria-busy=true]')].some((part) => part.checkVisibility())"""

# Called on the element that has the focus, with the one that had it before; returns what is wrong, or null if the focus
# has moved on.
INSPECT = """function (before) {
    const element = this;
    if (element !== document.activeElement) return null;
    const problems = [];
    const box = (node) => node.getBoundingClientRect();
    const clips = (node) => getComputedStyle(node).overflow !== 'visible';

    // The outline may be that of a label, or of the box around a field.
    const isMarked = (node) => {
        const style = getComputedStyle(node);
        return Math.min(box(node).width, box(node).height) >= 4 && parseFloat(style.outlineWidth) >= 1
            && style.outlineStyle !== 'none' && !/(rgba\\(.*, 0\\)|transparent)$/.test(style.outlineColor);
    };
    // WCAG 1.4.11: the outline has a contrast of 3 to 1 with what is around it, or within it if it lies inside.
    const colourOf = (text) => {
        const numbers = text.match(/[\\d.]+(?:e-\\d+)?/g).map(Number);
        const isUnit = text.startsWith('color(');
        return {rgb: numbers.slice(0, 3).map((part) => (isUnit ? part : part / 255)), alpha: numbers[3] ?? 1};
    };
    const mix = ({rgb, alpha}, below) => rgb.map((part, at) => part * alpha + below[at] * (1 - alpha));
    const backgroundOf = (node) => {
        if (!node) return colourOf(getComputedStyle(document.documentElement).colorScheme === 'dark'
            ? 'rgb(18, 18, 18)' : 'rgb(255, 255, 255)').rgb;
        const colour = colourOf(getComputedStyle(node).backgroundColor);
        if (colour.alpha === 1) return colour.rgb;
        return mix(colour, backgroundOf(node.parentElement));
    };
    const luminance = (rgb) => {
        const [red, green, blue] = rgb.map((part) =>
            part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const contrastOf = (node) => {
        const {outlineColor, outlineOffset, outlineWidth} = getComputedStyle(node);
        const isInside = parseFloat(outlineOffset) <= -parseFloat(outlineWidth);
        const around = backgroundOf(isInside ? node : node.parentElement);
        const levels = [mix(colourOf(outlineColor), around), around].map(luminance).sort((one, two) => two - one);
        return (levels[0] + 0.05) / (levels[1] + 0.05);
    };
    const findPaleOutlines = (node) => {
        // Another theme takes time on a large page, so controls that look alike are checked once.
        const looks = [];
        for (let up = node; up; up = up.parentElement) looks.push(`${up.localName}.${up.className}`);
        const look = looks.join('<');
        window.knownOutlines ??= new Set();
        if (window.knownOutlines.has(look)) return [];
        window.knownOutlines.add(look);
        const root = document.documentElement;
        const chosen = root.dataset.theme;
        const found = ['light', 'dark'].flatMap((theme) => {
            root.dataset.theme = theme;
            const contrast = contrastOf(node);
            return contrast < 3 ? [`has an outline of contrast ${contrast.toFixed(2)} in the ${theme} theme`] : [];
        });
        if (chosen === undefined) delete root.dataset.theme;
        else root.dataset.theme = chosen;
        return found;
    };

    let shown = element;
    for (let up = 0; up < 4 && shown && !isMarked(shown); up += 1) shown = shown.parentElement;
    // The browser itself marks the parts of a date, between which Tab moves.
    if (!element.matches(':focus-visible, [type=date], [type=datetime-local]')) {
        problems.push('does not match :focus-visible');
    } else if (element.matches(':focus-visible') && !(shown && isMarked(shown))) problems.push('has no outline');
    if (shown && isMarked(shown)) problems.push(...findPaleOutlines(shown));
    else shown = element;

    // The part of the window in which it can be seen. Something larger than that must fill it.
    const room = {left: 0, top: 0, right: innerWidth, bottom: innerHeight};
    for (let node = shown.parentElement; node && node !== document.body; node = node.parentElement) {
        if (clips(node)) {
            const {left, top} = box(node);
            room.left = Math.max(room.left, left + node.clientLeft);
            room.top = Math.max(room.top, top + node.clientTop);
            room.right = Math.min(room.right, left + node.clientLeft + node.clientWidth);
            room.bottom = Math.min(room.bottom, top + node.clientTop + node.clientHeight);
        }
        if (getComputedStyle(node).position === 'fixed' || node.matches('dialog, [popover]')) break;
    }
    const lines = [...shown.getClientRects()];
    const whole = lines.length > 1 && getComputedStyle(shown).display === 'inline' ? lines[0] : box(shown);
    const fit = (low, high, min, max) =>
        high - low > max - min ? [Math.max(low, min), Math.min(high, max)] : [low, high];
    const [left, right] = fit(whole.left, whole.right, room.left, room.right);
    const [top, bottom] = fit(whole.top, whole.bottom, room.top, room.bottom);
    if (right - left < 4 || bottom - top < 4) problems.push('is too small to be seen');
    else if (left < room.left - 2 || right > room.right + 2 || top < room.top - 2 || bottom > room.bottom + 2) {
        problems.push(`is out of view: ${[left, top, right, bottom].map(Math.round)}`
            + ` in ${[room.left, room.top, room.right, room.bottom].map(Math.round)}`);
    } else {
        const [x, y] = [(left + right) / 2, (top + bottom) / 2];
        const quarter = (right - left) / 4;
        const covers = [[x, y], [x, top + 2], [x, bottom - 2], [left + quarter, y], [right - quarter, y]]
            .map((point) => document.elementFromPoint(...point))
            .filter((hit) => hit && hit !== shown && !shown.contains(hit) && !hit.contains(shown));
        if (covers.length) problems.push(`is behind ${covers[0].outerHTML.slice(0, 120)}`);
    }

    // The reading order: from top to bottom, and from left to right in a line. Where two controls are in different
    // parts of the page, the parts are compared.
    if (before && before.isConnected && before !== element && !element.contains(before) && !before.contains(element)) {
        let parent = before.parentElement;
        while (!parent.contains(element)) parent = parent.parentElement;
        const part = (node) => {
            let child = node;
            while (child.parentElement !== parent) child = child.parentElement;
            return box(child).width ? box(child) : box(node);
        };
        const [from, to] = [part(before), part(element)];
        const overlap = Math.min(from.bottom, to.bottom) - Math.max(from.top, to.top);
        const isOneLine = overlap > Math.min(from.height, to.height) / 2;
        if (isOneLine ? to.right <= from.left + 1 : to.bottom <= from.top + 1) {
            problems.push(`is before the last control: ${JSON.stringify([from, to])}`);
        }
    }
    return problems;
}"""


@dataclass(frozen=True)
class Control:
    """An element that has the focus, with its role and name for assistive technology; the page itself has no handle."""

    role: str
    name: str
    handle: str | None = field(compare=False, default=None)

    def __str__(self) -> str:
        return f"{self.role} “{self.name}”"

    def matches(self, role: str, name: str | re.Pattern[str]) -> bool:
        """Return whether it has this role, and this name or one that the pattern finds."""
        return self.role == role and (self.name == name if isinstance(name, str) else bool(name.search(self.name)))


class Keyboard:
    """The keyboard of a page.

    Every method that moves the focus checks the control that gets it. A failure lists the controls visited before.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session = page.context.new_cdp_session(page)
        self._last: Control | None = None
        self.visited: list[str] = []

    def tab_to(self, role: str, name: str | re.Pattern[str], *, steps: int = 12, back: bool = False) -> None:
        """Press Tab, or with `back` Shift+Tab, until a control with this role and name has the focus."""
        for _ in range(steps):
            control = self._tab(back)
            if control and control.matches(role, name):
                return
        self._fail(f"{steps} times Tab do not lead to the {role} {name!r}")

    def tab_around(self, steps: int = 80) -> list[str]:
        """Press Tab until the focus is where it was; return the controls on the way, without that of the start."""
        start = self.focused()
        names: list[str] = []
        for _ in range(steps):
            control = self._tab(back=False)
            if control == start:
                return names
            if control:
                names.append(str(control))
        self._fail(f"{steps} times Tab do not lead back to the {start}")

    def press(self, *keys: str) -> None:
        """Press keys one after another. The focus must not be lost before any of them."""
        for key in keys:
            self._expect_kept(f"before {key}")
            self._page.keyboard.press(key)
            self.visited.append(f"[{key}]")
            if key in MOVES and (control := self._find()):
                self._check(control, before=None)

    def type(self, text: str) -> None:
        """Type a text in place of what is selected."""
        self._expect_kept(f"before typing {text!r}")
        self._page.keyboard.type(text)

    def expect_focus(self, role: str, name: str | re.Pattern[str]) -> None:
        """Wait until a control with this role and name has the focus."""
        try:
            wait_for("the focus", lambda: (found := self._find()) and found.matches(role, name), seconds=WAIT_SECONDS)
        except pytest.fail.Exception:
            self._fail(f"The focus is not on the {role} {name!r} but on {self._find() or 'nothing'}")
        self._check(self.focused(), before=None)

    def focused(self) -> Control:
        """Return the control that has the focus."""
        return self._find() or self._fail("No control has the focus")

    def _tab(self, back: bool) -> Control | None:
        """Press Tab; return the next control, or None between the last control of the page and the first one."""
        wait_for("the end of loading", lambda: self._evaluate(IS_LOADED)["value"], seconds=WAIT_SECONDS)
        self._expect_kept("before Tab")
        before = self._find()
        self._page.keyboard.press("Shift+Tab" if back else "Tab")
        control = self._find()
        if control:
            self._check(control, before=None if back else before)
        else:
            self._last = None
            self.visited.append("the end of the page")
        return control

    def _expect_kept(self, when: str) -> None:
        """Fail if the focus is lost. After a control has disappeared, another one gets it with the next frame."""
        try:
            wait_for("the focus", lambda: not self._last or self._find(), seconds=FRAME_SECONDS)
        except pytest.fail.Exception:
            self._fail(f"The focus is lost {when}")

    def _find(self) -> Control | None:
        """Return the control that has the focus; None if only the page has it."""
        found = self._evaluate("document.activeElement")
        if found.get("className") in (None, "HTMLBodyElement", "HTMLHtmlElement"):
            return None
        handle = found["objectId"]
        query = {"objectId": handle, "fetchRelatives": False}
        [node] = self._session.send("Accessibility.getPartialAXTree", query)["nodes"]
        role = node.get("role", {}).get("value", "")
        return Control(ROLES.get(role, role), node.get("name", {}).get("value", "").strip(), handle)

    def _evaluate(self, expression: str) -> dict[str, Any]:
        """Return the remote object that an expression results in."""
        answer = self._session.send("Runtime.evaluate", {"expression": expression})
        return dict(answer["result"])

    def _check(self, control: Control, before: Control | None) -> None:
        self._last = control
        self.visited.append(str(control))
        if control.role == NO_CONTROL:
            return
        call: dict[str, Any] = {"functionDeclaration": INSPECT, "objectId": control.handle, "returnByValue": True}
        call["arguments"] = [{"objectId": before.handle} if before else {"value": None}]
        answer = self._session.send("Runtime.callFunctionOn", call)
        if "exceptionDetails" in answer:
            self._fail(f"The {control} cannot be inspected: {answer['exceptionDetails']}")
        problems = answer["result"]["value"]
        if problems is None:
            return
        if len(re.sub(r"\W", "", control.name)) < 2 or control.name.casefold() in {control.role, *EMPTY_NAMES}:
            problems.append("has no meaningful name")
        if problems:
            self._fail(f"The {control} {', and '.join(problems)}")

    def _fail(self, problem: str) -> NoReturn:
        way = "\n    ".join(self.visited[-40:])
        pytest.fail(f"{problem}. The way there:\n    {way}", pytrace=False)
