"""The product list: search, filters, sorting, pages, and the empty and error states."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, Route, expect

from support.axe import check_accessible
from support.browser import LIST, NARROW, Console, Site, cell, expect_query, expect_skus, row, show_products, wait_until

HOSTILE = "<img src=x onerror=document.title='hacked'>"
# Arabic, Hebrew, and a direction override without its end.
RIGHT_TO_LEFT = ("مصباح مكتبي", "מנורת שולחן", "\u202egnp.pmal")


def total(page: Page, text: str) -> None:
    """Wait until the heading shows this number of products."""
    expect(page.get_by_test_id("products-total")).to_have_text(text)


# Pages


def test_the_address_holds_the_page(page: Page, site: Site) -> None:
    site.create_lamps(130)
    show_products(page)
    total(page, "130")
    rows = page.get_by_test_id("product-row")
    expect(rows).to_have_count(50)
    expect(page.get_by_test_id("page-previous")).to_have_attribute("aria-disabled", "true")
    page.get_by_test_id("page-next").click()
    expect(rows.first).to_contain_text("LAMP-051")
    expect_query(page, page="2")
    page.get_by_test_id("page-number").fill("3")
    page.keyboard.press("Enter")
    expect(rows.first).to_contain_text("LAMP-101")
    expect(rows).to_have_count(30)
    expect(page.get_by_test_id("page-next")).to_have_attribute("aria-disabled", "true")
    page.reload()
    expect(rows.first).to_contain_text("LAMP-101")
    expect(page.get_by_test_id("page-number")).to_have_value("3")
    page.go_back()
    expect(rows.first).to_contain_text("LAMP-051")
    page.get_by_test_id("page-previous").click()
    expect(rows.first).to_contain_text("LAMP-001")
    page.go_back()
    expect(rows.first).to_contain_text("LAMP-051")
    page.go_forward()
    expect(rows.first).to_contain_text("LAMP-001")

    # A new page size starts at the first page.
    page.get_by_test_id("page-next").click()
    expect(rows.first).to_contain_text("LAMP-051")
    page.get_by_test_id("page-size").select_option("100")
    expect(rows).to_have_count(100)
    expect_query(page, per_page="100")


def test_a_page_after_the_last_shows_the_last(page: Page, site: Site) -> None:
    site.create_lamps(60)
    show_products(page, "page=99")
    expect(page.get_by_test_id("product-row")).to_have_count(10)
    expect_query(page, page="2")


def test_an_estimated_total_says_so_and_has_a_next_page(page: Page, site: Site) -> None:
    site.create_lamps(60)

    def estimate(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["pagination"] |= {"total": 123_000, "total_is_estimate": True, "pages": 2460}
        route.fulfill(response=answer, json=body)

    page.route(LIST, estimate)
    show_products(page)
    total(page, "about 123,000")
    expect(page.get_by_test_id("products-total")).to_have_attribute("data-estimate", "true")
    page.get_by_test_id("select-page").check()
    expect(page.get_by_test_id("select-all-matching")).to_have_text("Select all about 123,000")
    page.get_by_test_id("page-next").click()
    expect(page.get_by_test_id("product-row").first).to_contain_text("LAMP-051")


# Sorting


def test_a_heading_sorts_ascending_then_descending_then_not_at_all(page: Page, site: Site) -> None:
    site.create_products({"sku": "b", "name": "1"}, {"sku": "C", "name": "3"}, {"sku": "A", "name": "2"})
    show_products(page)
    heading = page.get_by_role("columnheader", name="SKU")
    expect(heading).to_have_attribute("aria-sort", "none")
    expect_skus(page, "b", "C", "A")
    page.get_by_test_id("sort-sku").click()
    expect_skus(page, "A", "b", "C")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    expect_query(page, sort_by="sku")
    page.get_by_test_id("sort-sku").click()
    expect_skus(page, "C", "b", "A")
    expect(heading).to_have_attribute("aria-sort", "descending")
    expect_query(page, sort_by="sku", sort_order="desc")
    page.reload()
    expect_skus(page, "C", "b", "A")
    page.get_by_test_id("sort-sku").click()
    expect_skus(page, "b", "C", "A")
    expect(heading).to_have_attribute("aria-sort", "none")
    expect_query(page)
    page.get_by_test_id("sort-name").click()
    expect_skus(page, "b", "A", "C")
    check_accessible(page, "sorted products")


def test_equal_rows_keep_their_order_and_the_latest_change_comes_first(page: Page, site: Site) -> None:
    site.create_products(*({"sku": sku, "active": sku != "two"} for sku in ("one", "two", "three", "four")))
    show_products(page, "sort_by=name")
    expect_skus(page, "one", "two", "three", "four")
    page.get_by_test_id("sort-active").click()
    expect_skus(page, "two", "one", "three", "four")
    site.sql("UPDATE products SET name = 'new', updated_at = clock_timestamp() WHERE sku = 'three'")
    page.get_by_test_id("sort-updated_at").click()
    expect(page.get_by_role("columnheader", name="Updated")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_test_id("cell-sku").first).to_have_text("three")
    page.get_by_test_id("sort-updated_at").click()
    expect(page.get_by_test_id("cell-sku").last).to_have_text("three")


def test_a_new_sorting_starts_at_the_first_page(page: Page, site: Site) -> None:
    site.create_lamps(60)
    show_products(page, "page=2")
    page.get_by_test_id("sort-sku").click()
    page.get_by_test_id("sort-sku").click()
    expect(page.get_by_test_id("product-row").first).to_contain_text("LAMP-060")
    expect_query(page, sort_by="sku", sort_order="desc")


# Search and filters


def test_the_search_covers_sku_name_and_description_and_is_in_the_address(page: Page, site: Site) -> None:
    site.create_products(
        {"sku": "OAK-1"}, {"sku": "B-1", "name": "Oak table"}, {"sku": "C-1", "description": "of oak"}, {"sku": "ELM"}
    )
    show_products(page)
    page.get_by_test_id("products-search").fill("oak")
    expect_skus(page, "OAK-1", "B-1", "C-1")
    total(page, "3")
    expect_query(page, q="oak")
    page.reload()
    expect_skus(page, "OAK-1", "B-1", "C-1")
    expect(page.get_by_test_id("products-search")).to_have_value("oak")
    page.get_by_test_id("products-search").press("Escape")
    total(page, "4")
    expect_query(page)
    page.go_back()
    total(page, "3")
    expect(page.get_by_test_id("products-search")).to_have_value("oak")


def test_words_are_highlighted_and_passages_of_descriptions_shown(page: Page, site: Site) -> None:
    filler = "Lorem ipsum dolor sit amet. " * 20
    site.create_products(
        {"sku": "OAK-1", "name": "Oaken <b>LAMP</b>", "description": f"{filler}A lamp of bog oak for desks. {filler}"},
        {"sku": "OAK-2", "name": "Lamp", "description": f"Short oak text. {filler}"},
        {"sku": "OAK-3", "name": "Wooden lamp", "description": "of oak"},
    )
    show_products(page)
    search = page.get_by_test_id("products-search")
    hint = page.get_by_test_id("search-hint")
    expect(hint).to_be_hidden()
    search.focus()
    expect(hint).to_be_visible()
    expect(search).to_have_accessible_description(re.compile("exact text.*leaves products out"))
    check_accessible(page, "the hint of the search")
    search.fill('lamp oak -wooden "mp"')
    expect(hint).to_be_hidden()
    expect_skus(page, "OAK-1", "OAK-2")
    expect(cell(page, "OAK-1", "sku").locator("mark")).to_have_text(["OAK"])
    # "lamp" and "mp" overlap. Nothing of a text becomes HTML.
    expect(cell(page, "OAK-1", "name").locator("mark")).to_have_text(["Oak", "LAMP"])
    expect(cell(page, "OAK-1", "name")).to_have_text("Oaken <b>LAMP</b>")
    passage = cell(page, "OAK-1", "description")
    expect(passage).to_have_text(re.compile(r"^….*A lamp of bog oak for desks\."))
    expect(passage.locator("mark").first).to_be_in_viewport()
    check_accessible(page, "highlighted words")
    page.emulate_media(color_scheme="dark")
    check_accessible(page, "highlighted words, dark")

    # The width of the column decides whether a match is in view.
    search.fill("oak ipsum amet -bog")
    description = cell(page, "OAK-2", "description")
    expect(description).to_have_text(re.compile("^Short oak text"))
    page.set_viewport_size({"width": 1000, "height": 740})
    expect(description).to_have_text(re.compile("^Short oak text. Lorem ipsum"))
    search.press("Escape")
    expect(page.locator("mark")).to_have_count(0)
    expect(cell(page, "OAK-1", "description")).to_have_text(re.compile("^Lorem ipsum"))


def test_percent_and_underscore_are_plain_characters_in_a_search(page: Page, site: Site) -> None:
    site.create_products(
        {"sku": "A_1"}, {"sku": "AB1"}, {"sku": "C-1", "name": "100% wool"}, {"sku": "D-1", "name": "100 wool"}
    )
    show_products(page)
    page.get_by_test_id("products-search").fill("a_1")
    expect_skus(page, "A_1")
    page.get_by_test_id("products-search").fill("100%")
    expect_skus(page, "C-1")


def test_filters_combine_and_each_can_be_removed(page: Page, site: Site) -> None:
    site.create_lamps(20)
    site.create_products({"sku": "SHADE-1", "name": "Shade of lamp 1", "description": "Paper"})
    show_products(page)
    expect(page.get_by_test_id("filter-sku")).to_be_hidden()
    page.get_by_test_id("filters-toggle").click()
    expect(page.get_by_test_id("filter-sku")).to_be_focused()
    check_accessible(page, "open filters")
    page.get_by_test_id("filter-name").fill("lamp 1")
    total(page, "12")
    page.get_by_test_id("filter-sku").fill("lamp-")
    total(page, "11")
    # Text typed before a quick second filter is not lost.
    page.get_by_test_id("filter-description").press_sequentially("room 1")
    page.keyboard.press("Shift+Tab")
    page.get_by_test_id("filter-active").select_option("true")
    expect_skus(page, "LAMP-001", "LAMP-011", "LAMP-013", "LAMP-015", "LAMP-017", "LAMP-019")
    expect(page).to_have_url(re.compile("active=true"))
    expect(page.get_by_test_id("filter-chip")).to_have_count(4)
    check_accessible(page, "filtered products", narrow=True)

    page.reload()
    total(page, "6")
    expect(page.get_by_test_id("filter-sku")).to_have_value("lamp-")
    chip = page.locator("[data-testid=filter-chip][data-filter=active]")
    chip.get_by_role("button").click()
    total(page, "11")
    expect(chip).to_have_count(0)
    page.get_by_test_id("clear-filters").click()
    total(page, "21")
    expect_query(page)
    expect(page.get_by_test_id("products-search")).to_be_focused()


def test_an_address_opens_with_its_filters(page: Page, site: Site) -> None:
    site.create_lamps(20)
    show_products(page, "sku=LAMP-01&active=false&sort_by=sku&sort_order=desc&unknown=1")
    expect_skus(page, "LAMP-018", "LAMP-016", "LAMP-014", "LAMP-012", "LAMP-010")
    expect(page.get_by_test_id("filter-sku")).to_be_visible()
    expect(page.get_by_test_id("filter-sku")).to_have_value("LAMP-01")
    expect(page.get_by_test_id("filter-active")).to_have_value("false")


def test_a_new_filter_starts_at_the_first_page(page: Page, site: Site) -> None:
    site.create_lamps(120)
    show_products(page, "page=2")
    page.get_by_test_id("filter-active").select_option("true")
    total(page, "60")
    expect(page.get_by_test_id("product-row").first).to_contain_text("LAMP-001")
    expect_query(page, active="true")


# Empty, loading and failing


def test_an_empty_catalogue_says_how_to_fill_it(page: Page) -> None:
    show_products(page)
    empty = page.get_by_test_id("empty-products")
    expect(empty).to_contain_text("No products yet")
    check_accessible(page, "no products", narrow=True)
    page.set_viewport_size(NARROW)
    empty.get_by_role("button", name="New product").click()
    expect(page.get_by_test_id("product-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    empty.get_by_role("link", name="Import products").click()
    expect(page.get_by_test_id("drop-zone")).to_be_visible()


def test_a_filter_that_nothing_matches_says_so(page: Page, site: Site) -> None:
    site.create_lamps(3)
    show_products(page, "q=sofa")
    expect(page.get_by_test_id("nothing-matches")).to_be_visible()
    total(page, "0")
    expect(page.get_by_test_id("clear-filters")).to_have_count(1)
    check_accessible(page, "nothing matches")
    page.get_by_test_id("clear-filters").click()
    total(page, "3")
    expect(page.get_by_test_id("nothing-matches")).to_have_count(0)


def test_skeletons_show_before_the_first_response_and_rows_until_the_next(page: Page, site: Site) -> None:
    site.create_lamps(3)
    held: list[Route] = []
    page.route(LIST, lambda route: held.append(route))

    def release(part_of_url: str) -> None:
        wait_until(page, lambda: any(part_of_url in route.request.url for route in held))
        while held:
            held.pop().continue_()

    page.goto("/#/products")
    expect(page.get_by_test_id("skeleton-row").first).to_be_visible()
    check_accessible(page, "skeletons")
    release("page=1")
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")
    expect(page.get_by_test_id("skeleton-row")).to_have_count(0)
    page.get_by_test_id("sort-sku").click()
    page.get_by_test_id("sort-sku").click()
    wait_until(page, lambda: any("desc" in route.request.url for route in held))
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")
    expect(page.get_by_test_id("skeleton-row")).to_have_count(0)
    release("desc")
    expect_skus(page, "LAMP-003", "LAMP-002", "LAMP-001")


def test_a_server_error_stays_until_the_user_retries(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    site.create_lamps(3)
    body = {"error": "Something went wrong.", "code": "internal_error", "status": 500}
    page.route(LIST, lambda route: route.fulfill(status=500, json=body))
    page.goto("/#/products")
    banner = page.get_by_test_id("banner-error")
    expect(banner).to_contain_text("Something went wrong.")
    expect(page.get_by_test_id("skeleton-row")).to_have_count(0)
    check_accessible(page, "the server fails")
    with page.expect_response(LIST):
        banner.get_by_role("button", name="Try again").click()
    expect(banner).to_have_count(1)
    page.unroute(LIST)
    banner.get_by_role("button", name="Try again").click()
    expect_skus(page, "LAMP-001", "LAMP-002", "LAMP-003")
    expect(banner).to_have_count(0)


def test_an_error_can_be_dismissed(page: Page, site: Site, console: Console) -> None:
    console.allow_status(500)
    site.create_lamps(3)
    show_products(page)
    page.route(LIST, lambda route: route.fulfill(status=500, body="<h1>Oops</h1>"))
    page.get_by_test_id("sort-sku").click()
    banner = page.get_by_test_id("banner-error")
    expect(banner).to_contain_text("could not be loaded")
    # The earlier rows stay readable.
    expect(page.get_by_test_id("product-row")).to_have_count(3)
    banner.get_by_role("button", name="Dismiss").click()
    expect(banner).to_have_count(0)


def test_the_page_waits_for_an_unreachable_server(page: Page, site: Site, console: Console) -> None:
    console.allow("net::ERR_FAILED")
    site.create_lamps(3)
    show_products(page)
    page.route("**/api/**", lambda route: route.abort())
    page.get_by_test_id("sort-sku").click()
    banner = page.get_by_test_id("banner-warning")
    expect(banner).to_contain_text("The server cannot be reached")
    with page.expect_request("**/api/health"):
        banner.get_by_role("button", name="Retry now").click()
    check_accessible(page, "the server is away")
    site.create_products({"sku": "AWAY"})
    page.unroute("**/api/**")
    expect(row(page, "AWAY")).to_be_visible()
    expect(banner).to_have_count(0)


# Texts


@pytest.mark.parametrize("text", [HOSTILE, "'\"><script>document.title='hacked'</script>", *RIGHT_TO_LEFT])
def test_texts_are_shown_unchanged_everywhere(page: Page, site: Site, text: str) -> None:
    site.create_products({"sku": text, "name": text, "description": text})
    show_products(page, f"sku={quote(text)}")
    for column in ("sku", "name", "description"):
        expect(page.get_by_test_id(f"cell-{column}")).to_have_text(text)
    expect(page.get_by_test_id("filter-chip")).to_contain_text(text)
    page.get_by_test_id("product-open").click()
    dialog = page.get_by_test_id("product-dialog")
    expect(dialog.get_by_role("heading", level=2)).to_have_text(text)
    expect(dialog.get_by_test_id("field-name")).to_have_value(text)
    dialog.get_by_test_id("product-delete").click()
    # The column shows forty characters.
    expect(page.get_by_test_id("toast")).to_contain_text(text[:35])
    expect(page.locator("main img, main script, .toasts img")).to_have_count(0)
    assert page.title() == "Products · Acme Product Importer"


def test_right_to_left_text_does_not_affect_its_neighbours(page: Page, site: Site) -> None:
    arabic, latin = RIGHT_TO_LEFT[0], "Desk lamp"
    site.create_products({"sku": "A-1", "name": arabic, "description": latin})
    show_products(page)
    for column, text, direction in (("name", arabic, "rtl"), ("description", latin, "ltr")):
        expect(cell(page, "A-1", column).get_by_text(text)).to_have_css("direction", direction)
    cell(page, "A-1", "name").dblclick()
    expect(page.get_by_test_id("cell-editor")).to_have_css("direction", "rtl")
    check_accessible(page, "right-to-left text")
