"""The page, in a real browser, on real processes."""

from __future__ import annotations

import base64
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conftest import SAMPLE, Processes, missing, wait_for

# What a browser does when files are dropped: the page's own handlers see the same events.
DROP = """([zone, name, content]) => {
    const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, {type: 'text/csv'}));
    for (const kind of ['dragenter', 'dragover', 'drop']) {
        const event = new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data});
        document.querySelector(zone).dispatchEvent(event);
    }
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by Playwright."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("There is no Chromium; install it (apt-get install chromium)")
    with sync_playwright() as playwright:
        # No sandbox: in containers Chromium runs as root. Its own traffic stays off.
        arguments = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]
        yield playwright.chromium.launch(executable_path=chromium, args=arguments)


@pytest.fixture
def site(processes: Processes, free_port: int) -> str:
    """A running product; returns its address."""
    processes.web(free_port)
    processes.worker("--concurrency=1")
    address = f"http://127.0.0.1:{free_port}"

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/api/health", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    wait_for("a healthy product", healthy)
    return address


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """The page, freshly opened; whatever it writes to the console as an error fails the test."""
    context = browser.new_context()
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(site)
    yield page
    context.close()
    assert problems == []


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(DROP, ["[data-testid=drop-zone]", name, base64.b64encode(content).decode()])


def test_the_sample_file_is_dropped_and_watched_until_its_products_are_there(page: Page) -> None:
    drop(page, "products.csv", SAMPLE.read_bytes())
    expect(page.get_by_test_id("import-status")).to_have_attribute("data-status", "completed", timeout=60_000)
    expect(page.get_by_test_id("import-percent")).to_have_text("100%")
    expect(page.get_by_test_id("import-progress")).to_have_attribute("aria-valuenow", "100")
    expect(page.get_by_test_id("count-created")).to_contain_text("1,998")
    expect(page.get_by_test_id("count-duplicate")).to_contain_text("2")

    # Another tab, and one that comes later, show the same.
    with page.context.new_page() as second:
        second.goto(page.url)
        expect(second.get_by_test_id("count-created")).to_contain_text("1,998")

    page.get_by_role("link", name="See the products").or_(page.get_by_role("button", name="See the products")).click()
    expect(page.get_by_test_id("products-total")).to_have_text("1,998")
    page.get_by_test_id("products-search").fill("lay-raise-best-end")
    expect(page.get_by_test_id("products-total")).to_have_text("1")
    expect(page.get_by_test_id("products-table")).to_contain_text("Bryce Jones")


def test_a_file_that_cannot_be_imported_says_why_and_what_to_do(page: Page) -> None:
    drop(page, "products.csv", b"name,price\nLamp,12\n")
    expect(page.get_by_test_id("import-status")).to_have_attribute("data-status", "failed", timeout=60_000)
    expect(page.get_by_test_id("banner-error")).to_contain_text("The file has no column `sku`")


def test_rejected_rows_are_one_click_away_and_shown_as_text(page: Page) -> None:
    hostile = "<img src=x onerror=document.title='hacked'>"
    drop(page, "products.csv", f'sku,name\nA-1,"{hostile}"\n,"{hostile}"\n'.encode())
    expect(page.get_by_test_id("import-status")).to_have_attribute("data-status", "completed", timeout=60_000)
    expect(page.get_by_test_id("count-rejected")).to_contain_text("1")
    expect(page.get_by_test_id("rejects")).to_be_visible()
    page.goto(f"{page.url.partition('#')[0]}#/products")
    expect(page.get_by_test_id("products-table")).to_contain_text(hostile)
    assert "hacked" not in page.title()
