"""Live updates: deletions that can be undone for ten seconds, and changes by other clients."""

from __future__ import annotations

import re
import threading

import pytest
import requests
from playwright.sync_api import Page, Request, Route, expect

from support.axe import check_accessible
from support.browser import (
    LIST,
    Console,
    Site,
    cell,
    expect_query,
    expect_skus,
    row,
    show_products,
    wait_for_value,
    wait_until,
)

UNDO_MS = 10_000
STREAM = "**/api/events?*"


def show_live(page: Page, query: str = "") -> None:
    """Open the product list and wait until its event stream is connected."""
    with page.expect_response(STREAM):
        show_products(page, query)


def record_deletions(page: Page) -> list[Request]:
    """Record every request that deletes something from now on."""
    sent: list[Request] = []

    def note(request: Request) -> None:
        if request.method == "DELETE" or request.url.endswith("/bulk"):
            sent.append(request)

    page.on("request", note)
    return sent


def delete_selected(page: Page, *skus: str) -> None:
    """Delete a few products with the action bar."""
    for sku in skus:
        row(page, sku).get_by_test_id("select-row").check()
    page.get_by_test_id("bulk-delete").click()
    for sku in skus:
        expect(row(page, sku)).to_have_count(0)


# Undo


def test_an_undone_deletion_never_reaches_the_server(page: Page, site: Site) -> None:
    site.create_lamps(4)
    page.clock.install()
    show_products(page)
    sent = record_deletions(page)
    delete_selected(page, "LAMP-002", "LAMP-003")
    expect_skus(page, "LAMP-001", "LAMP-004")
    expect(page.get_by_test_id("products-total")).to_have_text("2")
    expect(page.get_by_test_id("toast")).to_contain_text("2 products deleted")
    page.get_by_test_id("undo").click()
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003", "LAMP-004")
    expect(page.get_by_test_id("products-total")).to_have_text("4")
    expect(page.get_by_test_id("toast")).to_have_count(0)
    page.clock.fast_forward(2 * UNDO_MS)
    with page.expect_response(LIST):
        page.get_by_test_id("sort-sku").click()
    expect(page.get_by_test_id("product-row")).to_have_count(4)
    assert sent == []
    assert site.count() == 4


def test_the_undo_notice_is_accessible(page: Page, site: Site) -> None:
    # This is the last step, because on a busy machine the check may take longer than ten seconds.
    site.create_lamps(4)
    show_products(page)
    delete_selected(page, "LAMP-002", "LAMP-003")
    expect(page.get_by_test_id("undo")).to_be_visible()
    check_accessible(page, "a deletion that can be undone")


@pytest.mark.parametrize("count", [1, 3])
def test_products_are_deleted_after_ten_seconds(page: Page, site: Site, count: int) -> None:
    site.create_lamps(5)
    page.clock.install()
    show_products(page)
    sent = record_deletions(page)
    delete_selected(page, *(f"LAMP-00{n}" for n in range(1, count + 1)))
    page.clock.fast_forward(UNDO_MS - 3_000)
    expect(page.get_by_test_id("undo")).to_be_visible()
    assert sent == []
    assert site.count() == 5
    page.clock.fast_forward(3_000)
    expect(page.get_by_test_id("undo")).to_have_count(0)
    wait_for_value("the number of products", site.count, 5 - count)
    assert [request.method for request in sent] == ["DELETE" if count == 1 else "POST"]
    # The page does not announce its own changes.
    expect(page.get_by_test_id("product-row")).to_have_count(5 - count)
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


@pytest.mark.parametrize("way", ["another page", "reload", "close"])
def test_leaving_the_page_within_ten_seconds_deletes(page: Page, site: Site, way: str) -> None:
    site.create_lamps(5)
    show_products(page)
    delete_selected(page, "LAMP-001", "LAMP-002")
    assert site.count() == 5
    if way == "another page":
        page.goto("about:blank")
    elif way == "reload":
        page.reload()
    else:
        page.close(run_before_unload=True)
    wait_for_value("the number of products", site.count, 3)


def test_changing_the_screen_keeps_the_ten_seconds_running(page: Page, site: Site) -> None:
    site.create_lamps(3)
    page.clock.install()
    show_products(page)
    delete_selected(page, "LAMP-001")
    page.get_by_role("link", name="Import", exact=True).click()
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    expect(page.get_by_test_id("undo")).to_be_visible()
    page.go_back()
    expect_skus(page, "LAMP-002", "LAMP-003")
    page.keyboard.press("Control+z")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")
    expect(page.get_by_test_id("undo")).to_have_count(0)
    assert site.count() == 3


