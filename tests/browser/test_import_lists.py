"""The lists of an import: what its check would do with each row, and what its result did with the products."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.axe import check_accessible
from support.browser import NARROW, Site, expect_counts, expect_status, expect_step


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
    expect(table.locator("tbody tr")).to_have_count(count)
    expect(table).to_contain_text("LAMP-001")
    expect(table).to_contain_text("This product no longer exists." if missing == "delete" else "Inactive")
    check_accessible(page, f"a result with products {change}")
    page.set_viewport_size(NARROW)
    page.get_by_test_id("affected").evaluate("panel => panel.scrollIntoView()")
    check_accessible(page, f"a result with products {change}, 360 px")
    assert page.evaluate("() => document.documentElement.scrollWidth") == NARROW["width"]

    page.get_by_test_id("undo-import").click()
    dialog = page.get_by_role("alertdialog")
    effect = "restored" if missing == "delete" else "active again"
    expect(dialog).to_contain_text(f"{count} that it {change} are {effect}.")
    dialog.get_by_role("button", name="Undo the import").click()
    expect(page.get_by_text("This undoes the import of products.csv.")).to_be_visible()
    expect_step(page, "result")
    expect_status(page, "completed")
    assert site.sql("SELECT sku FROM products WHERE active ORDER BY sku") == [("LAMP-001",), ("LAMP-003",)]
