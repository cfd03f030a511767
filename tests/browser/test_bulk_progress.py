"""Bulk changes that a worker does: progress, cancel, failure and retry, and their place in the history."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg2
from playwright.sync_api import Browser, Page, expect

from support.axe import check_accessible
from support.browser import Console, Site, expect_status, show_products
from support.browser_contexts import CONTEXT

# The server behaves as if its disk were full.
FILL_DISK_SQL = """
CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER fill_disk BEFORE UPDATE ON products FOR EACH STATEMENT EXECUTE FUNCTION fill_disk()
"""


@contextlib.contextmanager
def locked_product(site: Site, sku: str) -> Iterator[None]:
    """Lock a product as an open transaction of another client does."""
    with contextlib.closing(psycopg2.connect(site.database_url)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM products WHERE sku = %s FOR UPDATE", (sku,))
        yield


def deactivate_all(page: Page) -> None:
    """Select all products, of which there are more than on a page, and deactivate them."""
    page.get_by_test_id("select-page").check()
    page.get_by_test_id("select-all-matching").click()
    page.get_by_test_id("bulk-deactivate").click()
    page.get_by_test_id("confirm-ok").click()


def test_a_running_bulk_change_is_shown_everywhere_and_can_be_cancelled(
    page: Page, site: Site, browser: Browser, console: Console
) -> None:
    site.create_lamps(30)
    show_products(page, "per_page=25")
    panel = page.get_by_test_id("bulk-panel")
    expect(panel).to_be_hidden()
    context = browser.new_context(base_url=site.address, **CONTEXT)
    try:
        other = context.new_page()
        console.watch(other)
        with other.expect_response("**/api/events?*"):
            show_products(other)
        with locked_product(site, "LAMP-003"):
            deactivate_all(page)
            expect(panel).to_contain_text("Deactivating all 30 products")
            expect(panel.get_by_test_id("bulk-progress-text")).to_contain_text("0 of 30")
            # The list stays usable.
            expect(page.get_by_test_id("action-bar")).to_be_hidden()
            page.get_by_test_id("page-next").click()
            expect(page.get_by_test_id("product-row")).to_have_count(5)
            check_accessible(page, "a running bulk change", narrow=True)
            # Other people see it, too, without loading the page again.
            expect(other.get_by_test_id("bulk-job")).to_contain_text("Deactivating all 30 products")

            page.reload()
            expect(panel).to_contain_text("0 of 30")
            page.evaluate("() => { location.hash = '#/webhooks' }")
            expect(page.get_by_role("banner")).to_contain_text("Deactivating all 30 products · 10%")
            page.go_back()

            panel.get_by_test_id("cancel-bulk").focus()
            page.keyboard.press("Enter")
            toast = page.get_by_test_id("toast")
            expect(toast).to_contain_text("The bulk change was cancelled before it changed anything")
            expect(page.get_by_test_id("undo-bulk")).to_have_count(0)
            expect(panel).to_be_hidden()
            expect(page.locator("[data-testid=products-table] :focus")).to_have_count(1)
            expect(other.get_by_test_id("bulk-panel")).to_be_hidden()
    finally:
        context.close()
    assert site.sql("SELECT count(*) FROM products WHERE active") == [(15,)]


def test_a_failed_bulk_change_is_retried_and_undone_from_its_details(page: Page, site: Site) -> None:
    site.create_lamps(30)
    site.sql(FILL_DISK_SQL)
    try:
        show_products(page, "per_page=25")
        deactivate_all(page)
        banner = page.get_by_test_id("banner-error")
        expect(banner).to_contain_text("Deactivate all products: ")
        expect(banner).to_contain_text("Nothing was changed.")
        check_accessible(page, "a failed bulk change")
    finally:
        site.sql("DROP FUNCTION fill_disk CASCADE")
    banner.get_by_role("button", name="Retry").click()
    toast = page.get_by_test_id("toast")
    expect(toast).to_contain_text("15 products deactivated, 15 unchanged")
    expect(banner).to_have_count(0)

    toast.get_by_role("link", name="Details").click()
    expect_step_without_bar(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Deactivate all products")
    expect(page.get_by_test_id("import-headline")).to_contain_text("15 products deactivated, 15 unchanged")
    expect(page.get_by_test_id("import-facts")).to_contain_text("All products")
    expect(page.get_by_test_id("rows-chart")).to_have_count(0)
    expect(page.get_by_test_id("another-file")).to_have_count(0)
    page.get_by_test_id("count-deactivated").get_by_role("button").click()
    expect(page.get_by_test_id("affected-table").locator("tbody tr")).to_have_count(15)
    check_accessible(page, "the details of a bulk change")
    page.get_by_test_id("undo-import").click()
    dialog = page.get_by_test_id("confirm-dialog")
    expect(dialog).to_contain_text("Undo the bulk change “Deactivate all products”?")
    expect(dialog).to_contain_text("15 products get their former values back.")
    dialog.get_by_role("button", name="Undo the bulk change").click()
    expect(page.get_by_text("This undoes the bulk change “Deactivate all products”.")).to_be_visible()
    expect_status(page, "completed")
    expect(page.get_by_test_id("import-headline")).to_contain_text("15 products restored")
    check_accessible(page, "the undo of a bulk change")
    assert site.sql("SELECT count(*) FROM products WHERE active") == [(15,)]

    page.goto("/#/import?kind=bulk")
    table = page.get_by_test_id("imports-table")
    expect(table.get_by_role("link")).to_have_text("Deactivate all products")
    expect(page.get_by_test_id("job-counts")).to_have_text("Undone, 15 restored")
    expect(table.get_by_test_id("undo-row").filter(visible=True)).to_have_count(0)
    page.get_by_test_id("filter-kind").select_option("")
    expect(table.get_by_role("link")).to_have_text(["Undo of “Deactivate all products”", "Deactivate all products"])
    expect(page.get_by_test_id("job-counts")).to_have_text(["15 restored", "Undone, 15 restored"])
    check_accessible(page, "the history of bulk changes")


def test_a_bulk_change_is_undone_from_the_history(page: Page, site: Site) -> None:
    ids = site.create_lamps(30)
    site.call("POST", "/api/products/bulk", {"action": "delete", "ids": ids[:25]})
    page.goto("/#/import")
    page.get_by_test_id("undo-row").click()
    dialog = page.get_by_test_id("confirm-dialog")
    expect(dialog).to_contain_text("25 products are restored.")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("toast")).to_contain_text("25 products restored")
    expect(page.get_by_test_id("job-counts")).to_have_text(["25 restored", "Undone, 25 restored"])
    assert site.count() == 30


def expect_step_without_bar(page: Page) -> None:
    """Wait for the result of a job that is not an import, so it has no steps."""
    expect_status(page, "completed")
    expect(page.get_by_role("navigation", name="Steps of the import")).to_have_count(0)
