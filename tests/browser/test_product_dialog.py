"""The product dialog: view, change, create and delete a product, and the question before text is lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import Console, Site, cell, expect_query, expect_skus, row, show_products, wait_for_value

ONE = re.compile(r"/api/products/\d+$")


def dialog(page: Page) -> Locator:
    """Return the open dialog."""
    return page.get_by_test_id("product-dialog")


def open_dialog(page: Page, sku: str) -> None:
    """Open a product and wait until the dialog has loaded its latest version."""
    with page.expect_response(lambda response: response.request.method == "GET" and bool(ONE.search(response.url))):
        row(page, sku).get_by_test_id("product-open").click()
    expect(dialog(page)).to_be_visible()


def test_a_product_is_viewed_and_changed(page: Page, site: Site) -> None:
    site.create_products(
        {"sku": "LAMP-1", "name": "Desk lamp", "description": "Two\nlines", "active": False}, {"sku": "LAMP-2"}
    )
    show_products(page)
    open_dialog(page, "LAMP-1")
    expect(dialog(page).get_by_role("heading", level=2)).to_have_text("Desk lamp")
    expect(page.get_by_test_id("field-sku")).to_have_value("LAMP-1")
    expect(page.get_by_test_id("field-description")).to_have_value("Two\nlines")
    expect(page.get_by_test_id("field-active")).not_to_be_checked()
    expect(dialog(page)).to_contain_text("Updated")
    check_accessible(page, "the dialog")
    page.get_by_test_id("field-name").fill("Floor lamp")
    page.get_by_test_id("field-active").check()
    with page.expect_request(lambda request: request.method == "PUT") as sent:
        page.get_by_test_id("product-save").click()
    assert sent.value.post_data_json == {"name": "Floor lamp", "active": True, "started_from": "page"}
    expect(dialog(page)).to_have_count(0)
    expect(page.get_by_test_id("toast")).to_contain_text("Product saved")
    expect(cell(page, "LAMP-1", "name")).to_have_text("Floor lamp")
    expect(cell(page, "LAMP-1", "active").get_by_role("switch")).to_have_attribute("aria-checked", "true")
    expect(row(page, "LAMP-1").get_by_test_id("product-open")).to_be_focused()
    check_accessible(page, "a toast")
    product = site.product("LAMP-1")
    assert product and product["name"] == "Floor lamp" and product["active"] and product["description"] == "Two\nlines"


def test_a_product_is_created_and_shown(page: Page, site: Site) -> None:
    site.create_lamps(30)
    show_products(page, "per_page=25")
    page.get_by_test_id("new-product").click()
    expect(dialog(page).get_by_role("heading")).to_have_text("New product")
    expect(page.get_by_test_id("field-active")).to_be_checked()
    check_accessible(page, "the dialog of a new product")
    page.get_by_test_id("field-sku").fill(" NEW-1 ")
    page.get_by_test_id("field-name").fill("Brand new")
    page.keyboard.press("Enter")
    expect(dialog(page)).to_have_count(0)
    toast = page.get_by_test_id("toast")
    expect(toast).to_contain_text("NEW-1 created")
    expect(page.get_by_test_id("products-total")).to_have_text("31")
    toast.get_by_role("link", name="Show").click()
    expect_skus(page, "NEW-1")
    expect_query(page, sku="NEW-1")
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_an_invalid_value_is_reported_at_its_field(page: Page, site: Site, console: Console) -> None:
    console.allow_status(400)
    console.allow_status(409)
    site.create_lamps(1)
    show_products(page)
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("product-save").click()
    problem = page.locator("[data-testid=field-error][data-field=sku]")
    expect(problem).to_be_visible()
    expect(page.get_by_test_id("field-sku")).to_be_focused()
    expect(page.get_by_test_id("field-sku")).to_have_attribute("aria-invalid", "true")
    check_accessible(page, "a dialog with an error")
    page.get_by_test_id("field-sku").fill("lamp-001")
    expect(problem).to_have_count(0)
    page.get_by_test_id("product-save").click()
    expect(problem).to_be_visible()
    page.get_by_test_id("field-sku").fill("LAMP-002")
    page.get_by_test_id("field-name").fill("n" * 501)
    page.get_by_test_id("product-save").click()
    expect(page.locator("[data-testid=field-error][data-field=name]")).to_be_visible()
    assert site.count() == 1


def test_a_server_error_leaves_the_dialog_open(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    site.create_lamps(1)
    show_products(page)
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-sku").fill("NEW-1")
    body = {"error": "Something went wrong.", "code": "internal_error", "status": 500}
    page.route("**/api/products", lambda route: route.fulfill(status=500, json=body))
    page.get_by_test_id("product-save").click()
    expect(page.get_by_test_id("dialog-problem")).to_contain_text("Something went wrong.")
    check_accessible(page, "a dialog that could not save")
    page.unroute("**/api/products")
    page.get_by_test_id("product-save").click()
    expect(dialog(page)).to_have_count(0)
    assert site.product("NEW-1")


@pytest.mark.parametrize("way", ["Escape", "Cancel", "Close"])
def test_closing_with_unsaved_changes_asks_first(page: Page, site: Site, way: str) -> None:
    site.create_lamps(1)
    show_products(page)
    open_dialog(page, "LAMP-001")

    def leave() -> None:
        if way == "Escape":
            page.keyboard.press("Escape")
        else:
            dialog(page).get_by_role("button", name=way, exact=True).click()

    page.get_by_test_id("field-name").fill("Changed")
    leave()
    question = page.get_by_test_id("discard-ask")
    expect(question).to_be_visible()
    expect(page.get_by_test_id("discard-keep")).to_be_focused()
    check_accessible(page, "the question about unsaved changes")
    if way == "Escape":
        page.keyboard.press("Escape")
    else:
        page.get_by_test_id("discard-keep").click()
    expect(question).to_be_hidden()
    expect(page.get_by_test_id("field-name")).to_have_value("Changed")
    leave()
    page.get_by_test_id("discard-changes").click()
    expect(dialog(page)).to_have_count(0)
    expect(cell(page, "LAMP-001", "name")).to_have_text("Lamp 1")
    product = site.product("LAMP-001")
    assert product and product["name"] == "Lamp 1"


def test_closing_without_changes_asks_nothing(page: Page, site: Site) -> None:
    site.create_products({"sku": "LAMP-1", "name": "A\r\nB", "description": "One\r\nTwo"})
    show_products(page)
    for button in ("product-cancel", "product-save"):
        open_dialog(page, "LAMP-1")
        page.get_by_test_id(button).click()
        expect(dialog(page)).to_have_count(0)
    assert (site.product("LAMP-1") or {})["description"] == "One\r\nTwo"


@pytest.mark.parametrize("choice", ["use-mine", "take-theirs"])
def test_two_editors_of_one_product_see_each_others_changes(
    page: Page, site: Site, console: Console, choice: str
) -> None:
    console.allow_status(412)
    number = site.create_lamps(1)[0]
    show_products(page)
    open_dialog(page, "LAMP-001")
    page.get_by_test_id("field-name").fill("Mine")
    site.call("PUT", f"/api/products/{number}", {"name": "Theirs", "description": "Theirs too"})
    page.get_by_test_id("product-save").click()
    conflict = dialog(page).get_by_test_id("edit-conflict")
    expect(conflict).to_contain_text("Theirs")
    expect(conflict).to_contain_text("They also changed: Description.")
    check_accessible(page, "a conflict in the dialog")
    conflict.get_by_test_id(choice).click()
    if choice == "take-theirs":
        expect(page.get_by_test_id("field-name")).to_have_value("Theirs")
        page.get_by_test_id("product-cancel").click()
    expect(dialog(page)).to_have_count(0)
    name = "Mine" if choice == "use-mine" else "Theirs"
    expect(cell(page, "LAMP-001", "name")).to_have_text(name)
    expect(cell(page, "LAMP-001", "description")).to_have_text("Theirs too")
    wait_for_value("the name", lambda: (site.product("LAMP-001") or {})["name"], name)


def test_the_dialog_shows_the_latest_version_of_the_server(page: Page, site: Site, console: Console) -> None:
    first, second = site.create_lamps(2)
    show_products(page)
    site.call("PUT", f"/api/products/{first}", {"name": "Newer"})
    open_dialog(page, "LAMP-001")
    expect(page.get_by_test_id("field-name")).to_have_value("Newer")
    page.keyboard.press("Escape")
    console.allow_status(404)
    site.call("DELETE", f"/api/products/{second}")
    open_dialog(page, "LAMP-002")
    expect(page.get_by_test_id("dialog-problem")).to_contain_text("Someone else deleted this product")


def test_a_product_is_deleted_from_the_dialog(page: Page, site: Site) -> None:
    site.create_lamps(2)
    page.clock.install()
    show_products(page)
    open_dialog(page, "LAMP-001")
    page.get_by_test_id("product-delete").click()
    expect(dialog(page)).to_have_count(0)
    expect_skus(page, "LAMP-002")
    expect(page.get_by_test_id("toast")).to_contain_text("LAMP-001 deleted")
    page.clock.fast_forward(10_000)
    wait_for_value("the number of products", site.count, 1)
