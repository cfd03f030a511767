"""The list of missing products of a check, the list of duplicates of a result, and notices that open their lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.axe import check_accessible
from support.browser import Site, expect_counts, expect_status, expect_step


@pytest.mark.thorough("deactivate")
@pytest.mark.parametrize("missing", ["deactivate", "delete"])
def test_the_tile_and_the_notice_of_missing_products_open_their_list(
    page: Page, site: Site, tmp_path: Path, missing: str
) -> None:
    site.create_lamps(60)
    task_id = site.upload("sku,name\nLAMP-001,New name\n", preview="true", missing=missing, missing_limit="1")
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "check")
    # Every second lamp is inactive.
    count = 59 if missing == "delete" else 29
    expect_counts(page, create=0, update=1, **{missing: count})
    rows = page.get_by_test_id("rows-table").locator("tbody tr.compare-first")
    page.get_by_test_id(f"count-{missing}").get_by_role("button").click()
    expect(page.get_by_test_id("rows").locator("summary")).to_be_focused()
    tab = page.get_by_test_id("rows-missing")
    expect(tab).to_have_attribute("aria-pressed", "true")
    expect(tab).to_have_text(f"{'To delete' if missing == 'delete' else 'To deactivate'}{count}")
    expect(rows).to_have_count(25)
    first = rows.first.get_by_role("cell")
    if missing == "delete":
        expect(first).to_have_text(["–", "LAMP-002", "Name", "Lamp 2", "deleted"])
    else:
        expect(first).to_have_text(["–", "LAMP-003", "Name", "Lamp 3", "Lamp 3"])
        expect(page.get_by_test_id("compare-row").nth(1).get_by_role("cell")).to_have_text(["Active", "Yes", "No"])
    expect(page.get_by_test_id("rows-field")).to_be_hidden()
    page.get_by_test_id("rows").get_by_role("button", name="Next page").click()
    expect(rows.first).to_contain_text("LAMP-027" if missing == "delete" else "LAMP-053")
    check_accessible(page, f"the list of products to {missing}", narrow=True)

    page.get_by_test_id("rows-search").fill("room 51")
    expect(rows).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_test_id("rows-download").click()
    assert download.value.suggested_filename == "products-missing.csv"
    download.value.save_as(tmp_path / "missing.csv")
    lines = (tmp_path / "missing.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[1] for line in lines] == ["sku", "LAMP-051"]
    page.get_by_test_id("rows-search").fill("no such product")
    expect(page.get_by_text("No product matches.")).to_be_visible()
    page.get_by_test_id("rows-search").fill("")

    page.get_by_test_id("rows-changed").click()
    page.locator("[data-code=missing_products]").get_by_role("button", name="Show the products").click()
    expect(tab).to_have_attribute("aria-pressed", "true")
    expect(rows).to_have_count(25)

    # On the result, the notice opens the list of the products that were removed.
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    page.locator("[data-code=missing_products]").get_by_role("button", name="Show the products").click()
    expect(page.get_by_test_id("affected").locator("summary")).to_be_focused()
    # The record of the check has no list any more.
    page.goto(f"/#/imports/{task_id}/check")
    expect_counts(page, **{missing: count})
    expect(page.get_by_test_id(f"count-{missing}").get_by_role("button")).to_have_count(0)
    expect(page.locator("[data-code=missing_products]").get_by_test_id("notice-list")).to_have_count(0)


def test_a_check_that_only_removes_products_opens_their_list(page: Page, site: Site) -> None:
    site.create_products({"sku": "A-1", "name": "Lamp"}, {"sku": "A-2", "name": "Chair"})
    task_id = site.upload("sku,name\nA-1,Lamp\n", preview="true", missing="delete", missing_limit="1")
    page.goto(f"/#/imports/{task_id}")
    expect(page.get_by_test_id("check-headline")).to_have_text("1 product would be deleted")
    page.get_by_test_id("count-delete").get_by_role("button").click()
    expect(page.get_by_test_id("rows-table")).to_contain_text("Chair")


def test_the_duplicates_of_a_result_open_their_list(page: Page, site: Site) -> None:
    task_id = site.upload("sku,name\nA-1,Old\nA-1,New\nA-2,Chair\n")
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "result")
    expect_counts(page, created=2, duplicate=1)
    table = page.get_by_test_id("duplicates-table")
    expect(table).to_be_hidden()
    page.get_by_role("button", name="1 duplicate: show the list").click()
    expect(page.get_by_test_id("duplicates").locator("summary")).to_be_focused()
    expect(table.get_by_role("row").nth(1).get_by_role("cell")).to_have_text(["2", "3", "A-1", "Name", "Old", "New"])
    page.locator("[data-code=duplicates_differ]").get_by_role("button", name="Show the duplicates").click()
    expect(page.get_by_test_id("duplicates").locator("summary")).to_be_focused()
    check_accessible(page, "the duplicates of a result", narrow=True)


def test_quoted_parts_of_messages_are_shown_as_code(page: Page, site: Site) -> None:
    rows = "".join(f"A-{number},Lamp,`<b>`\n" for number in range(3))
    task_id = site.upload(f"sku,name,Status\n{rows}A-9,Bed,In stock\n", preview="true", mapping='{"Status": "active"}')
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "check")
    reasons = page.get_by_test_id("rejects-table").locator(".reject-reason > span")
    in_stock = page.get_by_test_id("rejects-table").locator(".reject-reason").filter(has_text="In stock")
    expect(in_stock.locator("code.quoted")).to_have_text("In stock")
    expect(in_stock).not_to_contain_text("`")
    expect(reasons.first).to_contain_text("<b>")
    expect(page.locator("b")).to_have_count(0)
    groups = page.get_by_test_id("reject-groups-table")
    expect(groups.locator(".reject-reason code.quoted").filter(has_text="In stock")).to_have_count(1)
    check_accessible(page, "messages with code")

    # The reason in the history, the banner and the log of a failed import.
    failed = site.upload("name,Text\nLamp,Bright\n", "no-sku.csv")
    site.wait_for_imports()
    page.goto(f"/#/imports/{failed}/result")
    expect_status(page, "failed")
    banner = page.get_by_test_id("banner-error")
    expect(banner.locator("code.quoted").first).to_have_text("sku")
    expect(banner).not_to_contain_text("`")
    expect(page.get_by_test_id("import-log")).not_to_contain_text("`")
    check_accessible(page, "a failed import with code")
    page.goto("/#/import")
    reason = page.get_by_test_id("failure-reason").filter(has_text="sku")
    expect(reason.locator("code.quoted").first).to_have_text("sku")
    assert "`" not in (reason.get_attribute("title") or "")
    check_accessible(page, "a history with code")
