"""The accessibility check itself, screens without other tests, and narrow windows."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from support.axe import check_accessible, violations
from support.browser import NARROW, Console, Site, cell, row, show_products
from support.layout import find_layout_faults

PALE = """<!doctype html><html lang="en"><head><title>Pale</title>
<style>@media (prefers-color-scheme: dark) {{ p {{ color: {dark}; background: #222; }} }}</style></head>
<body><main><h1>Pale</h1><p>Words</p>{more}</main></body></html>"""

UNFIT = """<style>.wide { position: relative; width: 500px; height: 20px } .far { position: absolute; left: 450px }
.box { position: relative; width: 100px; height: 40px } .cover { position: absolute; inset: 0 }
.shut { width: 20px; overflow: hidden } .cut { width: 40px; overflow: hidden; white-space: nowrap }
.two { margin-left: -8px } body { margin: 0 }</style>
<header class="app-header"><a href="#1">one</a><a href="#2" class="two">two</a></header>
<div class="wide"><button class="far">far</button></div>
<div class="box"><button>hidden</button><div class="cover"></div></div>
<div class="shut"><button>shut</button></div><button class="cut">a long word</button>"""


def test_axe_finds_and_names_violations(page: Page) -> None:
    page.set_content(PALE.format(dark="#fff", more="<img src='data:,'><button style='width:9px;height:9px'></button>"))
    found = {violation["id"] for violation in violations(page)}
    assert {"image-alt", "button-name"} <= found
    with pytest.raises(pytest.fail.Exception, match=r"(?s)a bad page, light: image-alt.*critical.*<img src="):
        check_accessible(page, "a bad page")


def test_axe_finds_violations_of_the_dark_theme_alone(page: Page) -> None:
    page.set_content(PALE.format(dark="#333", more=""))
    for name in ("one", "two"):
        with pytest.raises(pytest.fail.Exception, match=rf"page {name}(, 360 px)?, dark: color-contrast"):
            check_accessible(page, f"page {name}", narrow=True)


def test_axe_finds_targets_that_are_too_small(page: Page) -> None:
    small = "<button style='width:9px;height:9px;padding:0;border:0'>a</button>"
    page.set_content(PALE.format(dark="#fff", more=small * 2))
    assert "target-size" in {violation["id"] for violation in violations(page)}


def test_axe_accepts_a_page_without_violations(page: Page) -> None:
    page.set_content(PALE.format(dark="#fff", more=""))
    check_accessible(page, "a good page")


def test_the_layout_check_finds_what_does_not_fit(page: Page) -> None:
    page.set_content(PALE.format(dark="#fff", more=UNFIT))
    found = [fault for fault in find_layout_faults(page) if fault.startswith("320 px")]
    for words in (
        "The page is 500 px wide: div.wide",
        'button.far "far" is not in the window: it is at 450 to',
        'button "hidden" is covered by div.cover',
        'button "shut" is not in the window: div.shut',
        'The text of button.cut "a long word" is cut',
        'In the header, a "one" overlaps a.two "two"',
    ):
        assert [fault for fault in found if words in fault], (words, found)
    assert len(found) == 6, found
    page.set_content(PALE.format(dark="#fff", more="<div class='table-scroll'><button>ok</button></div>"))
    assert find_layout_faults(page) == []


def test_the_help_is_accessible(page: Page) -> None:
    page.goto("/#/import")
    expect(page.get_by_text("No imports yet")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Help")).to_be_visible()
    check_accessible(page, "the help")


def test_the_chosen_theme_survives_a_reload(page: Page) -> None:
    page.goto("/#/import")
    expect(page.get_by_text("No imports yet")).to_be_visible()
    body = page.locator("body")
    background = "element => getComputedStyle(element).backgroundColor"
    light = body.evaluate(background)
    page.emulate_media(color_scheme="dark")
    expect(body).not_to_have_css("background-color", light)
    page.get_by_role("radio", name="Theme: light").check(force=True)
    expect(body).to_have_css("background-color", light)
    page.reload()
    expect(page.get_by_text("No imports yet")).to_be_visible()
    expect(body).to_have_css("background-color", light)
    assert violations(page) == []

    page.emulate_media(color_scheme="light")
    page.get_by_role("radio", name="Theme: dark").check(force=True)
    expect(body).not_to_have_css("background-color", light)
    assert violations(page) == []
    page.get_by_role("radio", name="Theme: as the system").check(force=True)
    expect(body).to_have_css("background-color", light)


def test_the_api_documentation_is_accessible(page: Page, console: Console) -> None:
    console.allow_status(503)
    page.route("**/api/openapi.json", lambda route: route.fulfill(status=503), times=1)
    page.goto("/api/docs")
    expect(page.get_by_role("alert")).to_be_visible()
    check_accessible(page, "the documentation that could not be loaded")
    page.reload()
    expect(page.locator("#listProducts")).to_be_visible()
    check_accessible(page, "the documentation")
    page.locator("#changeProduct summary").first.click()
    page.set_viewport_size(NARROW)
    # The page has so many elements that each run takes seconds.
    assert violations(page, part="#changeProduct") == []


def test_the_table_and_its_menus_are_accessible(page: Page, site: Site) -> None:
    site.create_lamps(10)
    show_products(page)
    check_accessible(page, "products")
    menus = (("export", "export-csv"), ("products-menu", "delete-all"), ("columns", "column-name"), ("views", "view"))
    for menu, item in menus:
        page.get_by_test_id(menu).click()
        expect(page.get_by_test_id(item)).to_be_focused()
        check_accessible(page, f"the menu {menu}")
        page.keyboard.press("Escape")
        # Narrow windows, through which the check went, do not have the button of the columns.
        if menu != "columns":
            expect(page.get_by_test_id(menu)).to_be_focused()


def test_everything_can_be_reached_at_360_px(page: Page, site: Site) -> None:
    page.set_viewport_size(NARROW)
    site.create_lamps(3)
    long = "X" * 200
    site.create_products({"sku": long, "name": long, "description": long})
    show_products(page)
    expect(page.get_by_test_id("product-row")).to_have_count(4)
    check_accessible(page, "products, 360 px")
    for button in ("new-product", "export", "products-menu", "filters-toggle", "page-next"):
        expect(page.get_by_test_id(button)).to_be_in_viewport(ratio=1)
    page.get_by_test_id("export").click()
    expect(page.get_by_test_id("export-csv-gz")).to_be_in_viewport(ratio=1)
    check_accessible(page, "the menu export, 360 px")
    page.keyboard.press("Escape")

    row(page, "LAMP-001").get_by_test_id("select-row").check()
    for button in ("activate", "deactivate", "set", "delete"):
        expect(page.get_by_test_id(f"bulk-{button}")).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Deactivate 1 product")).to_be_visible()
    check_accessible(page, "the action bar, 360 px")
    page.get_by_test_id("clear-selection").click()

    # A tap opens the dialog, because cells have no room for editors.
    cell(page, "LAMP-001", "name").click()
    expect(page.get_by_test_id("product-dialog").get_by_test_id("field-sku")).to_have_value("LAMP-001")
    expect(page.get_by_test_id("product-save")).to_be_in_viewport(ratio=1)
    check_accessible(page, "the dialog, 360 px")
    page.keyboard.press("Escape")
    page.get_by_test_id("filters-toggle").click()
    page.get_by_test_id("filter-description").fill("room 2")
    expect(page.get_by_test_id("product-row")).to_have_count(1)
    assert find_layout_faults(page) == []
