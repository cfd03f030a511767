"""Checks that a screen fits into windows of all sizes."""

from __future__ import annotations

import zlib
from pathlib import Path

from playwright.sync_api import Page, ViewportSize

from support.thorough import IS_THOROUGH

NARROW: ViewportSize = {"width": 360, "height": 740}
# 320 px is what WCAG 1.4.10 asks for, and 640 × 360 px is the room that a window of 1280 × 720 px has at 200 %.
SMALLEST: ViewportSize = {"width": 320, "height": 640}
FURTHER_SIZES: tuple[ViewportSize, ...] = (
    NARROW,
    {"width": 640, "height": 360},
    {"width": 768, "height": 1024},
    {"width": 1920, "height": 1080},
)
USUAL: ViewportSize = {"width": 1280, "height": 720}
REMEMBER_POSITIONS = """() => [...document.querySelectorAll('*')]
    .filter(part => part.scrollTop || part.scrollLeft)
    .map(part => [part, {left: part.scrollLeft, top: part.scrollTop, behavior: 'instant'}])"""
RESTORE_POSITIONS = "positions => positions.forEach(([part, position]) => part.scrollTo(position))"
FIND_FAULTS = Path(__file__).with_name("layout.js").read_text("utf-8")


def find_layout_faults(page: Page, state: str = "") -> list[str]:
    """Return what does not fit at some size, as sentences that begin with the size. The window keeps its size, and
    everything its scroll position.

    Every state is checked at the smallest and the usual size, and at one of the others, which depends on `state`; with
    the environment variable TEST_THOROUGH at all of them.

    The page must not scroll sideways. Every control must be in the window and not be covered, no text of a button or
    label may be cut, and the parts of the header must not overlap.
    """
    before = page.viewport_size
    positions = page.evaluate_handle(REMEMBER_POSITIONS)
    found = []
    chosen = zlib.crc32(state.encode()) % len(FURTHER_SIZES)
    further = FURTHER_SIZES if IS_THOROUGH else FURTHER_SIZES[chosen : chosen + 1]
    # The usual size is the last, because most tests use it, so the window need not change once more.
    for size in (SMALLEST, *further, USUAL):
        page.set_viewport_size(size)
        found += [f"{size['width']} px: {fault}" for fault in page.evaluate(FIND_FAULTS)]
    if before and before != USUAL:
        page.set_viewport_size(before)
    page.evaluate(RESTORE_POSITIONS, positions)
    positions.dispose()
    return found
