"""Saved views: one person saves, changes and shares them, and others open them or find them gone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from support.axe import check_accessible
from support.browser import cell, expect_query, expect_skus, show_products
from support.team import Team


def choose(page: Page, testid: str) -> None:
    """Choose an action of the menu of views."""
    page.get_by_test_id("views").click()
    page.get_by_test_id(testid).click()


def open_view(page: Page, name: str) -> None:
    """Open a view from the menu."""
    page.get_by_test_id("views").click()
    page.get_by_role("menuitemradio", name=name, exact=True).click()


def save_view(page: Page, name: str, *, shared: bool) -> None:
    """Save the list as a new view."""
    choose(page, "view-save-as")
    page.get_by_test_id("view-name").fill(name)
    if shared:
        page.get_by_test_id("view-shared").check()
    page.get_by_test_id("view-ok").click()


def test_views_are_saved_shared_changed_and_deleted(team: Team) -> None:
    team.site.create_lamps(9)
    page = team.open("editor")
    page.set_viewport_size({"width": 1280, "height": 800})
    show_products(page, "active=false&sort_by=sku&sort_order=desc")
    expect_skus(page, "LAMP-008", "LAMP-006", "LAMP-004", "LAMP-002")
    name_heading = page.get_by_role("columnheader", name="Name")
    page.get_by_test_id("columns").click()
    page.get_by_test_id("column-name").click()
    expect(name_heading).to_have_count(0)
    page.keyboard.press("Escape")

    # A view needs a name. It keeps filters, order and columns, and the address names it.
    choose(page, "view-save-as")
    page.get_by_test_id("view-ok").click()
    expect(page.get_by_test_id("view-problem")).to_have_text("Give the view a name.")
    check_accessible(page, "the dialog of a view")
    page.get_by_test_id("view-name").fill("Sold out <b>")
    page.get_by_test_id("view-shared").check()
    page.get_by_test_id("view-ok").click()
    current, changed = page.get_by_test_id("view-current"), page.get_by_test_id("view-changed")
    expect(current).to_have_text("Sold out <b>")
    expect(changed).to_be_hidden()
    [(view_id,)] = team.site.sql("SELECT id FROM saved_views")
    expect_query(page, view=str(view_id), active="false", sort_by="sku", sort_order="desc")

    # Without the view, all columns are there. The view brings its own back, also after a reload.
    open_view(page, "All products")
    expect(page.get_by_test_id("product-row")).to_have_count(9)
    page.get_by_test_id("columns").click()
    page.get_by_test_id("column-name").click()
    expect(name_heading).to_have_count(1)
    page.keyboard.press("Escape")
    open_view(page, "Sold out <b>")
    expect_skus(page, "LAMP-008", "LAMP-006", "LAMP-004", "LAMP-002")
    expect(name_heading).to_have_count(0)
    page.reload()
    expect(current).to_have_text("Sold out <b>")
    expect(name_heading).to_have_count(0)
    expect(changed).to_be_hidden()
    # The grid can be reached although the column that had the focus is hidden.
    cell(page, "LAMP-008", "sku").focus()
    page.keyboard.press("ArrowRight")
    expect(cell(page, "LAMP-008", "description")).to_be_focused()

    # A change is shown, and can be discarded or saved.
    page.get_by_test_id("products-search").fill("8")
    expect_skus(page, "LAMP-008")
    expect(changed).to_be_visible()
    choose(page, "view-discard")
    expect_skus(page, "LAMP-008", "LAMP-006", "LAMP-004", "LAMP-002")
    expect(changed).to_be_hidden()
    page.get_by_test_id("products-search").fill("6")
    expect_skus(page, "LAMP-006")
    choose(page, "view-save")
    expect(changed).to_be_hidden()
    # Somebody else has changed the view since. Saving again replaces that.
    team.site.sql("UPDATE saved_views SET filter = '{}', updated_at = clock_timestamp()")
    page.get_by_test_id("products-search").fill("4")
    expect_skus(page, "LAMP-004")
    team.console.allow_status(412)
    choose(page, "view-save")
    expect(page.get_by_text("Someone else changed this view")).to_be_visible()
    choose(page, "view-save")
    expect(changed).to_be_hidden()
    expect(page.get_by_text("Someone else changed this view")).to_have_count(0)

    # The name is taken.
    team.console.allow_status(409)
    save_view(page, "SOLD OUT <b>", shared=True)
    expect(page.get_by_test_id("view-problem")).to_contain_text("There is already a view with the name")
    page.get_by_test_id("view-name").fill("Only mine")
    page.get_by_role("radio", name="Only you").check()
    page.get_by_test_id("view-ok").click()
    expect(current).to_have_text("Only mine")

    # A viewer opens the shared view by its link, cannot change it, and has views, too.
    viewer = team.open("viewer")
    viewer.goto(f"/#/products/views/{view_id}")
    expect(viewer.get_by_test_id("view-current")).to_have_text("Sold out <b>")
    expect_skus(viewer, "LAMP-004")
    viewer.get_by_test_id("views").click()
    expect(viewer.get_by_test_id("view")).to_have_text(["All products", "Sold out <b>"])
    for testid in ("view-save", "view-rename", "view-delete"):
        expect(viewer.get_by_test_id(testid)).to_have_count(0)
    check_accessible(viewer, "the views of a viewer")
    viewer.get_by_test_id("view-save-as").click()
    expect(viewer.get_by_test_id("view-shared")).to_have_count(0)
    viewer.get_by_test_id("view-name").fill("Checked by Vera")
    viewer.get_by_test_id("view-ok").click()
    expect(viewer.get_by_test_id("view-current")).to_have_text("Checked by Vera")
    open_view(viewer, "Sold out <b>")
    expect(viewer.get_by_test_id("view-current")).to_have_text("Sold out <b>")

    # The editor deletes the view that the viewer has open: the filters stay.
    open_view(page, "Sold out <b>")
    choose(page, "view-delete")
    page.get_by_test_id("confirm-ok").click()
    expect(current).to_have_text("Views")
    viewer.get_by_test_id("views").click()
    expect(viewer.get_by_text("This view does not exist any more")).to_be_visible()
    expect(viewer.get_by_test_id("view-current")).to_have_text("Views")
    expect_query(viewer, q="4", active="false", sort_by="sku", sort_order="desc")
    viewer.keyboard.press("Escape")
    viewer.goto(f"/#/products/views/{view_id}")
    expect(viewer.get_by_text("This view does not exist any more")).to_be_visible()
    expect(viewer.get_by_test_id("product-row")).to_have_count(9)

    # A filter that is not valid any more says so.
    team.site.sql('UPDATE saved_views SET filter = \'{"q": "LAMP-00", "price": 3}\' WHERE owner_id IS NOT NULL')
    page.reload()
    open_view(page, "Only mine")
    expect(page.get_by_text("is not valid any more")).to_be_visible()
    page.get_by_test_id("views").click()
    check_accessible(page, "the menu of views")
    expect(page).to_have_url(re.compile("view="))
