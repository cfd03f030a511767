"""The columns of the product table: sorting by the whole heading, their widths, and the caret of an editor."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, Page, expect

from support.browser import NARROW, Site, cell, expect_query, row, show_products, wait_for_value

LONG_SKU = "PALLET-OF-DESK-LAMPS-WITH-DIMMER-AND-SPARE-BULB-0001"
IS_CUT = "text => text.scrollWidth > text.clientWidth"


def test_columns_fit_their_content_sort_by_the_whole_heading_and_keep_their_width(page: Page, site: Site) -> None:
    site.create_products(
        {"sku": LONG_SKU, "name": "Pallet"}, {"sku": "A-1", "name": "Lamp", "description": "Long " * 90}
    )
    page.set_viewport_size({"width": 1440, "height": 800})
    show_products(page)
    sku = cell(page, LONG_SKU, "sku").locator(".cell-text")
    assert not sku.evaluate(IS_CUT)
    heading = page.get_by_role("columnheader", name="SKU")

    # A click far from the label sorts.
    width = width_of(heading)
    heading.click(position={"x": width - 20, "y": 30})
    expect_query(page, sort_by="sku")
    expect(heading).to_have_attribute("aria-sort", "ascending")

    # Dragging the border changes the width and sorts by nothing; a reload keeps it.
    handle = page.get_by_test_id("width-sku")
    box = handle.bounding_box()
    assert box
    page.mouse.move(box["x"] + 12, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 12 - 150, box["y"] + 10, steps=3)
    page.mouse.up()
    expect_width(handle, heading, width - 150)
    expect(heading).to_have_attribute("aria-sort", "ascending")
    page.reload()
    expect(row(page, LONG_SKU)).to_be_visible()
    expect_width(handle, heading, width - 150)
    assert sku.evaluate(IS_CUT)

    # The keyboard changes it, too, and both Enter and a double click fit it.
    handle.press("ArrowLeft")
    handle.press("ArrowRight")
    handle.press("ArrowRight")
    expect_width(handle, heading, width - 134)
    handle.press("Enter")
    expect_width(handle, heading, width)
    assert not sku.evaluate(IS_CUT)
    handle.press("ArrowLeft")
    expect_width(handle, heading, width - 16)
    handle.dblclick()
    expect_width(handle, heading, width)
    description = page.get_by_test_id("width-description")
    description.dblclick()
    expect_width(description, page.get_by_role("columnheader", name="Description"), 800)
    assert set(json.loads(page.evaluate("localStorage.getItem('product-columns')"))) == {"sku", "description"}

    # The table then scrolls within its card, and narrow windows ignore the widths.
    page.set_viewport_size(NARROW)
    expect(handle).to_be_hidden()
    assert page.evaluate("document.querySelector('.table-scroll').scrollWidth") <= NARROW["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


def test_typing_into_a_cell_that_was_opened_adds_to_its_text(page: Page, site: Site) -> None:
    site.create_lamps(1)
    show_products(page)
    name = cell(page, "LAMP-001", "name")
    name.dblclick()
    page.keyboard.type(" of brass")
    page.keyboard.press("Tab")
    page.keyboard.type(", dimmed")
    page.keyboard.press("Enter")
    expect(name).to_have_text("Lamp 1 of brass")
    name.press("F2")
    page.keyboard.type("!")
    page.keyboard.press("Enter")
    wait_for_value("the name", lambda: (site.product("LAMP-001") or {})["name"], "Lamp 1 of brass!")
    wait_for_value("the description", lambda: (site.product("LAMP-001") or {})["description"], "Lights room 1, dimmed")


def expect_width(handle: Locator, heading: Locator, width: float) -> None:
    """Wait until a column has this width, also for screen readers."""
    expect(handle).to_have_attribute("aria-valuenow", str(round(width)))
    assert width_of(heading) == pytest.approx(width, abs=1)


def width_of(heading: Locator) -> float:
    """Return the width of a heading in pixels."""
    width: float = heading.evaluate("heading => heading.getBoundingClientRect().width")
    return width
