"""One webhook and its deliveries: every attempt, resending, live updates."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Locator, Page, expect
from test_webhook_pages import add

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, wait_for_value
from support.receiver import Receiver
from support.waiting import wait_for


def emit_events(site: Site, count: int) -> None:
    """Create this many products, each with an event."""
    first = site.count()
    for number in range(first, first + count):
        site.call("POST", "/api/products", {"sku": f"P-{number}", "name": "<b>Lamp</b>"})


def wait_for_deliveries(site: Site, webhook: int, status: str, count: int) -> None:
    """Wait until this many deliveries have a status."""
    path = f"/api/webhooks/{webhook}/deliveries?status={status}"
    wait_for_value("the deliveries", lambda: site.call("GET", path)["pagination"]["total"], count)


def show(page: Page, webhook: int, query: str = "") -> None:
    page.goto(f"/#/webhooks/{webhook}{query}")
    expect(page.get_by_test_id("delivery-row").first).to_be_visible()


def row(page: Page, number: int = 0) -> Locator:
    return page.get_by_test_id("delivery-row").nth(number)


def test_deliveries_show_every_attempt_and_what_was_sent(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/markup"), "product.created")
    emit_events(site, 2)
    wait_for_deliveries(site, webhook, "delivered", 2)
    page.goto("/#/webhooks")
    page.get_by_test_id("webhook-link").click()
    expect(page.get_by_test_id("webhook-title")).to_have_text(receiver.url("/markup"))
    expect(page.get_by_test_id("delivery-row")).to_have_count(2)
    expect(row(page).get_by_test_id("delivery-status")).to_have_text("Delivered")
    expect(row(page).get_by_test_id("delivery-answer")).to_have_text(re.compile(r"200 · \d+ ms"))
    link = row(page).get_by_test_id("delivery-subject").get_by_role("link")
    expect(link).to_have_text("P-1")
    expect(link).to_have_attribute("href", "#/products?sku=P-1")
    expect(page.get_by_test_id("hours-note")).to_have_text(
        "2 deliveries arrived and 0 requests failed in the last 24 hours."
    )
    chart = page.get_by_test_id("hours-chart")
    # A single hour has bars, and dots in place of lines.
    expect(chart.locator("circle")).to_have_count(2)
    expect(chart.locator("polyline")).to_have_count(0)
    page.get_by_test_id("hours-table").locator("summary").click()
    expect(page.get_by_role("region", name="Table of hours").get_by_role("row")).to_have_count(2)
    page.get_by_test_id("hours-168").click()
    expect(page.get_by_test_id("hours-note")).to_contain_text("in the last 7 days")
    page.wait_for_url(re.compile(r"\?hours=168$"))
    check_accessible(page, "a webhook")
    row(page).get_by_test_id("delivery-open").click()
    detail = page.get_by_test_id("delivery-detail")
    expect(detail.get_by_role("region", name="Request body")).to_contain_text('"name": "<b>Lamp</b>"')
    attempt = detail.get_by_test_id("attempt")
    expect(attempt).to_have_count(1)
    # The last request and its response are open.
    expect(attempt.get_by_role("region", name="Response", exact=True)).to_be_visible()
    expect(attempt).to_contain_text("webhook-signature: v1,")
    expect(attempt).to_contain_text("<img src=x onerror=alert(1)>longlong")
    expect(attempt).to_contain_text("Content-Length: ")
    check_accessible(page, "an open delivery", narrow=True)
    page.set_viewport_size(NARROW)
    expect(row(page, 1).get_by_text("product.created")).to_be_visible()
    page.reload()
    expect(page.get_by_test_id("delivery-row")).to_have_count(2)


def test_a_failing_delivery_shows_its_next_attempt_and_can_be_sent_now(
    page: Page, site: Site, receiver: Receiver
) -> None:
    receiver.set_status("again", 500)
    webhook = add(site, receiver.url("/switch/again"), "product.created")
    emit_events(site, 1)
    show(page, webhook)
    expect(row(page).get_by_test_id("delivery-answer")).to_contain_text("500")
    expect(row(page).get_by_test_id("delivery-status")).to_have_text("Pending")
    expect(row(page)).to_contain_text(re.compile(r"in \d+ (second|minute)s?|now"))
    row(page).get_by_test_id("delivery-open").click()
    detail = page.get_by_test_id("delivery-detail")
    expect(detail).to_contain_text("The receiver answered 500.")
    reason = page.get_by_test_id("webhook-reason")
    expect(reason).to_contain_text(re.compile(r"Failing since today at .*: The receiver answered 500\."))
    expect(reason).to_contain_text(re.compile(r"1 delivery (waits\. The next attempt is|is being sent)"))
    check_accessible(page, "a delivery that failed")
    receiver.set_status("again", 200)
    detail.get_by_test_id("delivery-resend").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Sending again")
    # Live, and in place.
    expect(row(page).get_by_test_id("delivery-status")).to_have_text("Delivered")
    expect(detail.get_by_test_id("attempt").first).to_contain_text("200")


def test_the_address_holds_the_filter_and_page_of_deliveries(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"), "product.created")
    emit_events(site, 30)
    wait_for_deliveries(site, webhook, "delivered", 30)
    show(page, webhook)
    page.get_by_test_id("page-next").click()
    expect(page.get_by_test_id("delivery-row")).to_have_count(5)
    page.wait_for_url(re.compile(r"page=2"))
    page.get_by_test_id("filter-failed").click()
    expect(page.get_by_text("No delivery matches", exact=True)).to_be_visible()
    page.wait_for_url(re.compile(r"status=failed$"))
    check_accessible(page, "no delivery with a status")
    page.get_by_test_id("filter-delivered").click()
    expect(page.get_by_test_id("delivery-row")).to_have_count(25)
    expect(page.get_by_test_id("filter-delivered")).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.get_by_test_id("filter-delivered")).to_have_attribute("aria-current", "true")
    page.go_back()
    page.go_back()
    page.wait_for_url(re.compile(r"page=2"))
    expect(page.get_by_test_id("delivery-row")).to_have_count(5)


def test_new_deliveries_appear_but_never_move_an_open_row(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"), "product.created")
    page.goto(f"/#/webhooks/{webhook}")
    expect(page.get_by_text("No deliveries yet")).to_be_visible()
    check_accessible(page, "a webhook without deliveries")
    expect(page.get_by_test_id("hours-note")).not_to_be_empty()
    list_before = page.get_by_test_id("deliveries").bounding_box()
    emit_events(site, 1)
    expect(page.get_by_test_id("delivery-row")).to_have_count(1)
    expect(row(page).get_by_test_id("delivery-status")).to_have_text("Delivered")
    expect(page.get_by_test_id("hours-note")).to_contain_text("1 delivery arrived")
    list_after = page.get_by_test_id("deliveries").bounding_box()
    assert list_before and list_after and list_after["y"] == list_before["y"]
    row(page).get_by_test_id("delivery-open").click()
    expect(page.get_by_role("region", name="Request body")).to_be_visible()
    before = page.get_by_test_id("delivery-detail").bounding_box()
    emit_events(site, 2)
    expect(page.get_by_test_id("health-delivered")).to_have_text("3")
    expect(page.get_by_test_id("delivery-row")).to_have_count(1)
    assert page.get_by_test_id("delivery-detail").bounding_box() == before
    row(page).get_by_test_id("delivery-open").click()
    emit_events(site, 1)
    expect(page.get_by_test_id("delivery-row")).to_have_count(4)


def test_a_filter_applies_although_a_row_is_open(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"), "product.created")
    emit_events(site, 3)
    wait_for_deliveries(site, webhook, "delivered", 3)
    site.sql("UPDATE webhook_deliveries SET status = 'failed' WHERE id = (SELECT min(id) FROM webhook_deliveries)")
    show(page, webhook)
    row(page).get_by_test_id("delivery-open").click()
    expect(page.get_by_role("region", name="Request body")).to_be_visible()
    page.get_by_test_id("filter-failed").click()
    expect(page.get_by_test_id("delivery-row")).to_have_count(1)
    expect(row(page).get_by_test_id("delivery-status")).to_have_text("Failed")


def test_all_failed_deliveries_are_recovered(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"), "product.created")
    emit_events(site, 3)
    wait_for_deliveries(site, webhook, "delivered", 3)
    site.sql("UPDATE webhook_deliveries SET status = 'failed'")
    # One of them waits.
    site.sql(
        "UPDATE webhook_deliveries SET status = 'pending', next_attempt_at = now() + interval '2 hours'"
        " WHERE id = (SELECT min(id) FROM webhook_deliveries)"
    )
    show(page, webhook, "?status=failed")
    page.get_by_test_id("webhook-recover").click()
    expect(page.get_by_test_id("recover-counts")).to_have_text(
        "2 failed deliveries and 1 that wait for their next attempt are sent now."
    )
    check_accessible(page, "the question since when to recover")
    page.get_by_test_id("recover-since").select_option(label="Since a time")
    page.get_by_test_id("recover-ok").click()
    expect(page.get_by_test_id("recover-error")).to_have_text("Choose a date and a time.")
    page.get_by_test_id("recover-since").select_option(label="The last hour")
    page.get_by_test_id("recover-ok").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Retrying 2 failed and 1 waiting deliveries")
    wait_for_deliveries(site, webhook, "delivered", 3)
    wait_for("each twice", lambda: receiver.count() == 6)
    ids = [request.headers["webhook-id"] for request in receiver.requests()]
    assert len(set(ids)) == 3


def test_deliveries_are_filtered_selected_and_sent_again(
    page: Page, site: Site, receiver: Receiver, console: Console
) -> None:
    console.allow_status(400)
    webhook = add(site, receiver.url("/ok/x"), "product.created,product.deleted")
    emit_events(site, 30)
    ((product,),) = site.sql("SELECT id FROM products WHERE sku = 'P-7'")
    site.call("DELETE", f"/api/products/{product}")
    wait_for_deliveries(site, webhook, "delivered", 31)
    show(page, webhook)
    rows = page.get_by_test_id("delivery-row")
    page.get_by_test_id("filter-event").select_option("product.deleted")
    expect(rows).to_have_count(1)
    event_id = site.call("GET", f"/api/webhooks/{webhook}/deliveries?event=product.deleted")["deliveries"][0][
        "event_id"
    ]
    page.get_by_test_id("clear-filters").click()
    expect(rows).to_have_count(25)
    page.get_by_test_id("filter-text").fill('p-7"')
    expect(rows).to_have_count(2)
    page.get_by_test_id("filter-until").fill("2020-01-01T00:00")
    expect(page.get_by_text("No delivery matches", exact=True)).to_be_visible()
    page.get_by_test_id("empty-clear").click()
    page.get_by_test_id("filter-id").fill("evt_1")
    expect(page.get_by_test_id("deliveries")).to_contain_text("id must be the number of a delivery or an event id")
    check_accessible(page, "a filter that is not valid")
    page.get_by_test_id("filter-id").fill(event_id)
    expect(rows).to_have_count(1)
    # The address holds the filter.
    page.reload()
    expect(page.get_by_test_id("filter-id")).to_have_value(event_id)
    expect(rows).to_have_count(1)
    page.get_by_test_id("clear-filters").click()

    # Two of them, without a question.
    expect(rows).to_have_count(25)
    row(page, 1).get_by_test_id("delivery-select").click()
    row(page, 2).get_by_test_id("delivery-select").press("Space")
    expect(page.get_by_test_id("resend-selected")).to_have_text("Send 2 deliveries again")
    check_accessible(page, "selected deliveries")
    page.get_by_test_id("resend-selected").click()
    expect(page.get_by_test_id("toast")).to_contain_text("Sending 2 deliveries again")
    wait_for("the requests", lambda: receiver.count() == 33)
    expect(page.get_by_test_id("resend-selected")).to_be_hidden()

    # All that match, after a question.
    page.get_by_test_id("filter-event").select_option("product.created")
    expect(page.get_by_text("1–25 of 30")).to_be_visible()
    page.get_by_test_id("select-page").click()
    page.get_by_test_id("select-all-matching").click()
    expect(page.get_by_test_id("selection-count")).to_have_text("All 30 that match are selected")
    page.get_by_test_id("resend-selected").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("Send 30 deliveries again?")
    check_accessible(page, "the question before many deliveries are sent again")
    page.get_by_test_id("confirm-ok").click()
    wait_for("the requests", lambda: receiver.count() == 63)


def test_a_disabled_webhook_says_why_and_sends_nothing(
    page: Page, site: Site, receiver: Receiver, console: Console
) -> None:
    webhook = add(site, receiver.url("/gone"), "product.created")
    emit_events(site, 1)
    wait_for_deliveries(site, webhook, "failed", 1)
    show(page, webhook)
    reason = page.get_by_test_id("webhook-reason")
    expect(reason).to_contain_text("Switched off automatically: The receiver answered 410")
    expect(page.get_by_test_id("webhook-recover")).to_be_disabled()
    check_accessible(page, "a webhook that was switched off")
    console.allow_status(409)
    row(page).get_by_test_id("delivery-open").click()
    page.get_by_test_id("delivery-resend").click()
    expect(page.get_by_test_id("banner-error")).to_contain_text("Switch it on first")
    page.get_by_test_id("webhook-switch").click()
    expect(page.get_by_test_id("webhook-reason")).to_be_empty()
    assert site.call("GET", f"/api/webhooks/{webhook}")["enabled"]


def test_an_unknown_webhook_shows_a_message(page: Page, site: Site, console: Console) -> None:
    console.allow_status(404)
    page.goto("/#/webhooks/999999")
    expect(page.get_by_test_id("banner-error")).to_contain_text("There is no webhook with this id.")
    check_accessible(page, "an unknown webhook")
    page.get_by_role("button", name="All webhooks").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()


def test_a_webhook_is_tested_edited_and_deleted_from_its_own_screen(page: Page, site: Site, receiver: Receiver) -> None:
    webhook = add(site, receiver.url("/ok/x"), "product.created", description="Before")
    page.goto(f"/#/webhooks/{webhook}")
    page.get_by_test_id("webhook-test").click()
    expect(page.get_by_test_id("test-status")).to_have_text("200")
    page.keyboard.press("Escape")
    page.get_by_test_id("webhook-edit").click()
    page.get_by_test_id("field-description").fill("After")
    page.get_by_test_id("webhook-save").click()
    expect(page.get_by_text("After")).to_be_visible()
    page.get_by_test_id("webhook-delete").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_text("No webhooks yet")).to_be_visible()
    assert json.dumps(site.call("GET", "/api/webhooks")) == "[]"
