"""The import history: running, cancelled, retried and undone imports."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect

from support.axe import check_accessible
from support.browser import (
    NARROW,
    Console,
    Site,
    drop,
    expect_counts,
    expect_query,
    expect_status,
    expect_step,
    wait_for_value,
    wait_until,
)

LAMPS = "sku,name\n" + "".join(f"LAMP-{n:03},Lamp {n}\n" for n in range(1, 21))


def test_an_import_is_cancelled_while_writing_and_retried(page: Page, site: Site) -> None:
    with site.held_import():
        drop(page, ("lamps.csv", LAMPS.encode()), at_once=True)
        expect_step(page, "progress")
        expect_status(page, "processing")
        expect(page.get_by_test_id("import-headline")).to_contain_text("Writing products")
        page.reload()
        expect_step(page, "progress")
        expect(page.get_by_test_id("cancel-import")).to_be_visible()
        check_accessible(page, "a running import", narrow=True)
        page.set_viewport_size(NARROW)
        cancel = page.get_by_test_id("cancel-import")
        cancel.click()
        expect(cancel.or_(page.get_by_test_id("retry-import"))).to_have_text(re.compile("Cancelling…|Try again"))
        expect_step(page, "result")
        expect_status(page, "cancelled")
    expect(page.get_by_test_id("banner-warning")).to_contain_text("Nothing was written.")
    assert site.count() == 0
    check_accessible(page, "a cancelled import")
    page.set_viewport_size({"width": 1280, "height": 800})

    # The user can change mapping and options before the retry; the address of that form survives a reload.
    page.get_by_test_id("change-options").click()
    expect_step(page, "check")
    page.reload()
    expect(page.get_by_test_id("read-again")).to_be_enabled()
    check_accessible(page, "a cancelled import to be changed")
    page.go_back()
    page.get_by_test_id("retry-import").click()
    expect_status(page, "completed")
    expect_counts(page, created=20)
    expect(page.get_by_test_id("import-facts")).to_contain_text("2, the last one is shown")
    assert site.count() == 20


def test_an_undo_leaves_products_that_were_edited_since_unchanged(page: Page, site: Site) -> None:
    site.create_products({"sku": "LAMP-001", "name": "Former"})
    drop(page, ("lamps.csv", LAMPS.encode()), at_once=True)
    expect_status(page, "completed")
    expect_counts(page, created=19, updated=1)
    address = page.url
    edited = site.product("LAMP-002")
    assert edited is not None
    site.call("PUT", f"/api/products/{edited['id']}", {"name": "Edited"})
    held: list[Route] = []
    page.route("**/undo?dry_run=true", lambda route: held.append(route))
    page.get_by_test_id("undo-import").click()
    expect(page.get_by_test_id("confirm-dialog")).to_contain_text("Counting")
    wait_until(page, lambda: held)
    before = page.get_by_test_id("confirm-cancel").bounding_box()
    held[0].continue_()
    expect(page.get_by_test_id("confirm-dialog")).to_contain_text("18 products are removed")
    assert page.get_by_test_id("confirm-cancel").bounding_box() == before
    page.unroute("**/undo?dry_run=true")
    dialog = page.get_by_test_id("confirm-dialog")
    expect(page.get_by_test_id("undo-import")).to_contain_text("Undo this import (until ")
    expect(dialog).to_contain_text(
        "18 products are removed, 1 gets its former values back, 1 stays because it was edited since. You can undo this"
    )
    check_accessible(page, "the question before an undo")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Undo of lamps.csv")
    expect_status(page, "completed")
    expect(page.get_by_test_id("import-headline")).to_contain_text("18 removed, 1 restored, 1 left alone")
    expect_counts(page, removed=18, restored=1, left_alone=1)
    page.get_by_role("button", name="1 left alone: show the list").click()
    expect(page.get_by_test_id("rejects-table").get_by_role("link", name="LAMP-002")).to_be_visible()
    check_accessible(page, "an undo")
    page.reload()
    expect_counts(page, removed=18)
    assert site.sql("SELECT sku, name FROM products ORDER BY sku") == [("LAMP-001", "Former"), ("LAMP-002", "Edited")]

    page.get_by_role("link", name="the import of lamps.csv").click()
    page.wait_for_url(address)
    # The rest can be undone later. The dialog says why that would take nothing back now, and offers to go on.
    expect(page.get_by_test_id("import-headline")).to_have_text(
        "Partly undone, 18 removed, 1 changed back, 1 left alone"
    )
    expect(page.get_by_test_id("undo-import")).to_contain_text("Undo the rest (until ")
    page.get_by_test_id("undo-import").click()
    expect(dialog).to_contain_text("1 product stays because it was edited since.")
    expect(dialog).to_contain_text("The only product of this import was changed since.")
    check_accessible(page, "an undo that would take nothing back")
    expect(page.get_by_test_id("confirm-ok")).to_have_text("Undo the rest")
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Undo of lamps.csv")
    expect(page.get_by_test_id("import-headline")).to_contain_text("1 left alone")
    expect_status(page, "completed")
    page.go_back()
    note = page.get_by_test_id("undone-note")
    expect(note).to_contain_text("This import was undone in part")
    note.get_by_role("link").click()
    expect(page.get_by_test_id("import-headline")).to_contain_text("1 left alone")
    page.get_by_role("link", name="Import", exact=True).first.click()
    expect(page.get_by_test_id("imports-table").get_by_role("link")).to_have_text(
        ["Undo of lamps.csv", "Undo of lamps.csv", "lamps.csv"]
    )
    row = page.get_by_test_id("imports-table").get_by_role("row").last
    expect(row).to_contain_text("Partly undone")
    expect(row.get_by_test_id("job-counts")).to_have_text("Partly undone, 18 removed, 1 changed back, 1 left alone")
    # Without the mouse, with the same question; the row follows the undo.
    row.get_by_role("button", name="Undo lamps.csv (until ").press("Enter")
    expect(dialog).to_contain_text("1 product stays because it was edited since.")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    site.call("DELETE", f"/api/products/{edited['id']}")
    row.get_by_role("button", name="Undo lamps.csv (until ").press("Enter")
    expect(dialog).to_contain_text("1 product is already gone.")
    page.get_by_test_id("confirm-ok").press("Enter")
    expect(row.get_by_test_id("job-counts")).to_have_text("Undone, 18 removed, 1 changed back, 1 already gone")
    expect(row.get_by_test_id("undo-row")).to_be_hidden()
    check_accessible(page, "the history with an import that was undone")


def test_each_of_several_files_is_checked_and_found_by_the_filters(page: Page, site: Site) -> None:
    site.upload("sku\nB-1\n", "from-a-script.csv")
    drop(page, ("lamps.csv", LAMPS.encode()), ("chairs.csv", b"sku,name\nC-1,Chair\n"))
    table = page.get_by_test_id("imports-table")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(3)
    wait_for_value("how many wait", lambda: site.sql("SELECT count(*) FROM import_jobs WHERE status LIKE 'a%'"), [(2,)])
    for width in (720, 1000, 1200, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        link = table.get_by_role("link", name="from-a-script.csv")
        assert link.evaluate("link => link.scrollWidth <= link.clientWidth"), f"the name is cut off at {width} px"
    page.get_by_test_id("filter-status").select_option("To confirm")
    expect_query(page, status="awaiting_confirmation")
    expect(rows).to_have_count(2)
    check_accessible(page, "imports that wait")
    page.get_by_test_id("filter-filename").fill("CHAIR")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("chairs.csv")
    page.reload()
    expect(page.get_by_test_id("filter-filename")).to_have_value("CHAIR")
    expect(rows).to_have_count(1)
    page.get_by_test_id("filter-started_from").select_option("From the API")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.get_by_test_id("clear-import-filters").click()
    expect(rows).to_have_count(3)
    page.get_by_test_id("filter-started_from").select_option("From the API")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("from-a-script.csv")
    expect(rows).to_contain_text("The API")
    check_accessible(page, "filtered imports")
    page.go_back()
    expect(rows).to_have_count(3)
    table.get_by_role("link", name="chairs.csv").click()
    expect_step(page, "check")
    expect_counts(page, create=1)


def test_the_check_switch_is_remembered_and_the_chart_survives_a_reload(page: Page, site: Site) -> None:
    drop(page, ("lamps.csv", LAMPS.encode()), at_once=True)
    expect_status(page, "completed")
    page.goto("/#/import")
    page.reload()
    expect(page.get_by_test_id("import-unchecked")).to_be_checked()
    # The stored samples of an import that took a few seconds.
    site.sql(
        "INSERT INTO import_samples (job_id, run, at, phase, rows)"
        " SELECT j.id, j.run, j.worked_seconds + n, 'writing', n * 1000 FROM import_jobs j, generate_series(1, 20) n"
    )
    page.get_by_test_id("imports-table").get_by_role("link").click()
    chart = page.get_by_test_id("rows-chart")
    expect(page.get_by_test_id("chart-note")).to_contain_text("Writing")
    expect(chart.get_by_role("img")).to_have_attribute("aria-label", re.compile("On average: .*Writing [\\d,]+/s"))
    page.reload()
    expect(page.get_by_test_id("chart-note")).to_contain_text("Writing")
    check_accessible(page, "a result with a chart")


def test_an_import_is_deleted_on_its_page_and_in_the_history(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    for name in ("first.csv", "second.csv", "third.csv"):
        site.upload("sku,name\nA-1,Lamp\n", name)
    site.wait_for_imports()
    page.goto("/#/import")
    table = page.get_by_test_id("imports-table")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(3)
    table.get_by_role("link", name="first.csv").click()
    expect(page.get_by_role("heading", name="first.csv")).to_be_visible()
    page.get_by_test_id("delete-import").click()
    dialog = page.get_by_test_id("confirm-dialog")
    expect(dialog).to_contain_text("Delete the import of “first.csv”?")
    expect(dialog).to_contain_text("once it is deleted, it cannot")
    check_accessible(page, "the question before an import is deleted")
    page.get_by_test_id("confirm-cancel").click()
    assert site.sql("SELECT count(*) FROM import_jobs") == [(3,)]
    page.get_by_test_id("delete-import").click()
    page.get_by_test_id("confirm-ok").click()
    page.wait_for_url(re.compile("#/import$"))
    expect(page.get_by_test_id("toast")).to_have_text("Import deleted")
    expect(table.get_by_role("link")).to_have_text(["third.csv", "second.csv"])
    assert site.count() == 1

    # Somebody retries an import just before it is deleted.
    site.sql("UPDATE import_jobs SET status = 'processing', progress = 0 WHERE filename = 'second.csv'")
    page.get_by_role("button", name="Delete second.csv").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("confirm-error")).to_contain_text("it cannot be deleted before it ends")
    page.get_by_test_id("confirm-cancel").click()
    site.sql("UPDATE import_jobs SET status = 'completed', progress = 100 WHERE filename = 'second.csv'")
    # Somebody else deletes it.
    page.get_by_role("button", name="Delete third.csv").click()
    (third,) = site.sql("SELECT task_id FROM import_jobs WHERE filename = 'third.csv'")
    site.call("DELETE", f"/api/imports/{third[0]}")
    console.allow_status(404)
    page.get_by_test_id("confirm-ok").click()
    expect(table.get_by_role("link")).to_have_text(["second.csv"])
    expect(page.get_by_role("button", name="Delete second.csv")).to_be_focused()
    page.get_by_role("button", name="Delete second.csv").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_text("No imports yet")).to_be_visible()


def test_the_last_import_of_the_last_page_is_deleted(page: Page, site: Site) -> None:
    for number in range(11):
        site.upload("sku\nA-1\n", f"{number}.csv")
    site.wait_for_imports()
    page.goto("/#/import?page=2")
    rows = page.get_by_test_id("imports-table").locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_test_id("delete-import").click()
    page.get_by_test_id("confirm-ok").click()
    expect(rows).to_have_count(10)
    expect_query(page)


def test_the_focus_stays_in_the_history_if_somebody_else_deletes_the_import_in_question(
    page: Page, site: Site, console: Console
) -> None:
    for name in ("first.csv", "second.csv"):
        site.upload("sku,name\nA-1,Lamp\n", name)
    site.wait_for_imports()
    page.goto("/#/import")
    table = page.get_by_test_id("imports-table")
    page.get_by_role("button", name="Delete second.csv").click()
    ((task_id,),) = site.sql("SELECT task_id FROM import_jobs WHERE filename = 'second.csv'")
    site.call("DELETE", f"/api/imports/{task_id}")
    expect(table.get_by_role("link")).to_have_text(["first.csv"])
    console.allow_status(404)
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_role("button", name="Delete first.csv")).to_be_focused()
