"""The command menu and the shortcuts: with the keyboard only, for each role, and on every screen."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import NARROW, Site, drop, expect_step, row, show_products, wait_until_closed
from support.team import Team


def options(page: Page) -> Locator:
    """Return the entries of the open menu."""
    return page.get_by_test_id("command")


def run_command(page: Page, text: str) -> None:
    """Open the menu, type a text, and run the first command."""
    page.keyboard.press("Control+k")
    expect(page.get_by_test_id("command-input")).to_be_focused()
    page.keyboard.type(text)
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("command-menu")).to_have_count(0)


def expect_screen(page: Page, screen: str) -> None:
    """Wait until the page shows a screen."""
    expect(page.locator("main")).to_have_attribute("data-screen", screen)


def test_everything_is_done_with_the_keyboard(page: Page, site: Site) -> None:
    site.create_lamps(30)
    drop(page, ("spring lamps.csv", b"sku,name\nLAMP-001,New\n"))
    expect_step(page, "check")
    imported = page.url

    # Sequences go to the screens. In a text field, keys are text.
    page.keyboard.press("g")
    page.keyboard.press("p")
    expect_screen(page, "products")
    expect(row(page, "LAMP-001")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("gigwn?")
    expect(page.get_by_test_id("products-search")).to_have_value("gigwn?")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_test_id("products-search").blur()
    page.keyboard.press("g")
    page.keyboard.press("w")
    expect_screen(page, "webhooks")
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect_screen(page, "import")

    # The menu follows the combobox pattern.
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search for actions")
    expect(field).to_be_focused()
    listbox = page.get_by_role("listbox", name="Commands")
    expect(field).to_have_attribute("aria-controls", str(listbox.get_attribute("id")))
    expect(options(page).nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    second = options(page).nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", str(second.get_attribute("id")))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(options(page).last).to_have_attribute("aria-selected", "true")
    expect(options(page).last).to_be_in_viewport()
    check_accessible(page, "the command menu")
    page.keyboard.type("zzzzz qqqq")
    expect(page.locator(".command-nothing")).to_have_text("Nothing was found.")
    expect(field).not_to_have_attribute("aria-activedescendant", re.compile(".*"))
    check_accessible(page, "the command menu without results")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+k")
    expect(page.get_by_test_id("command-menu")).to_have_count(0)

    # It finds imports by their names and products by their words.
    page.keyboard.press("Control+k")
    page.keyboard.type("spring lam")
    expect(options(page).filter(has_text="spring lamps.csv")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(imported)
    # The actions of the import are offered once its buttons are there.
    expect(page.get_by_test_id("cancel-import")).to_be_visible()
    run_command(page, "cancel this import")
    expect(page.get_by_test_id("import-status")).to_have_attribute("data-status", "cancelled")
    # In a list, it has what can be done with the row that has the focus.
    run_command(page, "go to imports")
    page.get_by_role("link", name="spring lamps.csv").focus()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("group", name="In this row")).to_contain_text("Delete spring lamps.csv")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("lamp 17")
    expect(options(page).filter(has_text="LAMP-017")).to_be_visible()
    page.keyboard.press("Enter")
    expect_screen(page, "products")
    expect(page.get_by_test_id("product-dialog").get_by_label("SKU", exact=True)).to_have_value("LAMP-017")
    page.keyboard.press("Escape")
    wait_until_closed(page)

    # What was used last comes first.
    page.goto("/#/products?sku=LAMP-017")
    expect(page.get_by_test_id("product-row")).to_have_count(1)
    run_command(page, "clear filters")
    expect(page.get_by_test_id("product-row")).to_have_count(30)
    run_command(page, "sort last change")
    expect(page).to_have_url(re.compile("sort_by=updated_at"))
    page.keyboard.press("Control+k")
    expect(options(page).first).to_contain_text("Sort by last change")
    page.keyboard.press("Escape")
    run_command(page, "select page")
    expect(page.get_by_test_id("selection-count")).to_contain_text("30")
    run_command(page, "deactivate 30")
    expect(page.get_by_test_id("confirm-dialog")).to_be_visible()
    # Another dialog is open, so there is no menu.
    page.keyboard.press("Control+k")
    expect(page.get_by_test_id("command-menu")).to_have_count(0)
    page.keyboard.press("Escape")
    run_command(page, "new product")
    expect(page.get_by_test_id("product-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    run_command(page, "help")
    expect(page.get_by_role("dialog")).to_contain_text("Go to webhooks")
    # Single keys can be switched off.
    page.get_by_test_id("single-keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect_screen(page, "products")
    expect(page.locator("dialog[open]")).to_have_count(0)

    # With a finger: a small button opens it.
    page.set_viewport_size(NARROW)
    page.get_by_test_id("command-button").click()
    expect(field).to_be_in_viewport(ratio=1)
    check_accessible(page, "the command menu of a phone")
    page.get_by_role("option", name="Webhooks").click()
    expect_screen(page, "webhooks")


def test_each_role_is_offered_what_it_may_do(team: Team) -> None:
    team.site.create_lamps(3)
    page = team.open("viewer")
    show_products(page)
    expect(row(page, "LAMP-001")).to_be_visible()
    page.keyboard.press("Control+k")
    labels = options(page).all_inner_texts()
    shown = "\n".join(labels)
    assert "Products" in shown
    assert "Export all products as CSV" in shown
    assert "Select all 3 products" in shown
    assert "Save as a view…" in shown
    for forbidden in ("Webhooks", "New product", "Delete all", "Import a file", "People", "Activity"):
        assert forbidden not in shown, forbidden
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.keyboard.press("?")
    keys = page.locator(".help-keys")
    expect(keys.filter(has_text="gp")).to_be_visible()
    for forbidden in ("gw", "n", "CtrlZ"):
        expect(keys.filter(has_text=re.compile(f"^{forbidden}$"))).to_have_count(0)
    expect_screen(page, "products")
