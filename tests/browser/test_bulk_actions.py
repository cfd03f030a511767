"""Bulk actions: selecting, changing, deleting and exporting many products."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import pytest
from playwright.sync_api import Download, Page, Route, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, cell, expect_skus, row, show_products, wait_for_value


def select_rows(page: Page, *skus: str) -> None:
    """Select the rows, one after the other."""
    for sku in skus:
        row(page, sku).get_by_test_id("select-row").check()


def expect_selected(page: Page, *skus: str) -> None:
    """Wait until exactly these rows of the page are selected."""
    selected = page.locator("[data-testid=product-row][aria-selected=true] [data-testid=cell-sku]")
    expect(selected).to_have_text(list(skus))


def expect_selection(page: Page, text: str) -> None:
    """Wait until the action bar shows this text."""
    expect(page.get_by_test_id("selection-count")).to_have_text(text)


def open_delete_all_dialog(page: Page) -> None:
    """Open the confirmation that precedes deleting all products."""
    page.get_by_test_id("products-menu").click()
    page.get_by_test_id("delete-all").click()
    expect(page.get_by_test_id("confirm-dialog")).to_be_visible()


# Selecting


def test_rows_are_selected_one_by_one_and_in_ranges(page: Page, site: Site) -> None:
    site.create_lamps(8)
    show_products(page)
    expect(page.get_by_test_id("action-bar")).to_be_hidden()
    select_rows(page, "LAMP-002")
    expect_selection(page, "1 selected")
    row(page, "LAMP-005").get_by_test_id("select-row").click(modifiers=["Shift"])
    expect_selected(page, "LAMP-002", "LAMP-003", "LAMP-004", "LAMP-005")
    expect_selection(page, "4 selected")
    row(page, "LAMP-004").get_by_test_id("select-row").uncheck()
    expect_selected(page, "LAMP-002", "LAMP-003", "LAMP-005")
    # A range upwards, and a range that deselects.
    row(page, "LAMP-002").get_by_test_id("select-row").click(modifiers=["Shift"])
    expect_selected(page, "LAMP-005")
    check_accessible(page, "the action bar")
    page.get_by_test_id("clear-selection").click()
    expect_selected(page)
    expect(page.get_by_test_id("action-bar")).to_be_hidden()

    # The same from the keyboard.
    cell(page, "LAMP-001", "name").click()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    expect_selected(page, "LAMP-001", "LAMP-002", "LAMP-003")
    page.keyboard.press("Escape")
    expect_selected(page)


def test_a_selection_spans_pages_and_is_cleared_by_a_new_filter(page: Page, site: Site) -> None:
    site.create_lamps(60)
    show_products(page)
    select_rows(page, "LAMP-001", "LAMP-050")
    page.get_by_test_id("page-next").click()
    select_rows(page, "LAMP-051")
    expect_selection(page, "3 selected")
    expect(page.get_by_test_id("bulk-delete")).to_have_accessible_name("Delete 3 products")
    page.get_by_test_id("page-previous").click()
    expect_selected(page, "LAMP-001", "LAMP-050")
    page.get_by_test_id("products-search").fill("LAMP-05")
    expect(page.get_by_test_id("products-total")).to_have_text("10")
    expect(page.get_by_test_id("action-bar")).to_be_hidden()


def test_the_header_checkbox_selects_the_page_and_then_every_match(page: Page, site: Site) -> None:
    site.create_lamps(30)
    site.create_products({"sku": "SHADE-1", "active": False})
    show_products(page, "per_page=25")
    everything = page.get_by_test_id("select-all-matching")
    page.get_by_test_id("select-page").check()
    expect_selection(page, "All 25 on this page are selected")
    expect(everything).to_have_text("Select all 31")
    everything.click()
    expect_selection(page, "All 31 are selected")
    page.get_by_test_id("page-next").click()
    expect(page.locator("[data-testid=product-row][aria-selected=true]")).to_have_count(6)
    page.get_by_test_id("clear-selection").click()

    show_products(page, "per_page=25&q=lamp")
    expect(page.get_by_test_id("products-total")).to_have_text("30")
    page.get_by_test_id("select-page").check()
    expect(everything).to_have_text("Select all 30 that match")
    everything.click()
    expect_selection(page, "All 30 that match are selected")
    check_accessible(page, "everything that matches selected")
    page.get_by_test_id("bulk-activate").click()
    # Products that were active before do not change.
    dialog = page.get_by_test_id("confirm-dialog")
    expect(dialog).to_contain_text("Activate 15 of the 30 matching products?")
    expect(dialog).to_contain_text("15 are active already. You can undo this until")
    expect(page.get_by_test_id("confirm-cancel")).to_be_focused()
    check_accessible(page, "the question before many are activated")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toast")).to_contain_text("15 products activated, 15 unchanged")
    assert site.sql("SELECT sku FROM products WHERE NOT active") == [("SHADE-1",)]
    expect(page.get_by_test_id("action-bar")).to_be_hidden()
    switch = cell(page, "LAMP-002", "active").get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(page.locator("[data-testid=products-table] :focus")).to_have_count(1)
    page.get_by_test_id("undo-bulk").click()
    expect(page.get_by_test_id("toast").filter(has_text="15 products restored")).to_be_visible()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert site.sql("SELECT count(*) FROM products WHERE NOT active") == [(16,)]

    # A change without effect needs no question.
    site.sql("UPDATE products SET active = true")
    page.get_by_test_id("select-page").check()
    everything.click()
    page.get_by_test_id("bulk-activate").click()
    expect(page.get_by_test_id("toast").last).to_contain_text("Nothing to change: all 30 products are active already")
    expect(dialog).to_have_count(0)
    expect_selection(page, "All 30 that match are selected")


# Changing


def test_selected_products_are_deactivated_and_activated(page: Page, site: Site) -> None:
    site.create_lamps(4)
    show_products(page)
    select_rows(page, "LAMP-001", "LAMP-002")
    expect(page.get_by_test_id("bulk-deactivate")).to_have_accessible_name("Deactivate 2 products")
    page.get_by_test_id("bulk-deactivate").click()
    expect(page.get_by_test_id("toast")).to_contain_text("1 product was deactivated, 1 was already inactive")
    switch = cell(page, "LAMP-001", "active").get_by_role("switch")
    expect(switch).to_have_attribute("aria-checked", "false")
    assert site.sql("SELECT sku FROM products WHERE active") == [("LAMP-003",)]
    page.get_by_test_id("undo-bulk").click()
    expect(page.get_by_test_id("toast").filter(has_text="1 product restored")).to_be_visible()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(page.locator("[data-testid=products-table] :focus")).to_have_count(1)
    select_rows(page, "LAMP-004")
    page.get_by_test_id("bulk-deactivate").click()
    expect(page.get_by_test_id("toast").last).to_contain_text("No product was deactivated, 1 was already inactive")
    # The page does not announce its own changes.
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_a_failed_action_keeps_the_selection(page: Page, site: Site, console: Console) -> None:
    console.allow_status(503)
    site.create_lamps(3)
    show_products(page)
    select_rows(page, "LAMP-001", "LAMP-002")
    body = {"error": "Someone else keeps changing these products.", "code": "busy", "status": 503}
    page.route("**/api/products/bulk", lambda route: route.fulfill(status=503, json=body))
    page.get_by_test_id("bulk-deactivate").click()
    banner = page.get_by_test_id("banner-error")
    expect(banner).to_contain_text("The products could not be deactivated. Someone else keeps changing")
    expect_selection(page, "2 selected")
    check_accessible(page, "a failed action")


def test_buttons_are_disabled_while_an_action_runs(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_products(page)
    select_rows(page, "LAMP-001")
    held: list[Route] = []
    page.route("**/api/products/bulk", lambda route: held.append(route))
    with page.expect_request("**/api/products/bulk"):
        page.get_by_test_id("bulk-deactivate").click()
    expect(page.get_by_test_id("bulk-delete")).to_have_attribute("aria-disabled", "true")
    page.get_by_test_id("bulk-delete").click(force=True)
    check_accessible(page, "an action on its way")
    held[0].continue_()
    expect(page.get_by_test_id("toast")).to_contain_text("1 product was deactivated")
    assert len(held) == 1
    assert site.count() == 3


def test_a_field_of_the_selected_products_is_set(page: Page, site: Site) -> None:
    site.create_lamps(30)
    show_products(page)
    select_rows(page, "LAMP-001", "LAMP-002")
    page.get_by_test_id("bulk-set").click()
    submit, value = page.get_by_test_id("set-submit"), page.get_by_test_id("set-value")
    expect(page.get_by_test_id("set-field")).to_be_focused()
    expect(submit).to_have_text("Clear the name of 2 products")
    page.get_by_test_id("set-field").select_option("active")
    expect(submit).to_have_text("Activate 2 products")
    page.get_by_test_id("set-field").select_option("name")
    value.fill("Blue lamp")
    expect(submit).to_have_text("Set the name of 2 products")
    check_accessible(page, "a field to be set")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("discard-ask")).to_be_visible()
    page.get_by_test_id("discard-keep").click()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toast")).to_contain_text("2 products were changed")
    expect(page.get_by_test_id("set-field-dialog")).to_have_count(0)
    expect(cell(page, "LAMP-002", "name")).to_have_text("Blue lamp")

    # A question precedes the change of many. Cancelling it keeps what was typed.
    page.set_viewport_size(NARROW)
    page.get_by_test_id("select-page").check()
    page.get_by_test_id("bulk-set").click()
    page.get_by_test_id("set-field").select_option("description")
    value.fill("Lights room 1")
    submit.click()
    dialog = page.get_by_test_id("confirm-dialog")
    expect(dialog).to_contain_text("Set the description of 29 of the 30 selected products?")
    expect(dialog).to_contain_text("The description becomes “Lights room 1”. 1 has this description already.")
    check_accessible(page, "the question before a field of many is set, 360 px")
    page.get_by_test_id("confirm-cancel").click()
    expect(value).to_be_focused()
    value.fill("")
    expect(submit).to_have_text("Clear the description of 30 products")
    submit.click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("toast").filter(has_text="30 products changed")).to_be_visible()
    assert site.sql("SELECT DISTINCT description FROM products") == [("",)]


# Deleting more than can be undone


def test_deleting_many_products_asks_for_confirmation(page: Page, site: Site) -> None:
    site.create_lamps(30)
    show_products(page)
    select_rows(page, "LAMP-001")
    row(page, "LAMP-025").get_by_test_id("select-row").click(modifiers=["Shift"])
    page.get_by_test_id("bulk-delete").click()
    dialog = page.get_by_test_id("confirm-dialog")
    expect(dialog).to_contain_text("Delete 25 selected products?")
    expect(dialog).to_contain_text("You can undo this until")
    expect(page.get_by_test_id("confirm-cancel")).to_be_focused()
    expect(page.get_by_test_id("confirm-word")).to_have_count(0)
    check_accessible(page, "the question before many are deleted")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect_selection(page, "25 selected")
    assert site.count() == 30
    page.get_by_test_id("bulk-delete").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("toast")).to_contain_text("25 products deleted")
    expect_skus(page, *(f"LAMP-0{n}" for n in range(26, 31)))
    assert site.count() == 5
    expect(page.get_by_test_id("changes-offer")).to_have_count(0)


def test_deleting_every_match_asks_for_confirmation(page: Page, site: Site) -> None:
    site.create_lamps(30)
    site.create_products({"sku": "SHADE-1"})
    show_products(page, "sku=lamp&per_page=25")
    page.get_by_test_id("select-page").check()
    page.get_by_test_id("select-all-matching").click()
    page.get_by_test_id("bulk-delete").click()
    expect(page.get_by_test_id("confirm-dialog")).to_contain_text("Delete all 30 matching products?")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("nothing-matches")).to_be_visible()
    assert site.sql("SELECT sku FROM products") == [("SHADE-1",)]


@pytest.mark.parametrize("way", ["menu", "selection"])
def test_deleting_all_products_requires_the_typed_word(page: Page, site: Site, way: str) -> None:
    site.create_lamps(30)
    show_products(page, "per_page=25")
    if way == "menu":
        open_delete_all_dialog(page)
    else:
        page.get_by_test_id("select-page").check()
        page.get_by_test_id("select-all-matching").click()
        page.get_by_test_id("bulk-delete").click()
    expect(page.get_by_test_id("confirm-dialog")).to_contain_text("Delete all 30 products?")
    word = page.get_by_test_id("confirm-word")
    expect(word).to_be_focused()
    expect(page.get_by_test_id("confirm-ok")).to_be_disabled()
    if way == "menu":
        expect(page.get_by_test_id("confirm-dialog")).to_contain_text("You can undo this until")
        check_accessible(page, "the question before everything is deleted")
    word.fill("remove")
    expect(page.get_by_test_id("confirm-ok")).to_be_disabled()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("confirm-dialog")).to_be_visible()
    assert site.count() == 30
    word.fill("delete")
    expect(page.get_by_test_id("confirm-ok")).to_be_enabled()
    if way == "menu":
        check_accessible(page, "the word was typed")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("toast")).to_contain_text("30 products deleted")
    expect(page.get_by_test_id("empty-products")).to_be_visible()
    assert site.count() == 0


def test_closing_the_confirmation_deletes_nothing(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_products(page)
    open_delete_all_dialog(page)
    page.get_by_test_id("confirm-word").fill("delete")
    page.get_by_test_id("confirm-cancel").click()
    expect(page.get_by_test_id("confirm-dialog")).to_have_count(0)
    expect(page.get_by_test_id("products-menu")).to_be_focused()
    assert site.count() == 3


def test_deleting_all_is_refused_during_an_import_with_its_name(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    site.create_lamps(3)
    with site.held_import():
        site.upload("sku,name\nNEW-1,New\n", "autumn.csv")
        wait_for_value("the import", lambda: site.sql("SELECT status FROM import_jobs"), [("processing",)])
        show_products(page)
        open_delete_all_dialog(page)
        page.get_by_test_id("confirm-word").fill("delete")
        page.get_by_test_id("confirm-ok").click()
        expect(page.get_by_test_id("confirm-error")).to_contain_text("autumn.csv")
        check_accessible(page, "refused while an import runs")
        page.get_by_test_id("confirm-cancel").click()
        assert site.count() == 3


# Exporting


@pytest.mark.parametrize("form", ["csv", "csv.gz"])
def test_an_export_contains_the_products_that_match_the_filter(page: Page, site: Site, form: str) -> None:
    site.create_lamps(20)
    site.create_products({"sku": "ODD-1", "name": 'A "lamp", with\nlines', "description": "<b>ü</b>", "active": False})
    show_products(page, "q=lamp&active=false")
    expect(page.get_by_test_id("products-total")).to_have_text("11")
    page.get_by_test_id("export").click()
    expect(page.get_by_role("menu", name="Export")).to_contain_text("Export 11 matching")
    with page.expect_download() as started:
        page.get_by_test_id("export-csv" if form == "csv" else "export-csv-gz").click()
    rows = read_export(page, started.value, form)
    assert rows[0] == ["sku", "name", "description", "active"]
    assert [line[0] for line in rows[1:]] == [f"LAMP-{n:03}" for n in range(2, 21, 2)] + ["ODD-1"]
    assert rows[-1] == ["ODD-1", 'A "lamp", with\nlines', "<b>ü</b>", "false"]
    expect(page.get_by_test_id("export-csv")).to_be_hidden()

    # The bar exports what is selected: a few rows, or all that match.
    export_selected = page.get_by_test_id("export-selected-csv" if form == "csv" else "export-selected-csv-gz")
    for sku in ("LAMP-004", "ODD-1"):
        row(page, sku).get_by_test_id("select-row").check()
    page.get_by_test_id("export-selected").click()
    with page.expect_download() as started:
        export_selected.click()
    assert [line[0] for line in read_export(page, started.value, form)[1:]] == ["LAMP-004", "ODD-1"]
    expect(page.get_by_test_id("selection-count")).to_have_text("2 selected")
    show_products(page, "q=lamp&per_page=25&active=true")
    expect(page.get_by_test_id("products-total")).to_have_text("10")
    page.get_by_test_id("select-page").check()
    page.get_by_test_id("export-selected").click()
    with page.expect_download() as started:
        export_selected.click()
    assert len(read_export(page, started.value, form)) == 11


def read_export(page: Page, download: Download, form: str) -> list[list[str]]:
    """Return the rows of an exported file, whose name must have the date of the browser."""
    date = page.evaluate("() => new Date().toLocaleDateString('sv')")
    assert download.suggested_filename == f"products-{date}.{form}"
    content = Path(download.path()).read_bytes()
    text = (gzip.decompress(content) if form == "csv.gz" else content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))
