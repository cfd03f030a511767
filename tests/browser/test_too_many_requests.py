"""A page that sends too many requests says when to try again, and counts down."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from api.session_cookie import COOKIE_NAME
from support.axe import check_accessible
from support.browser import Console, Site
from support.browser_contexts import CONTEXT
from support.processes import Processes
from support.sign_in import create_session, create_user
from support.waiting import wait_for
from support.web import WebProcess

LIMIT = 30
# A shorter wait may end before the page shows it.
LONG_SECONDS = 50
# Clients on the machine of the server have no limit. So the page comes through a proxy, which this header stands for.
FORWARDED = {"X-Forwarded-For": "198.51.100.7"}
COUNTING = re.compile(r"Try again in \d+ seconds?\.")


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """The environment, with a low limit and one proxy."""
    return {**environment, "REQUESTS_PER_MINUTE": str(LIMIT), "TRUSTED_PROXIES": "1"}


@pytest.fixture
def site(environment: dict[str, str], processes: Processes, free_port: int) -> Site:
    """A web process with the low limit."""
    WebProcess(processes, free_port).start()
    return Site(f"http://127.0.0.1:{free_port}", environment["DATABASE_URL"])


@pytest.fixture
def page(site: Site, browser: Browser, console: Console) -> Iterator[Page]:
    """The list of products of an editor who is signed in."""
    site.sql("INSERT INTO products (sku, name) VALUES ('LAMP-1', 'Lamp')")
    token = create_session(site.database_url, create_user(site.database_url, "editor"))
    context = browser.new_context(base_url=site.address, extra_http_headers=FORWARDED, **CONTEXT)
    context.add_cookies([{"name": COOKIE_NAME, "value": token, "url": site.address}])
    page = context.new_page()
    console.allow_status(429)
    console.watch(page)
    page.goto("/#/products")
    expect(page.get_by_test_id("product-row")).to_have_count(1)
    yield page
    context.close()
    console.check()


def use_up(page: Page, site: Site) -> None:
    """Let the server refuse the session's requests for about a minute or longer."""

    def is_refused_for_long() -> bool:
        # As if other web processes had counted many more. The web process reads that with its next exchange.
        site.sql("UPDATE request_counts SET requests = 10000")
        response = page.request.get("/api/products")
        return response.status == 429 and int(response.headers["retry-after"]) >= LONG_SECONDS

    wait_for("the server refuses requests for long", is_refused_for_long, seconds=150)


def read_seconds(countdown: Locator) -> int:
    """Return the seconds that a countdown shows."""
    expect(countdown).to_have_text(COUNTING)
    return int(re.sub(r"\D", "", countdown.inner_text()))


def test_lists_dialogs_and_screens_count_down_until_the_next_try(page: Page, site: Site) -> None:
    page.clock.install()
    use_up(page, site)
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-sku").fill("LAMP-2")
    page.get_by_test_id("field-sku").press("Enter")
    problem = page.get_by_test_id("product-dialog").get_by_role("alert").filter(has_text="too many requests")
    expect(problem).to_have_text(re.compile(r"You sent too many requests\. Try again in \d+ seconds\.$"))
    countdown = problem.get_by_test_id("countdown")
    first = read_seconds(countdown)
    page.clock.run_for(10_000)
    assert first - 12 <= read_seconds(countdown) <= first - 10
    check_accessible(page, "a countdown")
    page.clock.run_for(120_000)
    expect(countdown).to_have_text("Try again now.")
    page.keyboard.press("Escape")


@pytest.mark.parametrize("address", ["/#/import", "/#/account", "/#/products?q=lamp"])
def test_each_screen_counts_down(page: Page, site: Site, address: str) -> None:
    use_up(page, site)
    page.goto(address)
    shown = page.get_by_test_id("countdown").first
    before = read_seconds(shown)
    wait_for("the countdown to go on", lambda: read_seconds(shown) < before)


def test_the_start_of_the_page_counts_down(page: Page, site: Site) -> None:
    use_up(page, site)
    page.reload()
    expect(page.get_by_test_id("countdown").first).to_have_text(COUNTING)
