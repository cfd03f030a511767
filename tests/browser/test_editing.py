"""Inline editing: in the cells, with the switch, and from the keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, Request, Route, expect

from support.axe import check_accessible
from support.browser import Console, Site, cell, expect_skus, row, show_products, wait_for_value

ONE = re.compile(r"/api/products/\d+$")


def editor(page: Page) -> Locator:
    """Return the open editor."""
    return page.get_by_test_id("cell-editor")


def edit(page: Page, sku: str, column: str, text: str) -> None:
    """Open the editor of a cell and type into it."""
    cell(page, sku, column).dblclick()
    editor(page).fill(text)


def expect_state(page: Page, sku: str, state: str) -> None:
    """Wait until the row shows this state."""
    expect(row(page, sku)).to_have_attribute("data-state", state)


def change_as_another_client(site: Site, sku: str, **fields: object) -> None:
    """Change a product as another client does, with a PUT."""
    product = site.product(sku)
    assert product
    site.call("PUT", f"/api/products/{product['id']}", fields)


def record_puts(page: Page) -> list[Request]:
    """Record every PUT that the page sends from now on."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "PUT" else None)
    return sent


# In the cells


def test_enter_saves_only_the_edited_cell(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_products(page)
    sent = record_puts(page)
    cell(page, "LAMP-002", "name").dblclick()
    expect(editor(page)).to_be_focused()
    expect(editor(page)).to_have_value("Lamp 2")
    check_accessible(page, "an open editor")
    editor(page).fill("Desk lamp")
    page.keyboard.press("Enter")
    expect(editor(page)).to_have_count(0)
    expect(cell(page, "LAMP-002", "name")).to_have_text("Desk lamp")
    expect_state(page, "LAMP-002", "saved")
    expect(cell(page, "LAMP-002", "name")).to_be_focused()
    product = site.product("LAMP-002")
    assert product and (product["name"], product["description"]) == ("Desk lamp", "Lights room 2")
    assert [request.post_data_json for request in sent] == [{"name": "Desk lamp", "started_from": "page"}]
    assert re.fullmatch(r'"2.*Z"', sent[0].headers["if-match"])


def test_escape_restores_the_value_and_an_unchanged_value_is_not_sent(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_products(page)
    sent = record_puts(page)
    edit(page, "LAMP-001", "name", "Something else")
    page.keyboard.press("Escape")
    expect(cell(page, "LAMP-001", "name")).to_have_text("Lamp 1")
    expect(cell(page, "LAMP-001", "name")).to_be_focused()
    page.keyboard.press("F2")
    expect(editor(page)).to_have_value("Lamp 1")
    page.keyboard.press("Enter")
    expect(editor(page)).to_have_count(0)
    # The page sends requests in order, so a wrong earlier one would show before this one.
    edit(page, "LAMP-001", "name", "New")
    page.keyboard.press("Enter")
    expect_state(page, "LAMP-001", "saved")
    assert [request.post_data_json for request in sent] == [{"name": "New", "started_from": "page"}]


def test_tab_saves_and_moves_to_the_next_cell_and_row(page: Page, site: Site) -> None:
    site.create_lamps(2)
    show_products(page)
    edit(page, "LAMP-001", "sku", "LAMP-A")
    for text, label in (("Lamp A", "Name"), ("Lights hall A", "Description")):
        page.keyboard.press("Tab")
        expect(editor(page)).to_have_attribute("aria-label", label)
        expect(editor(page)).to_be_focused()
        editor(page).fill(text)
    page.keyboard.press("Tab")
    expect(editor(page)).to_have_attribute("aria-label", "SKU")
    expect(editor(page)).to_have_value("LAMP-002")
    page.keyboard.press("Shift+Tab")
    expect(editor(page)).to_have_value("Lights hall A")
    page.keyboard.press("Shift+Tab")
    expect(editor(page)).to_have_value("Lamp A")
    page.keyboard.press("Escape")
    expect_state(page, "LAMP-A", "saved")
    product = site.product("LAMP-A")
    assert product and (product["name"], product["description"]) == ("Lamp A", "Lights hall A")


def test_leaving_the_editor_saves(page: Page, site: Site) -> None:
    site.create_lamps(2)
    show_products(page)
    edit(page, "LAMP-001", "name", "Left")
    page.get_by_role("heading", name="Products").click()
    expect_state(page, "LAMP-001", "saved")
    wait_for_value("the name", lambda: (site.product("LAMP-001") or {})["name"], "Left")
    edit(page, "LAMP-001", "name", "Left by a link")
    page.get_by_role("link", name="Import", exact=True).click()
    wait_for_value("the name", lambda: (site.product("LAMP-001") or {})["name"], "Left by a link")


def test_a_description_can_have_several_lines(page: Page, site: Site) -> None:
    site.create_lamps(1)
    show_products(page)
    edit(page, "LAMP-001", "description", "One")
    page.keyboard.press("End")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Two")
    check_accessible(page, "an open editor of several lines")
    page.keyboard.press("Enter")
    expect_state(page, "LAMP-001", "saved")
    product = site.product("LAMP-001")
    assert product and product["description"] == "One\nTwo"


# What cannot be saved


@pytest.mark.parametrize("failure", ["500", "away"])
def test_a_failed_save_keeps_the_typed_text_until_it_is_retried(
    page: Page, site: Site, console: Console, failure: str
) -> None:
    site.create_lamps(2)
    show_products(page)
    if failure == "500":
        console.allow_status(500)
        body = {"error": "Something went wrong.", "code": "internal_error", "status": 500}
        page.route(ONE, lambda route: route.fulfill(status=500, json=body))
    else:
        console.allow("net::ERR_FAILED")
        page.route(ONE, lambda route: route.abort())
    edit(page, "LAMP-001", "name", "Kept")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("cell-error")).to_contain_text(
        "Something went wrong." if failure == "500" else "Your text is kept."
    )
    expect_state(page, "LAMP-001", "failed")
    expect(editor(page)).to_have_value("Kept")
    expect(editor(page)).to_be_focused()
    check_accessible(page, f"an edit that failed, {failure}")
    page.unroute(ONE)
    page.keyboard.press("Enter")
    expect_state(page, "LAMP-001", "saved")
    expect(page.get_by_test_id("cell-error")).to_have_count(0)
    product = site.product("LAMP-001")
    assert product and product["name"] == "Kept"


def test_a_duplicate_sku_shows_its_error_beside_the_cell(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    site.create_lamps(2)
    show_products(page)
    edit(page, "LAMP-002", "sku", "lamp-001")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("cell-error")).to_contain_text(re.compile("already|exists|another", re.IGNORECASE))
    expect(editor(page)).to_have_value("lamp-001")
    check_accessible(page, "a duplicate SKU")
    page.keyboard.press("Escape")
    expect_skus(page, "LAMP-001", "LAMP-002")
    expect(page.get_by_test_id("product-row").nth(1)).not_to_have_attribute("data-state", re.compile("."))


def test_an_unsaved_change_is_reported_when_its_row_leaves_the_page(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    site.create_lamps(30)
    show_products(page, "per_page=25")
    edit(page, "LAMP-002", "sku", "LAMP-001")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("cell-error")).to_be_visible()
    page.get_by_test_id("page-next").click()
    banner = page.get_by_test_id("banner-error")
    expect(banner).to_contain_text("SKU of LAMP-002 was not saved.")
    check_accessible(page, "a text that was not saved")
    banner.get_by_role("button", name="Open").click()
    expect(page.get_by_test_id("field-sku")).to_have_value("LAMP-001")
    page.get_by_test_id("field-sku").fill("LAMP-2")
    page.get_by_test_id("product-save").click()
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    assert site.product("LAMP-2")


# Conflicts with other clients


@pytest.mark.parametrize("choice", ["use-mine", "take-theirs"])
def test_a_change_by_another_client_is_not_overwritten_silently(
    page: Page, site: Site, console: Console, choice: str
) -> None:
    console.allow_status(412)
    site.create_lamps(2)
    show_products(page)
    change_as_another_client(site, "LAMP-001", name="Theirs", description="Theirs too")
    edit(page, "LAMP-001", "name", "Mine")
    page.keyboard.press("Enter")
    conflict = page.get_by_test_id("edit-conflict")
    expect(conflict).to_contain_text("Theirs")
    expect(conflict).to_contain_text("Mine")
    expect(conflict).to_contain_text("They also changed: Description.")
    product = site.product("LAMP-001")
    assert product and product["name"] == "Theirs"
    check_accessible(page, "a conflict")
    # A second Enter overwrites nothing.
    page.keyboard.press("Enter")
    expect(conflict).to_be_visible()
    conflict.get_by_test_id(choice).click()
    expect(conflict).to_have_count(0)
    name = "Mine" if choice == "use-mine" else "Theirs"
    expect(cell(page, "LAMP-001", "name")).to_have_text(name)
    expect(cell(page, "LAMP-001", "description")).to_have_text("Theirs too")
    wait_for_value("the name", lambda: (site.product("LAMP-001") or {})["name"], name)


def test_the_same_change_by_two_clients_is_no_conflict(page: Page, site: Site, console: Console) -> None:
    console.allow_status(412)
    site.create_lamps(1)
    show_products(page)
    change_as_another_client(site, "LAMP-001", name="Same")
    edit(page, "LAMP-001", "name", "Same")
    page.keyboard.press("Enter")
    expect_state(page, "LAMP-001", "saved")
    expect(page.get_by_test_id("edit-conflict")).to_have_count(0)


def test_editing_a_product_that_another_client_deleted_says_so(page: Page, site: Site, console: Console) -> None:
    console.allow_status(404)
    number = site.create_lamps(2)[0]
    show_products(page)
    site.call("DELETE", f"/api/products/{number}")
    edit(page, "LAMP-001", "name", "Too late")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("cell-error")).to_contain_text("Someone else deleted this product")
    page.keyboard.press("Escape")


