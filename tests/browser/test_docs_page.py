"""The API documentation page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route, expect

import config

SITE = "http://localhost"


@pytest.fixture
def page(browser: Browser, client: FlaskClient) -> Iterator[Page]:
    """A page whose requests go straight to the application; any console message fails the test."""
    complaints: list[str] = []

    def answer(route: Route) -> None:
        with client.get(route.request.url.removeprefix(SITE)) as response:
            route.fulfill(status=response.status_code, headers=dict(response.headers), body=response.data)

    context = browser.new_context()
    page = context.new_page()
    page.route("**/*", answer)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_every_operation_is_shown_with_an_example(page: Page, client: FlaskClient) -> None:
    page.goto(f"{SITE}/api/docs")
    document = json.loads(client.get("/api/openapi.json").data)
    calls = [call for item in document["paths"].values() for name, call in item.items() if name != "parameters"]
    expect(page.locator("#main details.card")).to_have_count(len(calls))
    expect(page.get_by_role("navigation", name="Calls").get_by_role("link")).to_have_count(len(calls))
    page.get_by_role("link", name="Change a product").click()
    call = page.locator("#changeProduct")
    expect(call.locator("dt").get_by_text("If-Match", exact=True)).to_be_visible()
    expect(call.locator("pre").first).to_contain_text("curl -X PUT 'http://localhost/api/products/42'")
    call.get_by_text("412", exact=True).click()
    expect(call.get_by_text("precondition_failed").last).to_be_visible()
    expect(call.locator(":scope > .call-body")).to_have_count(1)
    # To close and open the call again makes no second body.
    for is_open in (False, True):
        call.locator("summary").first.click()
        expect(call.locator("dt").get_by_text("If-Match", exact=True)).to_be_visible(visible=is_open)
    expect(call.locator(":scope > .call-body")).to_have_count(1)
    # A call that nobody has opened has no body.
    expect(page.locator("#listProducts .call-body")).to_have_count(0)
    assert page.url.endswith("#changeProduct")


def test_the_filter_finds_operations(page: Page) -> None:
    page.goto(f"{SITE}/api/docs")
    expect(page.locator("#listProducts")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("delete all")
    expect(page.locator("#listProducts")).to_be_hidden()
    expect(page.locator("#deleteAllProducts")).to_be_visible()
    page.keyboard.type(" nothing such")
    expect(page.get_by_text("No call matches the search.")).to_be_visible()


def test_the_header_is_that_of_every_page(page: Page, client: FlaskClient) -> None:
    page.goto(f"{SITE}/api/docs")
    names = ["Import", "Products", "Webhooks", "API"]
    navigation = page.get_by_role("navigation", name="Main")
    expect(navigation.get_by_role("link").filter(visible=True)).to_have_text(names)
    with client.get("/") as response:
        assert [name for name in names if f">{name}</a>" in response.get_data(as_text=True)] == names
    expect(page.get_by_test_id("setup-accounts")).to_have_attribute("href", "/#/setup")
    page.get_by_role("button", name="Help").click()
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()


def test_a_link_to_an_operation_opens_it(page: Page) -> None:
    page.goto(f"{SITE}/api/docs#uploadFile")
    expect(page.locator("#uploadFile pre").first).to_contain_text("-F file=@products.csv")
    expect(page.locator("#uploadFile summary").first).to_be_in_viewport()
    page.evaluate("() => scrollTo(0, 0)")
    # The call is open, and the link does not change the address.
    page.locator("nav a[href='#uploadFile']").click()
    expect(page.locator("#uploadFile summary").first).to_be_in_viewport()


def test_the_footer_shows_the_version(page: Page) -> None:
    page.goto(f"{SITE}/api/docs")
    expect(page.get_by_role("contentinfo")).to_contain_text(f"Acme Product Importer {config.VERSION}")


def test_the_page_has_the_content_security_policy_of_all_pages(client: FlaskClient) -> None:
    with client.get("/api/docs") as response:
        assert response.mimetype == "text/html"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none';")
