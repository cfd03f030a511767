"""What changed, where: the products of an import, their values before and after, and the filters by changes."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from support.axe import check_accessible
from support.browser import Console, Site, drop, expect_query, expect_skus, expect_status, show_products

FILE = b"sku,name\nLAMP-001,Red lamp\nLAMP-002,Red lamp\nNEW-1,New lamp\n"


def test_the_products_of_an_import_are_shown_with_what_changed(page: Page, site: Site) -> None:
    site.create_lamps(4)
    site.sql("UPDATE products SET updated_at = '2026-01-01T00:00:00Z' WHERE sku = 'LAMP-004'")
    drop(page, ("lamps.csv", FILE), at_once=True)
    expect_status(page, "completed")
    edited = site.product("LAMP-002")
    assert edited is not None
    site.call("PUT", f"/api/products/{edited['id']}", {"name": "Mine"})

    expect(page.get_by_test_id("affected-counts")).to_have_text("Created 1 · Updated 2")
    page.get_by_test_id("affected").locator("summary").click()
    rows = page.get_by_test_id("affected-table").get_by_test_id("compare-row")
    expect(rows.filter(has_text="NEW-1")).to_contain_text("New lamp")
    page.get_by_test_id("affected-updated").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Lamp 1")
    expect(rows.first).to_contain_text("Red lamp")
    expect(rows.first.get_by_test_id("affected-note")).to_have_count(0)
    expect(rows.last.get_by_test_id("affected-note")).to_contain_text("Changed since")
    check_accessible(page, "the products of an import, before and after", narrow=True)

    page.get_by_test_id("see-products").click()
    expect_skus(page, "LAMP-001", "LAMP-002", "NEW-1")
    chip = page.get_by_test_id("filter-chip")
    expect(chip).to_have_text("Changed by: lamps.csv")
    check_accessible(page, "the products screen with a filter by an import")
    chip.get_by_role("button", name="Remove the filter Changed by").press("Enter")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003", "LAMP-004", "NEW-1")

    page.get_by_test_id("filters-toggle").click()
    page.get_by_test_id("changed-since").select_option("week")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003", "NEW-1")
    expect(chip).to_contain_text("Changed since: ")
    check_accessible(page, "the products screen with a filter by time")
    page.get_by_test_id("changed-since").select_option("date")
    page.get_by_test_id("changed-since-date").fill("2025-12-31")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003", "LAMP-004", "NEW-1")
    page.get_by_test_id("changed-since").select_option("")
    expect(chip).to_have_count(0)


def test_products_whose_import_is_forgotten_are_no_empty_list(page: Page, site: Site, console: Console) -> None:
    console.allow_status(400)
    task_id = site.upload("sku\nA-1\n")
    site.wait_for_imports()
    site.sql("DELETE FROM import_changes")
    page.goto(f"/#/products?changed_by={task_id}")
    expect(page.get_by_test_id("banner-error")).to_contain_text("its change log has expired")
    page.get_by_test_id("filter-chip").get_by_role("button").click()
    expect_skus(page, "A-1")
    # The offer names the job that has changed the products, and shows those.
    show_products(page)

    def answer_late(route: Route) -> None:
        site.wait_for_imports()
        route.continue_()

    # A small import may end before the page has heard of it.
    page.route("**/api/imports?*", answer_late)
    site.upload("sku,name\nA-1,Lamp\nA-2,Lamp\n", "elsewhere.csv")
    latest = page.get_by_test_id("changes-latest")
    expect(latest).to_have_text("Those of elsewhere.csv", timeout=30_000)
    latest.click()
    expect_query(page, changed_by=site.sql("SELECT task_id::text FROM import_jobs ORDER BY id DESC LIMIT 1")[0][0])
    expect_skus(page, "A-1", "A-2")
