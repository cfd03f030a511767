"""The history in the dialog of a product, and Ctrl+Z for edits."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import Console, Site, cell, row, show_products, wait_for_value

LONG = "A long description. " * 40


def changes(page: Page) -> Locator:
    """Return the changes in the dialog."""
    return page.get_by_test_id("history-change")


def edit(page: Page, sku: str, column: str, text: str) -> None:
    """Change a cell and wait until it is saved."""
    cell(page, sku, column).dblclick()
    page.get_by_test_id("cell-editor").fill(text)
    page.keyboard.press("Enter")
    expect(row(page, sku)).to_have_attribute("data-state", "saved")


def test_the_history_shows_who_changed_what_and_restores_values(page: Page, site: Site, console: Console) -> None:
    created = site.call("POST", "/api/products", {"sku": "A-1", "name": "lamp", "description": LONG})
    site.upload("sku,name,description\nA-1,Blue lamp,short\n", "spring.csv")
    site.wait_for_imports()
    show_products(page)
    edit(page, "A-1", "name", "Red lamp")
    page.route("**/history?*", lambda route: route.fulfill(status=500, json=None), times=1)
    console.allow_status(500)
    row(page, "A-1").get_by_test_id("product-open").click()
    page.get_by_role("button", name="Try again").click()
    expect(changes(page)).to_have_count(3)
    newest, imported, first = (changes(page).nth(place) for place in range(3))
    expect(newest).to_contain_text("local · on this page")
    expect(newest.locator("del")).to_have_text("Blue")
    expect(first).to_contain_text("through the API · created")
    link = imported.get_by_role("link", name="spring.csv")
    expect(link).to_have_attribute(
        "href", f"#/imports/{site.sql('SELECT task_id::text FROM import_jobs')[0][0]}/result"
    )
    # A long value is folded until somebody wants it.
    fold = imported.get_by_role("button", name="Show all")
    fold.click()
    expect(imported.get_by_role("button", name="Show less")).to_have_attribute("aria-expanded", "true")
    check_accessible(page, "a product with its history")
    page.get_by_test_id("field-sku").fill("A-2")
    imported.get_by_test_id("history-description").get_by_test_id("history-restore").click()
    expect(changes(page)).to_have_count(4)
    expect(changes(page).first).to_contain_text("Description")
    expect(page.locator("#product-history")).to_be_focused()
    expect(page.get_by_test_id("field-description")).to_have_value(LONG)
    # What was typed is still there, and not saved.
    expect(page.get_by_test_id("field-sku")).to_have_value("A-2")
    product = site.call("GET", f"/api/products/{created['id']}")
    assert (product["description"], product["sku"], product["name"]) == (LONG, "A-1", "Red lamp")
    # Another client changes the product: the restore asks.
    site.call("PUT", f"/api/products/{created['id']}", {"name": "theirs"})
    console.allow_status(412)
    changes(page).nth(1).get_by_test_id("history-restore").click()
    expect(page.get_by_test_id("edit-conflict")).to_contain_text("theirs")
    page.get_by_test_id("use-mine").click()
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    expect(cell(page, "A-2", "name")).to_have_text("Blue lamp")


def test_ctrl_z_undoes_the_edits_of_this_tab_and_repeats_them(page: Page, site: Site) -> None:
    site.create_products({"sku": "A-1", "name": "Lamp"}, {"sku": "B-1", "name": "Table"})
    show_products(page)
    toast = page.get_by_test_id("toast").last
    edit(page, "A-1", "name", "Lamp 2")
    edit(page, "A-1", "name", "Lamp 3")
    cell(page, "B-1", "active").get_by_role("switch").click()
    expect(row(page, "B-1")).to_have_attribute("data-state", "saved")
    page.keyboard.press("Control+z")
    expect(toast).to_have_text("B-1 is active again")
    page.keyboard.press("Control+z")
    expect(toast).to_have_text("The name of A-1 is “Lamp 2” again")
    page.keyboard.press("Control+z")
    expect(toast).to_have_text("The name of A-1 is “Lamp” again")
    expect(cell(page, "A-1", "name")).to_have_text("Lamp")
    page.keyboard.press("Control+Shift+z")
    expect(toast).to_have_text("The name of A-1 is “Lamp 2” again")
    page.keyboard.press("Control+y")
    expect(cell(page, "A-1", "name")).to_have_text("Lamp 3")
    # A text field keeps its own undo.
    page.get_by_test_id("products-search").focus()
    page.keyboard.press("Control+z")
    cell(page, "B-1", "name").click()
    # The last action comes first, be it an edit or a deletion.
    row(page, "B-1").get_by_test_id("select-row").check()
    page.get_by_test_id("bulk-delete").click()
    expect(row(page, "B-1")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(row(page, "B-1")).to_be_visible()
    assert site.product("A-1")["name"] == "Lamp 3"  # type: ignore[index]
    # Somebody else changes the product: nothing is undone, and the page says so.
    [(number,)] = site.sql("SELECT id FROM products WHERE sku = 'A-1'")
    site.call("PUT", f"/api/products/{number}", {"description": "theirs"})
    page.keyboard.press("Control+z")
    expect(page.get_by_test_id("banner-warning")).to_contain_text("The edit of A-1 was not undone.")
    check_accessible(page, "an edit that was not undone")
    wait_for_value("the name stays", lambda: (site.product("A-1") or {})["name"], "Lamp 3")
