"""Several imports that wait for their confirmation, failed ones, options of an upload, and the progress of a step."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from support.axe import check_accessible
from support.browser import Console, Site, drop, drop_here, expect_status, expect_step, wait_for_value

LAMPS = ("lamps.csv", b"sku,name\nA-1,Lamp\nA-2,Lamp 2\n,No SKU\n")
CHAIRS = ("chairs.csv", b"sku,name\nC-1,Chair\n")
TABLES = ("tables.csv", b"sku,name\nT-1,Table\n")
WAITING_SQL = "SELECT count(*) FROM import_jobs WHERE status = 'awaiting_confirmation'"
WIDE: Any = {"width": 1280, "height": 800}


def drop_several(page: Page, site: Site) -> None:
    """Drop three files and wait until each of them is checked."""
    drop(page, LAMPS, CHAIRS, TABLES)
    wait_for_value("how many wait", lambda: site.sql(WAITING_SQL), [(3,)])
    expect(page.get_by_test_id("waiting-bar")).to_contain_text("3 imports wait to be confirmed")


def test_several_imports_are_confirmed_at_once(page: Page, site: Site) -> None:
    drop_several(page, site)
    check_accessible(page, "several imports to confirm", narrow=True)
    page.get_by_test_id("confirm-all").click()
    dialog = page.get_by_test_id("confirm-all-dialog")
    expect(dialog).to_contain_text("Import 3 files?")
    expect(dialog).to_contain_text("4 products are created. 1 row was rejected and left out.")
    expect(page.get_by_test_id("plan-row").first).to_have_text(re.compile("lamps.csv *2 *0 *1"))
    expect(page.get_by_test_id("plan-totals")).to_have_text(re.compile("Total *4 *0 *1"))
    check_accessible(page, "the question before several imports")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert site.sql(WAITING_SQL) == [(3,)]
    page.get_by_test_id("confirm-all").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("toast").first).to_be_visible()
    expect(dialog).to_have_count(0)
    expect(page.get_by_test_id("waiting-bar")).to_be_hidden()
    wait_for_value("the number of products", site.count, 4)


def test_imports_that_cannot_be_confirmed_with_others_say_why(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    drop_several(page, site)
    site.sql("UPDATE import_jobs SET on_reject = 'fail' WHERE filename = 'lamps.csv'")
    page.get_by_test_id("confirm-all").click()
    rows = page.get_by_test_id("plan-row")
    expect(rows.filter(has_text="lamps.csv")).to_contain_text("It is all or nothing, and has rejected rows.")
    expect(page.get_by_test_id("confirm-ok")).to_have_text("Import 2 files")
    # Somebody cancels one of them meanwhile.
    (chairs,) = site.sql("SELECT task_id FROM import_jobs WHERE filename = 'chairs.csv'")
    site.call("POST", f"/api/imports/{chairs[0]}/cancel")
    page.get_by_test_id("confirm-ok").click()
    dialog = page.get_by_test_id("confirm-all-dialog")
    expect(dialog).to_contain_text("1 import did not start")
    expect(rows.filter(has_text="chairs.csv")).to_contain_text("The import was cancelled")
    expect(rows.filter(has_text="tables.csv")).to_contain_text("Started")
    check_accessible(page, "an import that did not start")
    expect(page.get_by_test_id("plan-totals")).to_be_hidden()
    wait_for_value("the number of products", site.count, 1)
    rows.get_by_role("link", name="lamps.csv").click()
    expect(dialog).to_have_count(0)
    expect_step(page, "check")
    expect(page.get_by_role("heading", level=1)).to_have_text("lamps.csv")


def test_the_next_import_to_confirm_is_one_click_away(page: Page, site: Site) -> None:
    drop_several(page, site)
    page.get_by_test_id("next-to-confirm").click()
    title = page.get_by_role("heading", level=1)
    expect(title).to_have_text("lamps.csv")
    expect_step(page, "check")
    link = page.get_by_test_id("next-to-confirm")
    expect(link).to_have_text(re.compile("Next to confirm: *chairs.csv *and 1 more"))
    check_accessible(page, "a check while others wait", narrow=True)
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    expect(link).to_contain_text("chairs.csv")
    link.click()
    expect(title).to_have_text("chairs.csv")
    expect(link).to_have_text(re.compile("tables.csv *$"))
    link.click()
    expect(title).to_have_text("tables.csv")
    page.get_by_test_id("cancel-import").click()
    expect_status(page, "cancelled")
    link.click()
    expect(title).to_have_text("chairs.csv")
    expect(link).to_be_hidden()


def test_a_failed_import_names_its_reason_in_the_history(page: Page, site: Site) -> None:
    site.upload("title,price\nLamp,1\n", "bad.csv")
    site.upload("sku\nA-1\n", "good.csv")
    site.wait_for_imports()
    ((message,),) = site.sql("SELECT error_message FROM import_jobs WHERE status = 'failed'")
    # The page shows the quoted parts as code.
    reason = message.replace("`", "")
    page.goto("/#/import")
    rows = page.get_by_test_id("imports-table").locator("tbody tr")
    expect(rows.filter(has_text="bad.csv").get_by_test_id("failure-reason")).to_have_text(reason)
    expect(rows.filter(has_text="good.csv").get_by_test_id("failure-reason")).to_be_hidden()
    check_accessible(page, "the history with a failed import", narrow=True)


def test_options_are_sent_with_the_next_file_and_shown_on_its_check(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_test_id("import-options").locator("summary").click()
    effect = page.get_by_test_id("missing-effect")
    expect(effect).to_have_text("They stay as they are.")
    expect(page.get_by_test_id("option-missing_limit")).to_be_hidden()
    page.get_by_test_id("option-short_rows").select_option("accept")
    page.get_by_test_id("option-header_line").fill("1")
    page.get_by_test_id("option-missing").select_option("deactivate")
    limit = page.get_by_test_id("option-missing_limit")
    limit.fill("250")
    limit.press("Tab")
    expect(limit).to_have_value("100")
    limit.fill("7")
    expect(effect).to_contain_text("becomes inactive")
    expect(effect).to_contain_text("more than 7% of your products")
    expect(page.get_by_test_id("options-summary")).to_have_text("2 changed · deactivates products not in the file")
    check_accessible(page, "the options of an upload", narrow=True)

    # Each of two files would deactivate the products of the other one.
    drop_here(page, LAMPS, CHAIRS)
    expect(page.get_by_test_id("banner-error")).to_contain_text("would deactivate the products of the others")
    assert site.sql("SELECT count(*) FROM import_jobs") == [(0,)]
    drop_here(page, CHAIRS)
    expect_step(page, "check")
    expect_status(page, "awaiting_confirmation")
    options_sql = "SELECT short_rows, header_line, missing, missing_limit FROM import_jobs"
    assert site.sql(options_sql) == [("accept", 1, "deactivate", 0.07)]
    expect(page.get_by_test_id("option-missing")).to_have_value("deactivate")
    expect(page.get_by_test_id("option-missing_limit")).to_have_value("7")
    page.get_by_test_id("option-header_line").fill("")
    page.get_by_test_id("option-missing").select_option("keep")
    expect(page.get_by_test_id("confirm-import")).to_be_disabled()
    page.get_by_test_id("read-again").click()
    wait_for_value("the options", lambda: site.sql(options_sql), [("accept", None, "keep", 0.07)])
    expect_status(page, "awaiting_confirmation")
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    expect(page.get_by_test_id("import-facts")).to_contain_text("rows with fewer cells accepted")
    # The option that removes products held for one file.
    page.goto("/#/import")
    expect(page.get_by_test_id("options-summary")).to_have_text("2 changed")


def test_a_workbook_offers_its_sheets(page: Page, site: Site) -> None:
    drop(page, CHAIRS)
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("option-sheet")).to_have_count(0)
    site.sql('UPDATE import_jobs SET file = (file::jsonb || \'{"sheets": ["Prices", "Notes"]}\')::json')
    page.reload()
    expect(page.get_by_test_id("file-facts")).to_have_text("Workbook with 2 sheets")
    expect(page.get_by_test_id("option-delimiter")).to_have_count(0)
    page.get_by_test_id("option-sheet").select_option("Notes")
    check_accessible(page, "the check of a workbook")
    with page.expect_request("**/retry") as retry:
        page.get_by_test_id("read-again").click()
    assert retry.value.post_data_json == {"preview": True, "sheet": "Notes", "mapping": None}


def test_the_import_has_its_own_progress_after_the_check(page: Page, site: Site) -> None:
    drop(page, CHAIRS)
    expect_status(page, "awaiting_confirmation")
    with site.held_import():
        page.get_by_test_id("confirm-import").click()
        expect_step(page, "progress")
        expect(page.get_by_test_id("import-headline")).to_contain_text("Writing products")
        (task,) = site.sql("SELECT task_id FROM import_jobs")
        job = site.call("GET", f"/api/imports/{task[0]}")
        assert job["progress"] >= 50 > job["step_progress"]
        percent = f"{job['step_progress']}%"
        expect(page.get_by_test_id("import-percent")).to_have_text(percent)
        expect(page).to_have_title(re.compile(f"^{percent} · chairs.csv"))
        page.get_by_role("link", name="Import", exact=True).first.click()
        expect(page.get_by_test_id("imports-table").locator("tbody tr")).to_contain_text(percent)
        page.get_by_role("link", name="Products", exact=True).click()
        expect(page.get_by_role("link", name=f"Importing chairs.csv · {percent}")).to_be_visible()
