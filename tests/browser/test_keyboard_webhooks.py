"""The webhook pages, by keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from test_deliveries import emit_events, wait_for_deliveries

from support.browser import Site, wait_for_value
from support.keyboard import Keyboard
from support.receiver import Receiver


def test_webhooks_are_managed_by_keyboard_alone(page: Page, site: Site, receiver: Receiver) -> None:
    url, other = receiver.url("/ok/new"), receiver.url("/ok/other")
    site.call("POST", "/api/webhooks", {"url": other, "event_type": "import.failed"})
    keyboard = Keyboard(page)
    page.goto("/#/webhooks")
    expect(page.get_by_test_id("webhook-row")).to_have_count(1)

    # Add a webhook, and test it.
    keyboard.tab_to("button", "Add webhook", steps=16)
    keyboard.press("Enter")
    keyboard.expect_focus("textbox", re.compile("URL"))
    keyboard.press("Escape")
    keyboard.expect_focus("button", "Add webhook")
    keyboard.press("Enter")
    keyboard.expect_focus("textbox", re.compile("URL"))
    keyboard.type(url)
    assert len(keyboard.tab_around()) > 10
    keyboard.press("Enter")
    expect(page.get_by_test_id("webhook-title")).to_have_text(url)
    keyboard.expect_focus("main", "")
    keyboard.tab_to("button", "Send test request")
    keyboard.press("Enter")
    expect(page.get_by_test_id("test-status")).to_have_text("200")
    keyboard.tab_to("button", "Send again")
    keyboard.press("Enter")
    expect(page.get_by_test_id("test-status")).to_have_text("200")
    keyboard.press("Escape")
    keyboard.expect_focus("main", "")

    # Open a delivery, send it again, filter.
    emit_events(site, 3)
    [webhook] = [entry["id"] for entry in site.call("GET", "/api/webhooks") if entry["url"] == url]
    wait_for_deliveries(site, webhook, "delivered", 3)
    expect(page.get_by_test_id("delivery-row")).to_have_count(3)
    keyboard.tab_to("button", "product.created", steps=50)
    keyboard.press("Enter")
    expect(page.get_by_test_id("delivery-detail")).to_contain_text('"P-2"')
    keyboard.tab_to("button", "Send again")
    keyboard.press("Enter")
    # The delivery is shown again with its second attempt.
    expect(page.get_by_test_id("attempt")).to_have_count(2)
    keyboard.expect_focus("button", "Send again")
    keyboard.tab_to("button", "product.created", back=True)
    keyboard.press("Enter")
    keyboard.tab_to("combobox", "Event", back=True, steps=30)
    keyboard.press("p")
    page.wait_for_url(re.compile("event=product.created"))
    keyboard.tab_to("link", "Failed", back=True)
    keyboard.press("Enter")
    expect(page.get_by_test_id("empty-clear")).to_be_visible()
    keyboard.expect_focus("link", "Failed")
    keyboard.tab_to("button", "Clear filters", steps=30)
    keyboard.press("Enter")
    expect(page.get_by_test_id("delivery-row")).to_have_count(3)
    keyboard.expect_focus("date", "To")

    # Select two deliveries and send them again.
    keyboard.tab_to("checkbox", "Select product.created P-1", steps=30)
    keyboard.press("Space")
    keyboard.tab_to("checkbox", "Select product.created P-0")
    keyboard.press("Space")
    keyboard.tab_to("button", "Send 2 deliveries again")
    keyboard.press("Enter")
    expect(page.get_by_test_id("action-bar")).to_be_hidden()
    keyboard.expect_focus("link", "P-0")

    # Switch the webhook off, delete it, and delete the other one from the list.
    keyboard.tab_to("switch", "Send events", back=True, steps=40)
    keyboard.press("Space")
    wait_for_value("the switch", lambda: site.call("GET", f"/api/webhooks/{webhook}")["enabled"], False)
    keyboard.tab_to("button", "Delete")
    keyboard.press("Enter")
    keyboard.expect_focus("button", "Cancel")
    keyboard.tab_to("button", "Delete webhook")
    keyboard.press("Enter")
    expect(page.get_by_test_id("webhook-row")).to_have_count(1)
    keyboard.expect_focus("main", "")
    keyboard.tab_to("button", f"Actions for {other}")
    keyboard.press("Enter")
    keyboard.expect_focus("menuitem", "Send test request")
    keyboard.press("End", "Enter")
    keyboard.expect_focus("button", "Cancel")
    keyboard.tab_to("button", "Delete webhook")
    keyboard.press("Enter")
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    keyboard.expect_focus("button", "Add webhook")