# The switch


def test_the_active_switch_saves_at_once(page: Page, site: Site) -> None:
    site.create_lamps(2)
    show_products(page)
    switch = cell(page, "LAMP-001", "active").get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    expect_state(page, "LAMP-001", "saved")
    wait_for_value("the switch", lambda: (site.product("LAMP-001") or {})["active"], False)
    switch.focus()
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "true")
    wait_for_value("the switch", lambda: (site.product("LAMP-001") or {})["active"], True)


def test_a_failed_save_moves_the_switch_back(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    site.create_lamps(1)
    show_products(page)
    held: list[Route] = []
    page.route(ONE, lambda route: held.append(route))
    switch = cell(page, "LAMP-001", "active").get_by_role("switch")
    with page.expect_request(ONE):
        switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    expect_state(page, "LAMP-001", "saving")
    check_accessible(page, "a row that is being saved")
    held[0].fulfill(status=500, json={"error": "Something went wrong.", "code": "internal_error", "status": 500})
    expect(page.get_by_test_id("cell-error")).to_contain_text("Something went wrong.")
    expect(switch).to_have_attribute("aria-checked", "true")
    check_accessible(page, "a switch that was not saved")
    page.get_by_test_id("cell-error").get_by_role("button", name="Dismiss").click()
    expect(page.get_by_test_id("cell-error")).to_have_count(0)


# From the keyboard


def test_the_table_is_one_tab_stop_with_arrow_keys_inside(page: Page, site: Site) -> None:
    site.create_lamps(5)
    show_products(page)
    expect(page.locator("tbody [tabindex='0']")).to_have_count(1)
    cell(page, "LAMP-001", "sku").click()
    for key, sku, column in (
        ("ArrowDown", "LAMP-002", "sku"),
        ("ArrowRight", "LAMP-002", "name"),
        ("Control+End", "LAMP-005", None),
        ("Control+Home", "LAMP-001", None),
        ("End", "LAMP-001", None),
        ("ArrowLeft", "LAMP-001", None),
        ("PageDown", "LAMP-005", None),
    ):
        page.keyboard.press(key)
        expect(row(page, sku).locator(":focus")).to_have_count(1)
        if column:
            expect(cell(page, sku, column)).to_be_focused()
    page.keyboard.press("Home")
    expect(row(page, "LAMP-005").get_by_test_id("select-row")).to_be_focused()
    page.keyboard.press("Space")
    expect(row(page, "LAMP-005")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(row(page, "LAMP-005")).to_have_attribute("aria-selected", "false")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(editor(page)).to_have_value("LAMP-005")
    # Shortcuts do not apply inside an editor.
    page.keyboard.type("no/?")
    expect(editor(page)).to_have_value("LAMP-005no/?")
    page.keyboard.press("Escape")
    page.keyboard.press("o")
    expect(page.get_by_test_id("product-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(cell(page, "LAMP-005", "sku")).to_be_focused()


def test_shortcuts_open_search_creation_and_help(page: Page, site: Site) -> None:
    site.create_lamps(2)
    page.goto("/#/import")
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_test_id("products-search")).to_be_focused()
    page.keyboard.type("n?/")
    expect(page.get_by_test_id("products-search")).to_have_value("n?/")
    page.keyboard.press("Escape")
    expect_skus(page, "LAMP-001", "LAMP-002")
    cell(page, "LAMP-002", "name").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Help")).to_have_count(0)
    expect(cell(page, "LAMP-002", "name")).to_be_focused()
    page.keyboard.press("n")
    expect(page.get_by_test_id("field-sku")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    expect(cell(page, "LAMP-002", "name")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_test_id("products-search")).to_be_focused()
