"""What the page loads before its first row, and what it does when the server is updated meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, Route, expect

from support.browser import Console, Site, cell, row
from support.browser_contexts import CONTEXT

# Of the first screen over a slow network, see benchmarks/page_load.py. They leave some room for new features.
MAX_KB = 130
MAX_KB_WITH_IMPORTS = 190
MAIN = re.compile(r"/main\.js$")
LATER = {"imports.js", "webhooks.js", "access.js", "tus-js-client.js", "en.other.json"}
# When the stream begins, the page asks for changes that it has missed.
STREAM = re.compile(r"/api/events")
# What the page loads after its first screen.
PARTS = re.compile(r"/(imports|webhooks|access|tus-js-client)\.js$|/api/events")
ASSETS = re.compile(r"/static/\w{12}/")
SCREENS = {
    "import": "drop-zone",
    "webhooks": "webhooks-empty",
    "products": "products-search",
    "setup": "setup-form",
}


class Traffic:
    """What a page has loaded: the addresses of its requests, and the bytes that came over the wire."""

    def __init__(self, page: Page) -> None:
        self.urls: list[str] = []
        self.sizes: dict[str, int] = {}
        session: CDPSession = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda event: self.urls.append(event["request"]["url"]))
        session.on("Network.loadingFinished", self._count)

    def _count(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = event["encodedDataLength"]

    def kilobytes(self) -> float:
        """Return the size of all responses that have arrived, with their heads."""
        return sum(self.sizes.values()) / 1024

    def matching(self, pattern: str) -> list[str]:
        """Return the addresses that contain the pattern."""
        return [url for url in self.urls if re.search(pattern, url)]


@pytest.fixture
def fresh_page(browser: Browser, site: Site, console: Console) -> Iterator[Page]:
    """A page whose browser has nothing in its cache."""
    context: BrowserContext = browser.new_context(base_url=site.address, **CONTEXT)
    page = context.new_page()
    console.watch(page)
    yield page
    context.close()
    console.check()


class Hold:
    """Holds the requests of a page whose addresses match, until they are released."""

    def __init__(self, page: Page, pattern: re.Pattern[str]) -> None:
        self._held: list[Route] | None = []
        page.route(pattern, self._handle)

    def _handle(self, route: Route) -> None:
        if self._held is None:
            route.continue_()
        else:
            self._held.append(route)

    def release(self) -> None:
        """Let the requests go on, and those that follow."""
        held, self._held = self._held or [], None
        for route in held:
            route.continue_()


def wait_for_parts(page: Page) -> None:
    """Wait until the page has loaded all of its parts."""
    for part in ("imports", "webhooks", "access", "tus-js-client"):
        page.wait_for_function(
            "part => performance.getEntriesByType('resource').some(({ name, responseEnd }) =>"
            " responseEnd && name.endsWith(part))",
            arg=f"/{part}.js",
        )


def answer_missing(route: Route) -> None:
    """Answer as a server does that was updated: it has no file of the old version."""
    route.fulfill(status=404, body="Nothing exists at this address.")


def test_the_first_row_needs_few_requests_and_bytes(fresh_page: Page, site: Site) -> None:
    site.create_lamps(100)
    traffic = Traffic(fresh_page)
    # The first requests do not wait for the modules.
    scripts = Hold(fresh_page, MAIN)
    with fresh_page.expect_request(re.compile(r"/api/products\?")):
        fresh_page.goto("/#/products", wait_until="commit")
    # What comes after the first row is not part of the measurement.
    parts = Hold(fresh_page, PARTS)
    scripts.release()
    expect(row(fresh_page, "LAMP-001")).to_be_visible()
    names = [re.sub(r".*/", "", url.partition("?")[0]) for url in traffic.matching("/static/")]
    assert sorted(set(names) - LATER - {"favicon.svg"}) == ["en.json", "main.js", "page.css"]
    # The requests of the script in the HTML take the place of those of the modules.
    assert len(traffic.matching(r"/api/session$")) == 1
    assert len(traffic.matching(r"/api/products\?")) == 1
    assert traffic.kilobytes() < MAX_KB
    parts.release()
    wait_for_parts(fresh_page)
    # All of that was of one version, and nothing was loaded twice.
    assert len({url.split("/")[4] for url in traffic.matching(ASSETS.pattern)}) == 1
    assert len(traffic.matching(ASSETS.pattern)) == len(set(traffic.matching(ASSETS.pattern)))


def test_the_import_screen_asks_for_its_part_at_once(fresh_page: Page) -> None:
    traffic = Traffic(fresh_page)
    # It does not wait for the first script.
    held = Hold(fresh_page, MAIN)
    fresh_page.goto("/#/import", wait_until="commit")
    fresh_page.wait_for_function("() => document.querySelector('link[rel=modulepreload]')")
    assert traffic.matching(r"/products\?") == []
    held.release()
    expect(fresh_page.get_by_test_id("drop-zone")).to_be_visible()
    assert len(traffic.matching(r"/imports\.js")) == 1
    assert len(traffic.matching(r"/en\.other\.json")) == 1
    assert traffic.kilobytes() < MAX_KB_WITH_IMPORTS


def test_the_answer_to_an_early_request_is_used_once_and_by_the_first_screen_only(fresh_page: Page, site: Site) -> None:
    ids = site.create_lamps(3)
    traffic = Traffic(fresh_page)
    Hold(fresh_page, STREAM)
    for address in (f"products/{ids[0]}?q=lamp&active=true&page=1", "products?q=%20lamp&per_page=25&sort_by=name"):
        fresh_page.goto("about:blank")
        del traffic.urls[:]
        fresh_page.goto(f"/#/{address}")
        expect(row(fresh_page, "LAMP-001")).to_be_attached()
        assert len(traffic.matching(r"/api/products\?")) == 1
    site.sql("UPDATE products SET name = 'Changed', updated_at = clock_timestamp() WHERE sku = 'LAMP-002'")
    fresh_page.evaluate("() => { location.hash = '#/import'; }")
    expect(fresh_page.get_by_test_id("drop-zone")).to_be_visible()
    fresh_page.go_back()
    expect(cell(fresh_page, "LAMP-002", "name")).to_have_text("Changed")


def test_an_open_page_needs_no_file_of_its_version_any_more(page: Page) -> None:
    page.goto("/#/products")
    wait_for_parts(page)
    page.route(ASSETS, answer_missing)
    for screen, testid in SCREENS.items():
        page.evaluate("address => { location.hash = address; }", f"#/{screen}")
        expect(page.locator("main")).to_have_attribute("data-screen", screen)
        expect(page.locator("main").get_by_test_id(testid).or_(page.locator("main h1")).first).to_be_visible()


def test_a_part_that_is_gone_is_reported_with_a_reload(page: Page, console: Console, site: Site) -> None:
    console.allow_status(404)
    site.create_lamps(1)
    page.route(re.compile(r"/imports\.js$"), answer_missing)
    page.goto("/#/products")
    # The list works without the part.
    expect(row(page, "LAMP-001")).to_be_visible()
    expect(page.get_by_test_id("banner-error")).to_contain_text("A part of the page could not be loaded.")
    page.get_by_role("navigation").get_by_role("link", name="Import").click()
    missing = page.locator("main").get_by_test_id("banner-error")
    expect(missing).to_contain_text("Reload it to get the new version.")
    page.unroute(re.compile(r"/imports\.js$"))
    with page.expect_navigation():
        missing.get_by_role("button", name="Reload").click()
    expect(page.get_by_test_id("drop-zone")).to_be_visible()


@pytest.mark.parametrize("name", ["main.js", "page.css", "en.json"])
def test_a_page_that_was_loaded_during_an_update_loads_itself_again(page: Page, console: Console, name: str) -> None:
    console.allow_status(404)
    if name == "en.json":
        console.allow("404: http")
    address = re.compile(rf"/{re.escape(name)}$")
    page.route(address, answer_missing, times=1)
    page.goto("/#/import")
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    expect(page.locator("#not-loaded")).to_be_hidden()

    # It does so once. After that it says what is wrong.
    page.route(address, answer_missing)
    page.reload()
    expect(page.get_by_text("The page could not be loaded completely. Reload it.")).to_be_visible()
