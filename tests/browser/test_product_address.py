"""The address of a product's dialog, and the way from one product to the next one in the list."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import Console, Site, expect_skus, row, show_products


def dialog(page: Page) -> Locator:
    """Return the open dialog."""
    return page.get_by_test_id("product-dialog")


def expect_product(page: Page, sku: str) -> None:
    """Wait until the dialog shows this product."""
    expect(page.get_by_test_id("field-sku")).to_have_value(sku)
    expect(dialog(page)).to_have_count(1)


def test_the_dialog_leads_to_the_previous_and_the_next_product(page: Page, site: Site, console: Console) -> None:
    ids = site.create_lamps(60)
    site.create_products({"sku": "OTHER"})
    show_products(page, "per_page=25&q=lamp&sort_by=sku&sort_order=desc")
    previous, following = page.get_by_test_id("product-previous"), page.get_by_test_id("product-next")
    row(page, "LAMP-037").get_by_test_id("product-open").click()
    expect_product(page, "LAMP-037")
    following.click()
    expect_product(page, "LAMP-036")
    expect(following).to_be_focused()
    check_accessible(page, "a product with its neighbours")
    # Over the border of the page, and back.
    following.click()
    expect_product(page, "LAMP-035")
    expect(page).to_have_url(re.compile(rf"#/products/{ids[34]}\?.*page=2"))
    page.keyboard.press("Alt+ArrowUp")
    expect_product(page, "LAMP-036")
    page.keyboard.press("Alt+ArrowDown")
    expect_product(page, "LAMP-035")
    page.get_by_test_id("field-name").focus()
    page.keyboard.press("Alt+ArrowDown")
    expect_product(page, "LAMP-034")
    # What was typed is not lost.
    page.get_by_test_id("field-name").fill("Typed")
    previous.click()
    expect(page.get_by_test_id("discard-ask")).to_be_visible()
    page.get_by_test_id("discard-keep").click()
    expect(page.get_by_test_id("field-name")).to_have_value("Typed")
    page.keyboard.press("Alt+ArrowUp")
    page.get_by_test_id("discard-changes").click()
    expect_product(page, "LAMP-035")
    # A page of the list that cannot be loaded, and another attempt.
    page.keyboard.press("Alt+ArrowUp")
    expect_product(page, "LAMP-036")
    console.allow_status(500)
    page.route("**/api/products?*page=2*", lambda route: route.fulfill(status=500, json=None), times=1)
    following.click()
    expect(page.get_by_test_id("dialog-problem")).to_contain_text("The next product could not be loaded.")
    expect_product(page, "LAMP-036")
    following.click()
    expect_product(page, "LAMP-035")
    # A reload shows the same product and the same page below it. Back closes the dialog, Forward opens it again.
    page.reload()
    expect_product(page, "LAMP-035")
    expect(row(page, "LAMP-011")).to_be_attached()
    expect(page).to_have_title(re.compile("^Lamp 35 ·"))
    page.go_back()
    expect(dialog(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"#/products\?.*page=2"))
    expect(page).to_have_title(re.compile("^Products ·"))
    expect(row(page, "LAMP-035")).to_be_visible()
    # The dialog asks for the latest version and the history. A product that is gone by then would be an error.
    latest, history = (re.compile(rf"/api/products/{ids[34]}{rest}$") for rest in ("", r"/history\?.*"))
    with page.expect_response(latest), page.expect_response(history):
        page.go_forward()
    expect_product(page, "LAMP-035")
    # Somebody else deletes the product: the next one takes its place.
    site.call("DELETE", f"/api/products/{ids[34]}")
    following.click()
    expect_product(page, "LAMP-034")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    page.goto("/#/products?q=lamp&per_page=25&page=3&sort_by=sku")
    expect(page.get_by_test_id("product-row")).to_have_count(9)
    row(page, "LAMP-060").get_by_test_id("product-open").click()
    expect(following).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Alt+ArrowDown")
    expect_product(page, "LAMP-060")


def test_a_link_to_a_product_opens_it_anywhere(page: Page, site: Site, console: Console) -> None:
    [first, second] = site.create_lamps(2)
    show_products(page, "sort_by=sku")
    # A click with Ctrl opens another tab, where the list below is the same.
    with page.context.expect_page() as opened:
        row(page, "LAMP-002").get_by_test_id("product-open").click(modifiers=["Control"])
    other = opened.value
    console.watch(other)
    expect_product(other, "LAMP-002")
    expect_skus(other, "LAMP-001", "LAMP-002")
    other.keyboard.press("Alt+ArrowUp")
    expect_product(other, "LAMP-001")
    other.keyboard.press("Escape")
    expect(dialog(other)).to_have_count(0)
    expect(other).to_have_url(re.compile(r"#/products\?sort_by=sku$"))
    other.close()
    expect(dialog(page)).to_have_count(0)
    # From another screen, and while another product is open.
    page.goto("/#/import")
    page.evaluate("address => { location.hash = address }", f"#/products/{first}")
    expect_product(page, "LAMP-001")
    page.evaluate("address => { location.hash = address }", f"#/products/{second}")
    expect_product(page, "LAMP-002")
    page.go_back()
    expect(dialog(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"#/products$"))
    # One that does not exist.
    console.allow_status(404)
    page.goto("/#/products/999999999")
    missing = page.get_by_test_id("product-missing")
    expect(missing).to_contain_text("This product does not exist")
    check_accessible(page, "a product that does not exist")
    page.get_by_test_id("product-missing-action").click()
    expect(missing).to_have_count(0)
    expect(page).to_have_url(re.compile(r"#/products$"))
    expect_skus(page, "LAMP-001", "LAMP-002")
    # The server does not answer at first.
    console.allow("ERR_FAILED")
    page.route(f"**/api/products/{first}", lambda route: route.abort(), times=1)
    page.goto("about:blank")
    page.goto(f"/#/products/{first}?q=room+2")
    expect(missing).to_contain_text("The product could not be loaded")
    page.get_by_test_id("product-missing-action").click()
    expect_product(page, "LAMP-001")
    # The list does not have this product, so there is neither a previous nor a next one.
    for step in ("previous", "next"):
        expect(page.get_by_test_id(f"product-{step}")).to_have_attribute("aria-disabled", "true")
