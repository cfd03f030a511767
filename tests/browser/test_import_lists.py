"""The lists of an import: what its check would do with each row, and what its result did with the products."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, expect_counts, expect_status, expect_step


@pytest.mark.parametrize(("missing", "change"), [("deactivate", "deactivated"), ("delete", "deleted")])
def test_products_that_are_not_in_the_file_are_counted_listed_and_restored(
    page: Page, site: Site, missing: str, change: str
) -> None:
    site.create_lamps(4)
    task_id = site.upload("sku,name\nLAMP-002,Lamp 2\nNEW,New\n", missing=missing, missing_limit="1")
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "result")
    expect_status(page, "completed")
    # The second and the fourth lamp are inactive, so nothing is deactivated there.
    count = 3 if missing == "delete" else 2
    expect_counts(page, created=1, updated=0, **{change: count})
    page.get_by_test_id(f"count-{change}").get_by_role("button").click()
    expect(page.get_by_test_id(f"affected-{change}")).to_have_attribute("aria-pressed", "true")
    table = page.get_by_test_id("affected-table")
    expect(table.locator("td.compare-sku")).to_have_count(count)
    expect(table).to_contain_text("LAMP-001")
    expect(table).to_contain_text("deleted" if missing == "delete" else "Active")
    check_accessible(page, f"a result with products {change}", narrow=True)

    page.get_by_test_id("undo-import").click()
    dialog = page.get_by_role("alertdialog")
    effect = "are restored" if missing == "delete" else "get their former values back"
    expect(dialog).to_contain_text(f"1 product is removed, {count} {effect}.")
    dialog.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_text("This undoes the import of products.csv.")).to_be_visible()
    expect_step(page, "result")
    expect_status(page, "completed")
    assert site.sql("SELECT sku FROM products WHERE active ORDER BY sku") == [("LAMP-001",), ("LAMP-003",)]


CATALOGUE = "".join(f"LAMP-{n:03},Lamp {n},{'' if n == 1 else 'Lights the room'}\n" for n in range(1, 31))
CHECKED = f"sku,name,description\n{CATALOGUE}LAMP-031,Old name,a\nLAMP-031,Lamp 31,b\nNEW,New lamp,c\n,Nameless,d\n"


def compared(page: Page, sku: str) -> Locator:
    """Return the first row of a product in a list that compares values."""
    return page.get_by_test_id("rows-table").get_by_role("row").filter(has_text=sku)


def test_the_tiles_of_a_check_open_lists_with_values_side_by_side(page: Page, site: Site, tmp_path: Path) -> None:
    site.create_lamps(31)
    task_id = site.upload(CHECKED, preview="true")
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "check")
    expect_counts(page, create=1, update=31, unchanged=0, duplicate=1, rejected=1)

    page.get_by_role("button", name="31 to update: show the list").click()
    expect(page.get_by_test_id("rows").locator("summary")).to_be_focused()
    row = compared(page, "LAMP-002")
    expect(row.get_by_role("cell")).to_have_text(["3", "LAMP-002", "Description", "Lights room 2", "Lights the room"])
    expect(row.locator("del")).to_have_text("room 2")
    expect(row.locator("ins")).to_have_text("the room")
    check_accessible(page, "the list of a check")

    page.get_by_test_id("rows-search").fill("lamp-031")
    expect(page.get_by_test_id("compare-row")).to_have_count(1)
    expect(compared(page, "LAMP-031").get_by_role("cell").first).to_have_text("33")
    page.get_by_test_id("rows-search").fill("no such row")
    expect(page.get_by_text("No row matches.")).to_be_visible()
    page.get_by_test_id("rows-search").fill("")
    page.get_by_test_id("rows-field").select_option("Description becomes empty (1)")
    expect(page.get_by_test_id("compare-row")).to_have_count(1)
    expect(compared(page, "LAMP-001")).to_contain_text("empty")
    with page.expect_download() as download:
        page.get_by_test_id("rows-download").click()
    download.value.save_as(tmp_path / "rows.csv")
    lines = (tmp_path / "rows.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[1] for line in lines] == ["sku", "LAMP-001"]
    page.get_by_test_id("rows-field").select_option("Any change")
    page.get_by_test_id("rows").get_by_role("button", name="Next page").click()
    expect(compared(page, "LAMP-031")).to_be_visible()

    page.get_by_role("button", name="1 to create: show the list").click()
    expect(page.get_by_test_id("rows-created")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("rows-field")).to_be_hidden()
    expect(compared(page, "NEW")).to_contain_text("New lamp")

    page.get_by_role("button", name="1 duplicate: show the list").click()
    duplicates = page.get_by_test_id("duplicates-table")
    expect(duplicates.get_by_role("row").nth(1).get_by_role("cell")).to_have_text(
        ["32", "33", "LAMP-031", "Name", "Old name", "Lamp 31"]
    )
    page.get_by_test_id("duplicates-differ").select_option("With the same values")
    expect(page.get_by_text("No stored duplicate matches.")).to_be_visible()
    page.get_by_test_id("duplicates-differ").select_option("With other values")
    expect(duplicates).to_contain_text("Old name")
    check_accessible(page, "the lists of a check", narrow=True)


def test_the_changes_of_each_field_open_the_rows_that_change_it(page: Page, site: Site) -> None:
    site.create_lamps(31)
    task_id = site.upload(CHECKED, preview="true")
    page.goto(f"/#/imports/{task_id}")
    changes = page.get_by_test_id("field-changes").get_by_role("listitem")
    expect(changes).to_have_text(["Description31 changed1 becomes empty"])
    check_accessible(page, "the changes of each field")
    page.get_by_role("button", name="Description, 1 becomes empty: show the list").click()
    expect(page.get_by_test_id("rows").locator("summary")).to_be_focused()
    expect(page.get_by_test_id("compare-row")).to_have_count(1)
    expect(compared(page, "LAMP-001")).to_contain_text("Lights room 1")
    page.get_by_role("button", name="Description, 31 changed: show the list").click()
    expect(page.get_by_test_id("compare-row")).to_have_count(25)
    page.get_by_test_id("confirm-import").click()
    expect_step(page, "result")
    # The record of the check has no rows to open any more.
    page.goto(f"/#/imports/{task_id}/check")
    expect(changes).to_have_text(["Description31 changed1 becomes empty"])


def test_rejected_rows_are_grouped_by_reason_and_a_group_shows_its_rows(page: Page, site: Site) -> None:
    content = "sku,name,Active\nA-1,Lamp,maybe\nA-2,Chair,maybe\nA-3,Table,perhaps\n,Shelf,yes\nA-5,Bed,yes\n"
    task_id = site.upload(content, preview="true")
    page.goto(f"/#/imports/{task_id}")
    groups = page.get_by_test_id("reject-groups-table").locator("tbody tr")
    expect(groups).to_have_count(3)
    expect(groups.first.get_by_role("cell").nth(2)).to_have_text("Active")
    expect(groups.first.get_by_role("cell").nth(3)).to_have_text("maybe")
    check_accessible(page, "rejected rows by reason")
    rows = page.get_by_test_id("rejects-table").locator("tbody tr")
    expect(rows).to_have_count(4)
    page.get_by_role("button", name="Active: “maybe”: show 2 rows").click()
    expect(rows).to_have_count(2)
    expect(page.get_by_test_id("rejects").locator("summary")).to_be_focused()
    expect(page.get_by_text("Only Active: “maybe”")).to_be_visible()
    page.get_by_test_id("rejects-search").fill("chair")
    expect(rows).to_have_count(1)
    check_accessible(page, "the rejected rows of a reason", narrow=True)
    page.set_viewport_size(NARROW)
    page.get_by_test_id("rejects-search").fill("")
    page.get_by_test_id("rejects-show-all").click()
    expect(rows).to_have_count(4)


def test_a_list_of_a_check_that_is_lost_says_so(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    task_id = site.upload("sku,name\nA-1,Lamp\n", preview="true")
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "check")
    expect(page.get_by_test_id("rows-table")).to_contain_text("Lamp")
    (table,) = site.sql("SELECT staging_table FROM import_jobs")[0]
    site.sql(f"DELETE FROM {table}_outcomes")
    page.get_by_test_id("rows-search").fill("Lamp")
    banner = page.get_by_test_id("rows").get_by_test_id("banner-warning")
    expect(banner).to_contain_text("The check is no longer stored. Retry the import to check its file again.")
    expect(banner.get_by_role("button")).to_have_count(0)
    expect(page.get_by_test_id("rows-table")).to_be_hidden()
    check_accessible(page, "a lost check")

    # The page has not heard yet that the import was cancelled by another client.
    sentence = "The rows of a check are listed while the import awaits its confirmation."
    refusal = {"error": sentence, "code": "not_awaiting_confirmation", "status": 409}
    page.route("**/rows?**", lambda route: route.fulfill(status=409, json=refusal))
    page.get_by_test_id("rows-search").fill("Lamp 2")
    expect(banner).to_contain_text("listed while the import awaits its confirmation")
