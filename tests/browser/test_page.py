"""Importing a file, from the drop to the products."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, drop, expect_status, expect_step, show_products, wait_until
from support.paths import SAMPLE


def test_a_dropped_file_is_imported_with_live_progress(page: Page) -> None:
    drop(page, ("products.csv", SAMPLE.read_bytes()), at_once=True)
    expect_status(page, "completed")
    expect(page.get_by_test_id("import-percent")).to_have_text("100%")
    expect(page.get_by_test_id("import-progress")).to_have_attribute("aria-valuenow", "100")
    expect(page.get_by_test_id("count-created")).to_contain_text("1,998")
    expect(page.get_by_test_id("count-duplicate")).to_contain_text("2")

    # A tab that opens later shows the same.
    with page.context.new_page() as second:
        second.goto(page.url)
        expect(second.get_by_test_id("count-created")).to_contain_text("1,998")

    page.get_by_role("link", name="See the products").or_(page.get_by_role("button", name="See the products")).click()
    expect(page.get_by_test_id("products-total")).to_have_text("1,998")
    page.get_by_test_id("products-search").fill("lay-raise-best-end")
    expect(page.get_by_test_id("products-total")).to_have_text("1")
    expect(page.get_by_test_id("products-table")).to_contain_text("Bryce Jones")


def test_a_file_that_cannot_be_imported_shows_why_and_what_to_do(page: Page) -> None:
    drop(page, ("products.csv", b"sku,name\n"), at_once=True)
    expect_status(page, "failed")
    expect(page.get_by_test_id("banner-error")).to_contain_text("a header row and nothing below it")
    check_accessible(page, "a failed import")

    # Nothing can be read of a picture, whatever the options. The check has failed, and only another file helps.
    drop(page, ("photo.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256))))
    expect_status(page, "failed")
    expect(page.get_by_test_id("banner-error")).to_have_text(
        "This is a PNG picture, not a CSV file. Export the products as CSV and upload that.Nothing was written."
    )
    expect(page.locator(".step.is-failed")).to_have_text("Check (failed)")
    expect(page.get_by_test_id("another-file")).to_be_visible()
    for testid in ("retry-import", "change-options"):
        expect(page.get_by_test_id(testid)).to_have_count(0)


def test_a_refused_file_is_reported_where_it_was_chosen(page: Page) -> None:
    drop(page, ("photo.png", b"picture"), ("lamps.csv", b"sku\nLAMP-1\n"))
    refusal = page.get_by_test_id("banner-error")
    expect(refusal).to_contain_text("photo.png")
    # It stays readable beside the other file, whose row says what its import would do.
    row = page.get_by_test_id("imports-table").get_by_role("row").filter(has_text="lamps.csv")
    expect(row).to_contain_text("Would create 1", timeout=60_000)
    expect(row.get_by_title("To create")).to_have_text("1")
    expect(refusal).to_be_visible()
    row.get_by_role("link").click()
    expect_step(page, "check")
    expect(refusal).to_have_count(0)


def test_rejected_rows_open_with_one_click_and_show_as_plain_text(page: Page) -> None:
    hostile = "<img src=x onerror=document.title='hacked'>"
    content = f'sku,name\nA-1,"{hostile}"\n,"{hostile}"\n'
    drop(page, ("products.csv", content.encode()), at_once=True)
    expect_status(page, "completed")
    expect(page.get_by_test_id("count-rejected")).to_contain_text("1")
    page.get_by_test_id("rejects").locator("summary").click()
    expect(page.get_by_test_id("rejects-table")).to_contain_text(hostile)
    check_accessible(page, "an import with rejects", narrow=True)
    page.set_viewport_size(NARROW)
    show_products(page)
    expect(page.get_by_test_id("products-table")).to_contain_text(hostile)
    assert "hacked" not in page.title()


def test_a_running_import_is_in_view_on_every_screen(page: Page, site: Site) -> None:
    with site.held_import():
        drop(page, ("products.csv", SAMPLE.read_bytes()), at_once=True)
        expect_status(page, "processing")
        check_accessible(page, "a running import")
        page.get_by_role("link", name="Import", exact=True).first.click()
        expect(page.get_by_test_id("imports-table")).to_contain_text("products.csv")
        check_accessible(page, "the import screen beside a running import")
        show_products(page)
        expect(page.get_by_test_id("header-progress")).to_be_visible()
        check_accessible(page, "the products beside a running import")
    expect(page.get_by_test_id("header-progress")).to_be_hidden()


def test_the_header_has_no_empty_progress_while_the_running_imports_are_unknown(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile(r"/api/imports\?"), lambda route: held.append(route))
    show_products(page)
    wait_until(page, lambda: held)
    link = page.locator("#activity .activity-link")
    expect(link).to_have_count(1)
    expect(link).to_be_hidden()
    for route in held:
        route.continue_()


def test_the_import_screen_is_accessible_without_and_with_imports(page: Page, site: Site) -> None:
    page.goto("/")
    expect(page.get_by_text("No imports yet")).to_be_visible()
    check_accessible(page, "the import screen without imports")
    site.upload("sku\nA-1\n,\n")
    site.upload("name\nLamp\n", "without-skus.csv")
    site.wait_for_imports()
    page.reload()
    expect(page.get_by_test_id("imports-table").locator("tbody tr")).to_have_count(2)
    check_accessible(page, "the import screen", narrow=True)


def test_an_unknown_import_shows_a_message(page: Page, console: Console) -> None:
    console.allow_status(404)
    page.goto("/#/imports/00000000-0000-4000-8000-000000000000")
    expect(page.get_by_role("heading", name="Import not found")).to_be_visible()
    check_accessible(page, "an unknown import")
