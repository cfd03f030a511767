"""The webhook pages: list, dialog, test request and receiver errors."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, wait_for_value, wait_until
from support.receiver import Receiver


def add(site: Site, url: str, event_type: str = "*", **values: object) -> int:
    """Create a webhook as another client does."""
    return int(site.call("POST", "/api/webhooks", {"url": url, "event_type": event_type, **values})["id"])


def webhooks(site: Site) -> list[dict[str, object]]:
    found: list[dict[str, object]] = site.call("GET", "/api/webhooks")
    return found


def show(page: Page) -> None:
    page.goto("/#/webhooks")
    expect(page.get_by_test_id("webhooks-table")).to_be_visible()


def dialog(page: Page) -> Locator:
    return page.get_by_test_id("webhook-dialog")


def choose_action(page: Page, item: str, number: int = 0) -> None:
    """Choose an action from the menu of a row."""
    row = page.get_by_test_id("webhook-row").nth(number)
    row.get_by_test_id("webhook-menu").click()
    row.get_by_test_id(item).click()


def test_an_empty_list_explains_webhooks(page: Page, site: Site, receiver: Receiver) -> None:
    page.goto("/")
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    expect(page.get_by_role("link", name="Webhooks")).to_have_attribute("aria-current", "page")
    check_accessible(page, "no webhooks")
    page.get_by_test_id("first-webhook").click()
    check_accessible(page, "the dialog of a new webhook")
    expect(page.get_by_test_id("field-url")).to_be_focused()
    expect(page.get_by_test_id("event-all")).to_be_checked()
    page.get_by_test_id("field-url").fill(receiver.url("/ok/new"))
    page.get_by_test_id("field-description").fill("Shop")
    page.get_by_test_id("event-all").uncheck()
    page.get_by_test_id("event-product.created").check()
    page.get_by_test_id("event-import.failed").check()
    page.get_by_test_id("imports-each").check()
    page.get_by_test_id("secret-reveal").click()
    secret = page.get_by_test_id("field-secret").input_value()
    page.keyboard.press("Enter")
    page.get_by_test_id("webhook-save").click()
    expect(dialog(page)).to_have_count(0)
    # The screen of the new webhook offers to test it.
    expect(page.get_by_test_id("webhook-title")).to_have_text(receiver.url("/ok/new"))
    expect(page.get_by_test_id("hours-note")).to_have_text("Nothing was sent in the last 24 hours.")
    expect(page.get_by_test_id("empty-test")).to_be_visible()
    check_accessible(page, "the offer to test a new webhook", narrow=True)
    page.set_viewport_size(NARROW)
    page.get_by_test_id("offer-test").click()
    expect(page.get_by_test_id("test-status")).to_have_text("200")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("test-offer")).to_be_hidden()
    (saved,) = webhooks(site)
    one = site.call("GET", f"/api/webhooks/{saved['id']}")
    assert (one["url"], one["description"], one["event_type"], one["imports"], one["secret"]) == (
        receiver.url("/ok/new"),
        "Shop",
        "product.created,import.failed",
        "each",
        secret,
    )
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{32}", secret)


def test_the_list_shows_the_health_of_each_webhook(page: Page, site: Site, receiver: Receiver) -> None:
    add(site, receiver.url("/ok/good"), description="Good <img src=x onerror=alert(1)>")
    add(site, receiver.url("/status/500/bad"), "product.created,product.updated,product.deleted")
    add(site, receiver.url("/gone"), "product.created")
    add(site, receiver.url("/ok/off"), enabled=False)
    show(page)
    site.call("POST", "/api/products", {"sku": "A"})
    rows = page.get_by_test_id("webhook-row")
    expect(rows.nth(0).get_by_test_id("health-delivered")).to_have_text("1")
    expect(rows.nth(0)).to_contain_text("Good <img src=x onerror=alert(1)>")
    expect(rows.nth(0)).to_contain_text("All events")
    expect(rows.nth(1).get_by_test_id("health-pending")).to_have_text("1")
    expect(rows.nth(1)).to_contain_text("product.created, product.updated +1")
    expect(rows.nth(1).get_by_test_id("webhook-trouble")).to_contain_text("Failing for")
    failure = rows.nth(1).get_by_test_id("webhook-failure")
    expect(failure).to_contain_text("The receiver answered 500. 1 delivery waits. The next attempt is ")
    expect(rows.nth(0).get_by_test_id("webhook-failure")).to_be_hidden()
    expect(rows.nth(2).get_by_test_id("webhook-trouble")).to_have_text("Switched off automatically")
    expect(rows.nth(2).get_by_test_id("health-failed")).to_have_text("1")
    expect(rows.nth(2).get_by_role("switch")).to_have_attribute("aria-checked", "false")
    expect(rows.nth(3).get_by_test_id("webhook-trouble")).to_have_text("Off")
    expect(rows.nth(1).get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"0 deliveries arrived, \d requests? failed")
    )
    check_accessible(page, "the list of webhooks", narrow=True)
    page.set_viewport_size(NARROW)
    expect(rows.nth(0).get_by_test_id("health-delivered")).to_be_hidden()
    expect(rows.nth(0).get_by_test_id("health-line")).to_have_text("1 delivered")
    expect(rows.nth(2).get_by_test_id("health-line")).to_have_text("1 failed")
    expect(rows.nth(3).get_by_test_id("health-line")).to_have_text("Nothing sent in 24 hours")


def test_the_switch_disables_and_enables_a_webhook_at_once(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"))
    show(page)
    switch = page.get_by_role("switch", name=f"Send events to {receiver.url('/ok/x')}")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    wait_for_value("the switch", lambda: site.call("GET", f"/api/webhooks/{webhook}")["enabled"], False)
    expect(page.get_by_text("Webhook switched off")).to_be_visible()
    switch.click()
    wait_for_value("the switch", lambda: site.call("GET", f"/api/webhooks/{webhook}")["enabled"], True)


def test_a_failed_change_moves_the_switch_back_and_says_so(page: Page, site: Site, console: Console) -> None:
    webhook = add(site, "https://example.com/x", "import.failed")
    console.allow_status(404)
    show(page)
    page.route(
        "**/api/webhooks/*", lambda route: route.fulfill(status=404, json={"error": "It is gone.", "status": 404})
    )
    page.get_by_role("switch", name="Send events").click()
    expect(page.get_by_test_id("banner-error")).to_contain_text("could not be switched off. It is gone.")
    expect(page.get_by_role("switch", name="Send events")).to_have_attribute("aria-checked", "true")
    assert site.call("GET", f"/api/webhooks/{webhook}")["enabled"]


def test_an_invalid_field_shows_its_error_and_keeps_the_typed_text(page: Page, site: Site, console: Console) -> None:
    console.allow_status(400)
    page.goto("/#/webhooks")
    page.get_by_test_id("first-webhook").click()
    page.get_by_test_id("field-url").fill("http://10.0.0.5/hooks")
    page.get_by_test_id("webhook-save").click()
    expect(page.locator("#webhook-url-problem")).to_contain_text("10.0.0.5 is a private address")
    expect(page.get_by_test_id("field-url")).to_be_focused()
    check_accessible(page, "a refused webhook")
    page.get_by_test_id("event-all").uncheck()
    page.get_by_test_id("field-url").fill("https://example.com/hooks")
    page.get_by_test_id("webhook-save").click()
    expect(page.locator("#webhook-event_type-problem")).to_contain_text("Use one or more of")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("discard-ask")).to_be_visible()
    check_accessible(page, "the question before text is lost")
    page.get_by_test_id("discard-keep").click()
    expect(page.get_by_test_id("field-url")).to_have_value("https://example.com/hooks")
    page.keyboard.press("Escape")
    page.get_by_test_id("discard-changes").click()
    expect(dialog(page)).to_have_count(0)
    assert webhooks(site) == []


def test_a_webhook_is_edited(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"), "product.created", imports="each")
    show(page)
    choose_action(page, "webhook-edit")
    expect(page.get_by_test_id("event-product.created")).to_be_checked()
    expect(page.get_by_test_id("imports-each")).to_be_checked()
    page.get_by_test_id("field-description").fill("New words")
    page.get_by_test_id("event-product.deleted").check()
    page.get_by_test_id("event-product.created").uncheck()
    expect(page.get_by_test_id("imports-each")).to_be_hidden()
    with page.expect_request(lambda request: request.method == "PUT") as sent:
        page.get_by_test_id("webhook-save").click()
    assert sent.value.post_data_json == {
        "description": "New words",
        "event_type": "product.deleted",
        "imports": "none",
    }
    expect(page.get_by_test_id("webhook-row")).to_contain_text("New words")
    assert site.call("GET", f"/api/webhooks/{webhook}")["event_type"] == "product.deleted"


def test_a_secret_is_shown_replaced_and_removed(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"))
    old = site.call("GET", f"/api/webhooks/{webhook}")["secret"]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page)
    choose_action(page, "webhook-edit")
    secret = page.get_by_test_id("field-secret")
    expect(secret).to_have_attribute("type", "password")
    page.get_by_test_id("secret-reveal").click()
    expect(secret).to_have_attribute("type", "text")
    expect(secret).to_have_value(old)
    page.get_by_test_id("secret-copy").click()
    wait_until(page, lambda: page.evaluate("() => navigator.clipboard.readText()") == old)
    page.get_by_test_id("secret-rotate").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("For 24 hours it signs requests with both")
    check_accessible(page, "the question before a secret is replaced")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("secret-note")).to_contain_text("valid until")
    new = site.call("GET", f"/api/webhooks/{webhook}")["secret"]
    assert new != old
    expect(secret).to_have_value(new)

    # The receiver may still use the old secret.
    page.get_by_test_id("secret-rotate").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("the previous one ends now")
    check_accessible(page, "the question before a secret is replaced again")
    page.get_by_test_id("confirm-cancel").click()
    assert site.call("GET", f"/api/webhooks/{webhook}")["secret"] == new
    page.get_by_test_id("secret-rotate").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(secret).to_have_value(site.call("GET", f"/api/webhooks/{webhook}")["secret"])
    assert site.sql("SELECT previous_secret FROM webhooks") == [(new,)]
    page.get_by_test_id("secret-on").uncheck()
    page.get_by_test_id("webhook-save").click()
    expect(dialog(page)).to_have_count(0)
    assert site.call("GET", f"/api/webhooks/{webhook}")["secret"] is None


def test_a_secret_that_somebody_else_replaces_meanwhile_is_not_replaced_at_once(
    page: Page, site: Site, receiver: Receiver, console: Console
) -> None:
    console.allow_status(409)
    webhook = add(site, receiver.url("/ok/x"))
    show(page)
    choose_action(page, "webhook-edit")
    expect(page.get_by_test_id("secret-rotate")).to_be_visible()
    secret = site.call("POST", f"/api/webhooks/{webhook}/rotate-secret")["secret"]
    page.get_by_test_id("secret-rotate").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("confirm-error")).to_contain_text("The secret was replaced already")
    assert site.call("GET", f"/api/webhooks/{webhook}")["secret"] == secret
    expect(page.get_by_test_id("confirm-ok")).to_have_text("Replace again")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert site.sql("SELECT previous_secret FROM webhooks") == [(secret,)]


def test_a_test_request_shows_status_code_time_and_response(page: Page, site: Site, receiver: Receiver) -> None:
    add(site, receiver.url("/markup"), enabled=False)
    show(page)
    choose_action(page, "webhook-test")
    expect(page.get_by_test_id("test-status")).to_have_text("200")
    expect(page.get_by_test_id("test-time")).to_have_text(re.compile(r"\d+ ms|\d\.\d s"))
    expect(page.get_by_test_id("test-result")).to_contain_text("<img src=x onerror=alert(1)>longlong")
    check_accessible(page, "a test request", narrow=True)
    page.set_viewport_size(NARROW)
    page.get_by_text("Send another body").click()
    page.get_by_test_id("test-body").fill("{")
    page.get_by_test_id("test-send").click()
    expect(page.locator("#test-body-problem")).to_contain_text("This is not JSON")
    assert receiver.count() == 1
    page.get_by_test_id("test-body").fill('{"mine": 1, "test": true}')
    page.get_by_test_id("test-send").click()
    wait_for_value("what arrived", lambda: [one.body for one in receiver.requests()][1:], [b'{"mine":1,"test":true}'])
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("test-dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/status/503/x", "503", "The receiver answered 503."), ("/close", "No answer", "closed the connection")],
)
def test_a_failed_test_request_says_why(
    page: Page, site: Site, receiver: Receiver, path: str, status: str, says: str
) -> None:
    add(site, receiver.url(path))
    show(page)
    choose_action(page, "webhook-test")
    expect(page.get_by_test_id("test-status")).to_have_text(status)
    expect(page.get_by_test_id("test-error")).to_contain_text(says)
    check_accessible(page, "a test request that failed")


def test_deleting_a_webhook_asks_for_confirmation(page: Page, site: Site, receiver: Receiver) -> None:
    add(site, receiver.url("/ok/keep"))
    add(site, receiver.url("/ok/drop"))
    show(page)
    choose_action(page, "webhook-delete", 1)
    expect(page.get_by_role("alertdialog")).to_contain_text(f"{receiver.url('/ok/drop')} gets no more events")
    check_accessible(page, "the question before a webhook is deleted")
    page.get_by_test_id("confirm-cancel").click()
    assert len(webhooks(site)) == 2
    choose_action(page, "webhook-delete", 1)
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("webhook-row")).to_have_count(1)
    expect(page.get_by_test_id("webhook-link")).to_have_text(receiver.url("/ok/keep"))


def test_a_list_that_fails_to_load_says_so_until_it_loads(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    console.allow_status(503)
    add(site, "https://example.com/x", "import.failed")
    # Without the event stream, which would reload the list.
    page.route("**/api/events?*", lambda route: route.fulfill(status=503))
    page.route("**/api/webhooks", lambda route: route.fulfill(status=500, json={"error": "Broken.", "status": 500}))
    with page.expect_response("**/api/events?*"):
        page.goto("/#/webhooks")
    banner = page.get_by_test_id("banner-error")
    expect(banner).to_contain_text("The webhooks could not be loaded. Broken.")
    page.unroute("**/api/webhooks")
    banner.get_by_role("button", name="Try again").click()
    expect(page.get_by_test_id("webhook-row")).to_have_count(1)
    expect(banner).to_have_count(0)
