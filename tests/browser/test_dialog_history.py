"""Back and Forward while dialogs are open."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from support.browser import Site, expect_step, row, show_products, wait_until_closed


def test_back_closes_a_dialog_and_leaves_the_screen_alone(page: Page, site: Site) -> None:
    site.create_lamps(3)
    page.goto("/#/import")
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    show_products(page, "q=lamp")
    dialog = page.get_by_test_id("product-dialog")

    # Back closes a dialog, and Forward brings neither it nor another screen. One Back then leaves the screen.
    page.keyboard.press("?")
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(row(page, "LAMP-001")).to_be_visible()
    page.go_forward()
    expect_screen(page, "products?q=lamp")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect_screen(page, "import")
    page.go_forward()
    expect_screen(page, "products?q=lamp")

    # What was typed is not lost: Back asks, and asks no more than once.
    open_product(page)
    page.get_by_test_id("field-name").fill("Typed")
    page.go_back()
    expect(page.get_by_test_id("discard-ask")).to_be_visible()
    # The page goes forward to the dialog again; a Back before that would only stop it.
    page.wait_for_function("() => history.state?.isDialog")
    page.go_back()
    expect(page.get_by_test_id("discard-ask")).to_be_hidden()
    expect(page.get_by_test_id("field-name")).to_have_value("Typed")
    expect(page).to_have_url(re.compile(r"#/products/\d+\?q=lamp"))
    # A link asks, too.
    page.get_by_test_id("product-activity").click()
    page.get_by_test_id("discard-changes").click()
    expect(dialog).to_have_count(0)
    expect_screen(page, "products?q=lamp")

    # A dialog with an address is shown again after another screen, and with Forward.
    open_product(page)
    page.get_by_test_id("product-activity").click()
    expect_screen(page, "activity?target=product")
    page.go_back()
    expect(dialog).to_be_visible()
    page.go_back()
    expect(dialog).to_have_count(0)
    expect_screen(page, "products?q=lamp")
    page.go_forward()
    expect(dialog).to_be_visible()
    # A dialog that was closed otherwise needs no Back.
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    # The page goes back from the entry of the dialog by itself. The browser drops that if another Back comes first.
    wait_until_closed(page)
    page.go_back()
    expect_screen(page, "import")
    page.go_forward()
    expect_screen(page, "products?q=lamp")

    # A reload closes dialogs, and Back leaves the screen as before.
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.reload()
    expect(row(page, "LAMP-001")).to_be_visible()
    page.go_back()
    expect_screen(page, "import")


def test_back_closes_the_innermost_of_nested_dialogs(page: Page, site: Site) -> None:
    webhook = site.call("POST", "/api/webhooks", {"url": "https://example.com/", "event_type": "*", "enabled": False})
    page.goto("/#/webhooks")
    page.goto(f"/#/webhooks/{webhook['id']}")
    page.get_by_test_id("webhook-edit").click()
    page.get_by_test_id("secret-rotate").click()
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    expect(page.get_by_test_id("webhook-dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile(rf"#/webhooks/{webhook['id']}$"))
    page.go_back()
    expect(page).to_have_url(re.compile("#/webhooks$"))


def test_a_screen_may_change_below_a_dialog(page: Page, site: Site) -> None:
    page.goto("/#/import")
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    with site.held_import():
        task_id = site.upload("sku\nLAMP-001\n", preview="true")
        site.wait_for_imports()
        page.goto(f"/#/imports/{task_id}/check")
        expect_step(page, "check")
        # The next step is a new entry of the history. Back closes the dialog and shows what is below it.
        page.keyboard.press("?")
        site.call("POST", f"/api/imports/{task_id}/confirm")
        expect_step(page, "progress")
        close_by_back(page)
        expect_step(page, "progress")
        page.keyboard.press("?")
    # The last step replaces it.
    expect_step(page, "result")
    close_by_back(page)
    expect_step(page, "result")
    page.go_back()
    expect_step(page, "check")


def test_an_address_that_is_entered_leaves_an_open_dialog(page: Page, site: Site) -> None:
    site.create_lamps(2)
    show_products(page)
    open_product(page)
    page.goto("/#/webhooks")
    expect_screen(page, "webhooks")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.go_back()
    expect(page.get_by_test_id("product-activity")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_screen(page, "products")
    # With changes that are not saved, the dialog asks first.
    open_product(page)
    page.get_by_test_id("product-dialog").get_by_label("Name", exact=True).fill("Another name")
    page.goto("/#/webhooks")
    question = page.get_by_role("alertdialog")
    question.get_by_role("button", name="Keep editing").click()
    expect(page.get_by_test_id("product-dialog").get_by_label("Name", exact=True)).to_have_value("Another name")
    page.keyboard.press("Escape")
    question.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect_screen(page, "webhooks")


def close_by_back(page: Page) -> None:
    """Close the open dialog by going back."""
    expect(page.get_by_role("dialog")).to_have_count(1)
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)


def open_product(page: Page) -> None:
    """Open the dialog of the first lamp, and wait until it has loaded."""
    row(page, "LAMP-001").get_by_test_id("product-open").click()
    expect(page.get_by_test_id("product-activity")).to_be_visible()


def expect_screen(page: Page, address: str) -> None:
    """Wait until the address of the screen begins like this."""
    expect(page).to_have_url(re.compile(f"#/{re.escape(address)}"))
    expect(page.locator("main")).to_have_attribute("data-screen", re.split(r"\W", address)[0])