def test_a_failed_deletion_brings_the_products_back_and_says_why(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    site.create_lamps(3)
    page.clock.install()
    show_products(page)
    body = {"error": "Something went wrong.", "code": "internal_error", "status": 500}
    page.route("**/api/products/*", lambda route: route.fulfill(status=500, json=body))
    delete_selected(page, "LAMP-002")
    page.clock.fast_forward(UNDO_MS)
    expect(page.get_by_test_id("banner-error")).to_contain_text("LAMP-002 could not be deleted. Something went wrong.")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")


# Changes by other clients


def test_a_change_by_another_client_is_offered_and_moves_nothing_until_accepted(page: Page, site: Site) -> None:
    numbers = site.create_lamps(5)
    show_live(page, "sort_by=name&sort_order=desc")
    order = ["LAMP-005", "LAMP-004", "LAMP-003", "LAMP-002", "LAMP-001"]
    expect_skus(page, *order)
    cell(page, "LAMP-003", "name").click()
    site.call("PUT", f"/api/products/{numbers[0]}", {"name": "Zebra"})
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
    expect_skus(page, *order)
    expect(cell(page, "LAMP-001", "name")).to_have_text("Lamp 1")
    expect(cell(page, "LAMP-003", "name")).to_be_focused()
    check_accessible(page, "changes offered", narrow=True)
    page.get_by_test_id("changes-show").click()
    expect_skus(page, "LAMP-001", *order[:-1])
    expect(cell(page, "LAMP-001", "name")).to_have_text("Zebra")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_a_deletion_and_a_creation_by_another_client_are_offered(page: Page, site: Site) -> None:
    numbers = site.create_lamps(3)
    show_live(page)
    site.call("DELETE", f"/api/products/{numbers[1]}")
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
    page.get_by_test_id("changes-show").click()
    expect_skus(page, "LAMP-001", "LAMP-003")
    site.call("POST", "/api/products", {"sku": "NEW-1"})
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
    expect_skus(page, "LAMP-001", "LAMP-003")
    page.get_by_test_id("changes-show").click()
    expect_skus(page, "LAMP-001", "LAMP-003", "NEW-1")


def test_an_import_that_was_started_elsewhere_is_in_view(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_live(page)
    total = page.get_by_test_id("products-total")
    site.upload("sku,name\nLAMP-002,Imported\nZ-1,New\nZ-2,New\n")
    expect(page.get_by_test_id("changes-offer")).to_be_visible(timeout=60_000)
    expect(cell(page, "LAMP-002", "name")).to_have_text("Lamp 2")
    # The total follows, also further imports, while the rows stay.
    expect(total).to_have_text("5")
    expect(page.locator(".pager-range")).to_contain_text("of 5")
    site.wait_for_imports()
    with site.held_import():
        site.upload("sku,name\nZ-3,New\n", "elsewhere.csv")
        # Another change makes the page look for imports that run.
        site.call("POST", "/api/products", {"sku": "Z-4"})
        expect(page.get_by_test_id("header-progress")).to_be_visible()
        expect(page.locator(".activity-text")).to_contain_text("elsewhere.csv")
        expect(total).to_have_text("6")
    expect(total).to_have_text("7")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")
    page.get_by_test_id("changes-latest").click()
    expect_query(page, sort_by="updated_at", sort_order="desc")
    # The import may have written its product before the other one was created, and committed it later.
    expect(page.get_by_test_id("cell-sku").first).to_have_text(re.compile("Z-[34]"))
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)
    expect(cell(page, "LAMP-002", "name")).to_have_text("Imported")


def test_changes_outside_the_page_are_not_offered(page: Page, site: Site) -> None:
    number = site.create_lamps(5)[4]
    show_live(page, "sku=LAMP-001")
    # The page compares its rows and finds no change.
    with page.expect_response(LIST):
        site.call("PUT", f"/api/products/{number}", {"name": "Far away"})
    expect(page.get_by_test_id("product-row")).to_have_count(1)
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_changes_that_the_page_made_itself_are_not_offered(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_live(page)
    with page.expect_response(LIST):
        cell(page, "LAMP-001", "name").dblclick()
        page.get_by_test_id("cell-editor").fill("Mine")
        page.keyboard.press("Enter")
    expect(cell(page, "LAMP-001", "name")).to_have_text("Mine")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_an_empty_list_fills_without_a_click(page: Page, site: Site) -> None:
    show_live(page)
    expect(page.get_by_test_id("empty-products")).to_be_visible()
    site.call("POST", "/api/products", {"sku": "FIRST"})
    expect_skus(page, "FIRST")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_changes_made_before_the_stream_opened_are_offered(page: Page, site: Site) -> None:
    number = site.create_lamps(3)[0]
    held: list[Route] = []
    is_open = threading.Event()
    page.route(STREAM, lambda route: route.continue_() if is_open.is_set() else held.append(route))
    with page.expect_request(STREAM):
        show_products(page)
    wait_until(page, lambda: held)
    with requests.get(f"{site.address}/api/products/changes", stream=True, timeout=30) as stream:
        site.call("PUT", f"/api/products/{number}", {"name": "Missed"})
        # Listeners have received the notification by now.
        assert next(line for line in stream.iter_lines() if line.startswith(b"event:")) == b"event: changed"
    # The page may have opened several streams meanwhile: for more topics, or because no answer came for long.
    is_open.set()
    for route in held:
        route.continue_()
    expect(page.get_by_test_id("changes-offer")).to_be_visible()


def test_a_change_made_while_the_page_loads_is_offered(page: Page, site: Site) -> None:
    number = site.create_lamps(3)[0]
    held: list[Route] = []
    page.route("**/api/products?*", lambda route: held.append(route), times=1)
    with page.expect_response(STREAM):
        page.goto("/#/products")
        wait_until(page, lambda: held)
        before = held[0].fetch()
    site.call("PUT", f"/api/products/{number}", {"name": "Missed"})
    # Longer than the loader waits before it checks.
    page.wait_for_timeout(2_500)
    held[0].fulfill(response=before)
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
