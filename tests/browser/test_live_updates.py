"""What changes on the page by itself: deletions that can be undone for ten seconds, and what others do."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import Page, Request, Route, ViewportSize, expect

from support.axe import check_accessible
from support.browser import (
    LIST,
    NARROW,
    Console,
    Site,
    cell,
    expect_skus,
    row,
    show_products,
    wait_for_value,
    wait_until,
)

UNDO_MS = 10_000
STREAM = "**/api/products/changes"


def show_live(page: Page, query: str = "") -> None:
    """Opens the products, and waits until the page is told of changes."""
    with page.expect_response(STREAM):
        show_products(page, query)


def deletions(page: Page) -> list[Request]:
    """Every request that deletes something, from now on."""
    sent: list[Request] = []

    def note(request: Request) -> None:
        if request.method == "DELETE" or request.url.endswith("/bulk"):
            sent.append(request)

    page.on("request", note)
    return sent


def delete(page: Page, *skus: str) -> None:
    """Deletes a few products with the action bar."""
    for sku in skus:
        row(page, sku).get_by_test_id("select-row").check()
    page.get_by_test_id("bulk-delete").click()
    for sku in skus:
        expect(row(page, sku)).to_have_count(0)


# Undo


def test_a_deletion_is_undone_and_the_server_never_heard_of_it(page: Page, site: Site) -> None:
    site.lamps(4)
    page.clock.install()
    show_products(page)
    sent = deletions(page)
    delete(page, "LAMP-002", "LAMP-003")
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


@pytest.mark.parametrize("size", [None, NARROW], ids=["wide", "360 px"])
def test_a_deletion_that_can_be_undone_is_accessible(page: Page, site: Site, size: ViewportSize | None) -> None:
    # Nothing is clicked afterwards: on a busy machine the check may outlast the time for undoing.
    site.lamps(4)
    if size:
        page.set_viewport_size(size)
    show_products(page)
    delete(page, "LAMP-002", "LAMP-003")
    expect(page.get_by_test_id("undo")).to_be_visible()
    check_accessible(page, "a deletion that can be undone")


@pytest.mark.parametrize("count", [1, 3])
def test_after_ten_seconds_they_are_deleted(page: Page, site: Site, count: int) -> None:
    site.lamps(5)
    page.clock.install()
    show_products(page)
    sent = deletions(page)
    delete(page, *(f"LAMP-00{n}" for n in range(1, count + 1)))
    page.clock.fast_forward(UNDO_MS - 3_000)
    expect(page.get_by_test_id("undo")).to_be_visible()
    assert sent == []
    assert site.count() == 5
    page.clock.fast_forward(3_000)
    expect(page.get_by_test_id("undo")).to_have_count(0)
    wait_for_value("the number of products", site.count, 5 - count)
    assert [request.method for request in sent] == ["DELETE" if count == 1 else "POST"]
    # It was this page itself.
    expect(page.get_by_test_id("product-row")).to_have_count(5 - count)
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


@pytest.mark.parametrize("way", ["another page", "reload", "close"])
def test_leaving_within_the_ten_seconds_deletes(page: Page, site: Site, way: str) -> None:
    site.lamps(5)
    show_products(page)
    delete(page, "LAMP-001", "LAMP-002")
    assert site.count() == 5
    if way == "another page":
        page.goto("about:blank")
    elif way == "reload":
        page.reload()
    else:
        page.close(run_before_unload=True)
    wait_for_value("the number of products", site.count, 3)


def test_another_screen_is_no_end_of_the_ten_seconds(page: Page, site: Site) -> None:
    site.lamps(3)
    page.clock.install()
    show_products(page)
    delete(page, "LAMP-001")
    page.get_by_role("link", name="Import", exact=True).click()
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    expect(page.get_by_test_id("undo")).to_be_visible()
    page.go_back()
    expect_skus(page, "LAMP-002", "LAMP-003")
    page.keyboard.press("Control+z")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")
    expect(page.get_by_test_id("undo")).to_have_count(0)
    assert site.count() == 3


def test_a_deletion_that_fails_brings_them_back_and_says_why(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    site.lamps(3)
    page.clock.install()
    show_products(page)
    body = {"error": "Something went wrong.", "code": "internal_error", "status": 500}
    page.route("**/api/products/*", lambda route: route.fulfill(status=500, json=body))
    delete(page, "LAMP-002")
    page.clock.fast_forward(UNDO_MS)
    expect(page.get_by_test_id("banner-error")).to_contain_text("LAMP-002 could not be deleted. Something went wrong.")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")


# Others


def test_a_change_by_someone_else_is_offered_and_moves_nothing_until_asked(page: Page, site: Site) -> None:
    numbers = site.lamps(5)
    show_live(page, "sort_by=name&sort_order=desc")
    order = ["LAMP-005", "LAMP-004", "LAMP-003", "LAMP-002", "LAMP-001"]
    expect_skus(page, *order)
    cell(page, "LAMP-003", "name").click()
    site.call("PUT", f"/api/products/{numbers[0]}", {"name": "Zebra"})
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
    expect_skus(page, *order)
    expect(cell(page, "LAMP-001", "name")).to_have_text("Lamp 1")
    expect(cell(page, "LAMP-003", "name")).to_be_focused()
    check_accessible(page, "changes offered")
    page.set_viewport_size(NARROW)
    check_accessible(page, "changes offered, 360 px")
    page.get_by_test_id("changes-show").click()
    expect_skus(page, "LAMP-001", *order[:-1])
    expect(cell(page, "LAMP-001", "name")).to_have_text("Zebra")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_a_deletion_and_a_creation_by_someone_else_are_offered(page: Page, site: Site) -> None:
    numbers = site.lamps(3)
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


def test_what_an_import_changes_is_offered(page: Page, site: Site) -> None:
    site.lamps(3)
    show_live(page)
    site.upload("sku,name\nLAMP-002,Imported\n")
    expect(page.get_by_test_id("changes-offer")).to_be_visible(timeout=60_000)
    expect(cell(page, "LAMP-002", "name")).to_have_text("Lamp 2")
    page.get_by_test_id("changes-show").click()
    expect(cell(page, "LAMP-002", "name")).to_have_text("Imported")
    site.wait_for_imports()


def test_what_is_not_in_view_is_not_offered(page: Page, site: Site) -> None:
    number = site.lamps(5)[4]
    show_live(page, "sku=LAMP-001")
    # The page looks, and finds that nothing of it has changed.
    with page.expect_response(LIST):
        site.call("PUT", f"/api/products/{number}", {"name": "Far away"})
    expect(page.get_by_test_id("product-row")).to_have_count(1)
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_what_this_page_changes_itself_is_not_offered(page: Page, site: Site) -> None:
    site.lamps(3)
    show_live(page)
    with page.expect_response(LIST):
        cell(page, "LAMP-001", "name").dblclick()
        page.get_by_test_id("cell-editor").fill("Mine")
        page.keyboard.press("Enter")
    expect(cell(page, "LAMP-001", "name")).to_have_text("Mine")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_an_empty_catalogue_fills_by_itself(page: Page, site: Site) -> None:
    show_live(page)
    expect(page.get_by_test_id("empty-products")).to_be_visible()
    site.call("POST", "/api/products", {"sku": "FIRST"})
    expect_skus(page, "FIRST")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_what_others_did_before_the_page_was_told_of_changes_is_offered_too(page: Page, site: Site) -> None:
    number = site.lamps(3)[0]
    held: list[Route] = []
    page.route(STREAM, lambda route: held.append(route))
    with page.expect_request(STREAM):
        show_products(page)
    wait_until(page, lambda: held)
    with requests.get(f"{site.address}/api/products/changes", stream=True, timeout=30) as stream:
        site.call("PUT", f"/api/products/{number}", {"name": "Missed"})
        # Those who listen know of it by now.
        assert next(line for line in stream.iter_lines() if line.startswith(b"event:")) == b"event: changed"
    held[0].continue_()
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
