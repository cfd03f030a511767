"""Notices about a file, the options that settle them, and files whose rows are all rejected."""

from __future__ import annotations

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import Site, drop, expect_counts, expect_status, expect_step, wait_for_value

GERMAN = "Artikelnummer;Bezeichnung;Aktiv\r\nL-1;Tischleuchte Grün;ja\r\nL-2;Für außen;\r\n".encode("cp1252")
WIDE: Any = {"width": 1280, "height": 800}

SHORT_ROWS = {
    "code": "short_rows",
    "message": "1,204 rows have fewer cells than the header.",
    "count": 1204,
    "lines": [3, 5, 8, 9, 14],
    "samples": [{"text": "L-3;Wandleuchte", "line": 3}],
    "fix": {"label": "Accept short rows", "options": {"short_rows": "accept"}},
}
ENCODING_UNCERTAIN = {
    "code": "encoding_uncertain",
    "message": "2 rows read differently in each of these encodings.",
    "count": 2,
    "lines": [2, 3],
    "samples": [
        {"text": "Tischleuchte Grün", "readings": {"cp1252": "Tischleuchte Grün", "cp850": "Tischleuchte Gr³n"}},
        {"text": "Für außen", "readings": {"cp1252": "Für außen", "cp850": "F³r au▀en"}},
    ],
    "fix": None,
}
LINES_ABOVE_HEADER = {
    "code": "lines_above_header",
    "message": "Lines above the header were skipped.",
    "count": 2,
    "lines": [1, 2],
    "samples": [],
    "fix": None,
    "fixes": [
        {"label": "Use line 1", "options": {"header_line": 1}},
        {"label": "Use line 2", "options": {"header_line": 2}},
    ],
}


def add_notices(site: Site, *notices: dict[str, Any]) -> None:
    """Give notices to the only import."""
    site.sql("UPDATE import_jobs SET notices = %s", (json.dumps(notices),))


def find_notice(page: Page, code: str) -> Locator:
    """Return the item of the list with this code."""
    return page.locator(f"[data-testid=notice][data-code={code}]")


def test_a_check_shows_notices_and_a_fix_reads_the_file_again(page: Page, site: Site) -> None:
    drop(page, ("leuchten.csv", GERMAN))
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("notices")).to_have_count(0)
    add_notices(site, SHORT_ROWS, ENCODING_UNCERTAIN, LINES_ABOVE_HEADER)
    page.reload()
    expect(page.get_by_role("heading", name="3 things to know about this file")).to_be_visible()
    short_rows = find_notice(page, "short_rows")
    expect(short_rows).to_contain_text("Lines 3, 5, 8 and 1,201 more")
    expect(short_rows.get_by_test_id("notice-count")).to_have_count(0)
    expect(find_notice(page, "lines_above_header").get_by_test_id("notice-count")).to_contain_text("2")
    expect(short_rows.get_by_text("L-3;Wandleuchte")).to_be_hidden()
    short_rows.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(short_rows.get_by_text("L-3;Wandleuchte")).to_be_visible()
    expect(short_rows).to_contain_text("Lines 3, 5, 8, 9, 14 and 1,199 more")
    expect(find_notice(page, "lines_above_header").get_by_test_id("notice-fix")).to_have_text(
        ["Use line 1", "Use line 2"]
    )
    check_accessible(page, "a check with notices", narrow=True)

    # The fix keeps what was changed in the form below.
    page.get_by_test_id("option-mode").select_option("create")
    short_rows.get_by_test_id("notice-fix").click()
    wait_for_value("the option", lambda: site.sql("SELECT short_rows, mode FROM import_jobs"), [("accept", "create")])
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("option-short_rows")).to_have_value("accept")
    expect_counts(page, create=2)


def test_an_encoding_is_chosen_by_its_texts(page: Page, site: Site) -> None:
    drop(page, ("leuchten.csv", GERMAN))
    expect_status(page, "awaiting_confirmation")
    add_notices(site, ENCODING_UNCERTAIN)
    page.reload()
    table = page.get_by_test_id("readings-table")
    expect(table.get_by_role("columnheader").first).to_contain_text("Windows-1252 (Western European)")
    expect(table.get_by_role("columnheader").first).to_contain_text("Used now")
    expect(table).to_contain_text("F³r au▀en")
    page.get_by_role("button", name="Use this: DOS 850 (Western European)").click()
    wait_for_value("the encoding", lambda: site.sql("SELECT encoding FROM import_jobs"), [("cp850",)])
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("file-facts")).to_contain_text("DOS 850")


def test_notices_stay_on_the_result(page: Page, site: Site) -> None:
    drop(page, ("leuchten.csv", GERMAN))
    expect_status(page, "awaiting_confirmation")
    page.get_by_test_id("confirm-import").click()
    expect_step(page, "result")
    add_notices(site, SHORT_ROWS, ENCODING_UNCERTAIN)
    page.reload()
    expect(page.get_by_role("heading", name="2 things to know about this file")).to_be_visible()
    expect(find_notice(page, "short_rows")).to_contain_text(
        "To choose “Accept short rows”, import the file again and check it first."
    )
    expect(page.get_by_test_id("notice-fix")).to_have_count(0)
    expect(page.get_by_test_id("use-encoding")).to_have_count(0)
    check_accessible(page, "a result with notices", narrow=True)


