"""Memory of tabs that stay open while imports come and go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from support.browser import Console, Site, cell, show_products
from support.browser_contexts import CONTEXT

WARM_UP_IMPORTS = 50
IMPORTS = 100
AT_A_TIME = 10
# V8 compiles code at its own pace, and the same page differs by this much between two collections. If each import left
# a row of the history behind, there would be 5,000 nodes and 600 listeners more.
NOISE_BYTES = 800_000
NOISE_NODES = 200
NOISE_LISTENERS = 20


@pytest.fixture
def page(separating_browser: Browser, site: Site, console: Console) -> Iterator[Page]:
    """An empty page. The tabs have processes of their own, because the heap of a process is measured as a whole."""
    with separating_browser.new_context(base_url=site.address, **CONTEXT) as context:
        page = context.new_page()
        console.watch(page)
        yield page
    console.check()


class Memory(NamedTuple):
    """What a tab holds after a garbage collection."""

    heap_bytes: int
    nodes: int
    listeners: int


class Tab:
    """An open tab whose memory can be measured."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")

    def measure(self) -> Memory:
        """Collect garbage and return what is left."""
        # The next frame releases what was drawn in this one.
        self.page.evaluate("() => new Promise(requestAnimationFrame)")
        for _ in range(2):
            self._session.send("HeapProfiler.collectGarbage")
        found = self._session.send("Performance.getMetrics")["metrics"]
        metrics = {metric["name"]: metric["value"] for metric in found}
        return Memory(int(metrics["JSHeapUsedSize"]), int(metrics["Nodes"]), int(metrics["JSEventListeners"]))


def run_imports(site: Site, first: int, count: int, imports: Page, products: Page) -> None:
    """Import files that change a product, `AT_A_TIME` at a time, and wait until the tabs show that."""
    for start in range(first, first + count, AT_A_TIME):
        last = start + AT_A_TIME - 1
        for number in range(start, last + 1):
            site.upload(f"sku,name\nLAMP-001,Name {number}\n", f"file {number}.csv")
        site.wait_for_imports()
        expect(imports.get_by_role("row", name=f"file {last}.csv").get_by_text("Completed")).to_be_visible()
        products.get_by_test_id("changes-show").click()
        expect(cell(products, "LAMP-001", "name")).to_have_text(f"Name {last}")


@pytest.mark.thorough
def test_tabs_that_stay_open_do_not_grow(page: Page, site: Site) -> None:
    site.create_lamps(60)
    imports = page.context.new_page()
    imports.goto("/#/import")
    expect(imports.get_by_text("No imports yet")).to_be_visible()
    show_products(page)
    tabs = [Tab(page), Tab(imports)]
    run_imports(site, 0, WARM_UP_IMPORTS, imports, page)
    before = [tab.measure() for tab in tabs]
    run_imports(site, WARM_UP_IMPORTS, IMPORTS, imports, page)
    for tab, earlier in zip(tabs, before, strict=True):
        now = tab.measure()
        assert now.heap_bytes < earlier.heap_bytes + NOISE_BYTES
        assert now.nodes < earlier.nodes + NOISE_NODES
        assert now.listeners < earlier.listeners + NOISE_LISTENERS