def test_an_unchecked_import_shows_its_notices_while_it_runs(page: Page, site: Site) -> None:
    with site.held_import():
        drop(page, ("leuchten.csv", GERMAN), at_once=True)
        expect_step(page, "progress")
        expect(page.get_by_test_id("import-headline")).to_contain_text("Writing products")
        add_notices(site, SHORT_ROWS)
        page.reload()
        expect(find_notice(page, "short_rows")).to_contain_text("1,204 rows have fewer cells")
        expect(page.get_by_test_id("notice-fix")).to_have_count(0)
        check_accessible(page, "a running import with notices")


def test_a_cancelled_import_can_be_started_with_a_fix(page: Page, site: Site) -> None:
    drop(page, ("leuchten.csv", GERMAN))
    expect_status(page, "awaiting_confirmation")
    page.get_by_test_id("cancel-import").click()
    expect_status(page, "cancelled")
    add_notices(site, SHORT_ROWS)
    page.reload()
    page.get_by_test_id("notice-fix").click()
    expect_step(page, "check")
    expect_status(page, "awaiting_confirmation")
    assert site.sql("SELECT short_rows, wants_preview FROM import_jobs") == [("accept", True)]


def test_the_check_says_what_a_blank_cell_does(page: Page, site: Site) -> None:
    site.create_products({"sku": "L-1", "name": "Alt"}, {"sku": "L-2", "name": "Alt", "active": False})
    drop(page, ("leuchten.csv", GERMAN.replace("Für außen".encode("cp1252"), b"")))
    blanks = page.get_by_test_id("blank-cells")
    expect(blanks).to_contain_text("A blank cell in “Bezeichnung” makes that field of the product empty.")
    expect(blanks).to_contain_text("A blank cell in “Aktiv” leaves the product as it is.")
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    product = site.product("L-2")
    assert product is not None and (product["name"], product["active"]) == ("", False)


def test_the_counts_of_a_check_open_their_lists(page: Page) -> None:
    rows = "".join(f"A-{number},Lamp {number}\n" for number in range(40))
    drop(page, ("lamps.csv", f"sku,name\n{rows},No SKU\n".encode()))
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("check-headline")).to_have_text(
        "40 products would be created · 1 of 41 rows rejected (2%)"
    )
    page.get_by_role("button", name="40 to create: show the list").click()
    expect(page.get_by_test_id("rows").locator("summary")).to_be_focused()
    expect(page.get_by_test_id("rows")).to_be_in_viewport()
    rejects = page.get_by_test_id("rejects")
    rejects.locator("summary").click()
    expect(page.get_by_test_id("rejects-table")).to_be_hidden()
    page.get_by_role("button", name="1 rejected: show the list").click()
    expect(rejects.locator("summary")).to_be_focused()
    expect(page.get_by_test_id("rejects-table")).to_contain_text("No SKU")
    expect(page.get_by_test_id("count-duplicate").get_by_role("button")).to_have_count(0)

    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    page.get_by_role("button", name="40 created: show the list").click()
    expect(page.get_by_test_id("affected-table").get_by_role("link", name="A-0", exact=True)).to_be_visible()


def test_a_check_states_which_products_would_be_removed(page: Page, site: Site) -> None:
    drop(page, ("lamps.csv", b"sku,name\nA-1,Lamp\n"))
    expect_status(page, "awaiting_confirmation")
    site.sql("UPDATE import_jobs SET missing = 'delete', preview = (preview::jsonb || '{\"missing\": 1200}')::json")
    page.reload()
    expect(page.get_by_test_id("check-headline")).to_have_text("1 product would be created, 1,200 deleted")
    expect(page.get_by_test_id("confirm-import")).to_have_text("Import 1 product and delete 1,200")
    expect_counts(page, create=1, delete=1200)
    expect(page.get_by_test_id("missing-effect")).to_contain_text(
        "Every product whose SKU is not in the file is deleted"
    )
    check_accessible(page, "a check of a file that deletes products", narrow=True)


def test_a_file_whose_rows_are_all_rejected_does_not_look_imported(page: Page, site: Site) -> None:
    bad = ("bad.csv", b"sku,name\n,a\n,b\n,c\n")
    drop(page, bad)
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("check-headline")).to_have_text("Nothing would change: all 3 rows were rejected")
    check_accessible(page, "a check of a file whose rows are all rejected")
    page.get_by_role("link", name="Products", exact=True).click()
    expect(page.get_by_role("link", name="Every row of bad.csv is rejected")).to_be_visible()

    # Two files, so that the page stays on the list while they are imported.
    drop(page, bad, ("good.csv", b"sku,name\nA-1,Lamp\n"), at_once=True)
    banner = page.get_by_test_id("banner-warning")
    expect(banner).to_contain_text("Nothing of “bad.csv” was imported.")
    expect(page.get_by_test_id("toast")).to_contain_text("Import completed")
    expect(page.get_by_test_id("imports-table").get_by_text("All rejected")).to_have_count(1)
    check_accessible(page, "the history with a file whose rows are all rejected")
    banner.get_by_role("button", name="View").click()
    expect_step(page, "result")
    expect(page.get_by_test_id("import-headline")).to_have_text("Nothing was imported: all 3 rows were rejected")
    expect(page.get_by_test_id("import-status")).to_have_text("All rejected")
    expect(page.get_by_test_id("import-progress")).to_be_hidden()
    expect(page.get_by_test_id("rejects-table").locator("tbody tr")).to_have_count(3)
    expect(page).to_have_title(re.compile("^Every row rejected"))
    check_accessible(page, "a result whose rows are all rejected", narrow=True)
