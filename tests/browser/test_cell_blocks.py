"""Blocks of cells in the product list: select, copy, paste, cut and clear them, and undo that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from support.axe import check_accessible
from support.browser import Console, Site, cell, row, show_products, wait_for_value
from support.browser_contexts import ContextPool

# What a spreadsheet would put into the clipboard, or read from it.
WRITE = "text => navigator.clipboard.writeText(text)"
READ = """async () => {
    const [item] = await navigator.clipboard.read();
    return await (await item.getType('text/html')).text();
}"""

# Paste a text and an HTML text, as another program leaves them in the clipboard.
PASTE = """([text, html]) => {
    const clipboardData = new DataTransfer();
    if (text) clipboardData.setData('text/plain', text);
    clipboardData.setData('text/html', html);
    const event = new ClipboardEvent('paste', {clipboardData, bubbles: true, cancelable: true});
    document.activeElement.dispatchEvent(event);
}"""


@pytest.fixture
def page(contexts: ContextPool, site: Site, console: Console) -> Iterator[Page]:
    """A page that may use the clipboard, as a test needs to look into it."""
    with contexts.borrow(site.address) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.address)
        page = context.new_page()
        console.watch(page)
        yield page
    console.check()


def paste(page: Page, text: str) -> None:
    """Paste a text into the focused cell."""
    page.evaluate(WRITE, text)
    page.keyboard.press("Control+v")


def block(page: Page) -> Locator:
    """Return the cells of the block."""
    return page.locator("td[aria-selected=true]")


def read_names(site: Site) -> list[str]:
    """Return the names of all products, by id."""
    return [name for (name,) in site.sql("SELECT name FROM products ORDER BY id")]


def test_a_block_is_selected_copied_and_pasted_with_one_undo(page: Page, site: Site) -> None:
    site.create_products(*({"sku": f"S-{n}", "name": f"n{n}", "description": f"d{n}"} for n in range(1, 7)))
    show_products(page)
    toast = page.get_by_test_id("toast").last
    requests: list[Any] = []
    page.on("request", lambda request: requests.append(request) if request.method in {"POST", "PUT"} else None)
    # From the keyboard, and with the mouse.
    cell(page, "S-1", "name").click()
    for key in ("Shift+ArrowDown", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowLeft"):
        page.keyboard.press(key)
    expect(block(page)).to_have_text(["n1", "d1", "n2", "d2"])
    expect(cell(page, "S-1", "name")).to_be_focused()
    check_accessible(page, "a block of cells")
    page.keyboard.press("Control+c")
    expect(toast).to_have_text("2 rows × 2 columns copied")
    assert page.evaluate("navigator.clipboard.readText()") == "n1\td1\nn2\td2"
    assert page.evaluate(READ).count("<td") == 4
    page.keyboard.press("Escape")
    expect(block(page)).to_have_count(0)
    cell(page, "S-3", "name").click()
    page.keyboard.press("Control+v")
    expect(toast).to_contain_text("2 products changed")
    expect(cell(page, "S-4", "description")).to_have_text("d2")
    expect(row(page, "S-4")).to_have_attribute("data-state", "saved")
    assert [request.url.rpartition("/api/")[2] for request in requests] == ["products/edits"]
    cell(page, "S-5", "name").click()
    cell(page, "S-6", "description").click(modifiers=["Shift"])
    expect(block(page)).to_have_text(["n5", "d5", "n6", "d6"])
    # One cell fills the block, and clearing empties it.
    paste(page, "x")
    expect(cell(page, "S-6", "description")).to_have_text("x")
    page.keyboard.press("Delete")
    expect(cell(page, "S-6", "description")).to_have_text("")
    wait_for_value("names", lambda: read_names(site), ["n1", "n2", "n1", "n2", "", ""])
    for names in (["n1", "n2", "n1", "n2", "x", "x"], ["n1", "n2", "n1", "n2", "n5", "n6"]):
        page.keyboard.press("Control+z")
        expect(toast).to_have_text("2 products are as they were")
        wait_for_value("names", lambda: read_names(site), names)
    page.keyboard.press("Control+y")
    expect(cell(page, "S-5", "name")).to_have_text("x")
    # A drag, and Ctrl+X.
    cell(page, "S-1", "sku").hover()
    page.mouse.down()
    cell(page, "S-1", "name").hover()
    cell(page, "S-2", "name").hover()
    page.mouse.up()
    expect(block(page)).to_have_text(["S-1", "n1", "S-2", "n2"])
    page.keyboard.press("Control+x")
    expect(cell(page, "S-2", "name")).to_have_text("")
    assert page.evaluate("navigator.clipboard.readText()") == "S-1\tn1\nS-2\tn2"
    page.keyboard.press("Control+a")
    expect(block(page)).to_have_count(30)


def test_a_paste_says_what_it_could_not_do(page: Page, site: Site, console: Console) -> None:
    site.create_products(*({"sku": f"S-{n:02}", "name": f"n{n}"} for n in range(1, 31)))
    show_products(page, "per_page=25")
    warning = page.get_by_test_id("banner-warning")
    cell(page, "S-01", "sku").click()
    # A taken SKU, an empty one, one that somebody else has changed meanwhile, and a name with quotes and a line break.
    site.sql("UPDATE products SET name = 'theirs', updated_at = now() WHERE sku = 'S-03'")
    paste(page, 'S-30\tn1\n\tn2 new\nS-3x\tn3 new\nS-4x\t"n4 ""new""\nline"\n')
    expect(warning).to_contain_text("3 of 4 products did not get all of their values.")
    expect(page.get_by_test_id("toast").last).to_contain_text("2 products changed")
    expect(cell(page, "S-02", "name")).to_have_text("n2 new")
    expect(cell(page, "S-03", "name")).to_have_text("theirs")
    expect(row(page, "S-01")).to_have_attribute("data-state", "failed")
    assert (site.product("S-4x") or {})["name"] == 'n4 "new"\nline'
    warning.get_by_role("button", name="Show").click()
    expect(page.get_by_test_id("paste-refusals").get_by_role("listitem")).to_contain_text(
        ["A product with the SKU S-30 already exists.", "A SKU cannot be empty.", "Someone else changed it meanwhile."]
    )
    check_accessible(page, "the list of what was not pasted")
    page.keyboard.press("Escape")
    # What has no text, and what has only HTML.
    cell(page, "S-10", "name").click()
    page.evaluate(PASTE, ["", "<img src=x>"])
    expect(page.get_by_test_id("toast").last).to_have_text("There is no text in the clipboard")
    page.evaluate(PASTE, ["", "<b>x</b><table><tr><td>h&amp;1<br>b<td>d<tr><td colspan=2>h2</table>"])
    expect(page.get_by_test_id("toast").last).to_contain_text("2 products changed")
    expect(warning).to_have_count(0)
    expect(row(page, "S-01")).not_to_have_attribute("data-state", "failed")
    assert (site.product("S-10") or {})["name"] == "h&1\nb"
    assert (site.product("S-10") or {})["description"] == "d"
    # More than 20 products need an answer to a question, and rows beyond the page are left out.
    cell(page, "S-01", "name").click()
    paste(page, "\n".join(f"bulk {n}" for n in range(100_000)))
    question = page.get_by_test_id("confirm-dialog")
    expect(question).to_contain_text("Change 25 products?")
    expect(question).to_contain_text("The pasted values replace the name of 25 products.")
    expect(question).to_contain_text("99,975 pasted rows do not fit on this page of the list.")
    check_accessible(page, "the question before a large paste")
    page.get_by_test_id("confirm-cancel").click()
    expect(cell(page, "S-01", "name")).to_be_focused()
    # The connection is lost, and the paste is repeated.
    console.allow("Failed to load resource")
    page.route("**/api/products/edits", lambda route: route.abort())
    paste(page, "A")
    expect(page.get_by_test_id("banner-error").first).to_contain_text("1 product could not be changed.")
    expect(cell(page, "S-01", "name")).to_have_text("n1")
    page.unroute("**/api/products/edits")
    page.get_by_test_id("banner-error").get_by_role("button", name="Try again").click()
    expect(cell(page, "S-01", "name")).to_have_text("A")
    paste(page, "\n".join(f"bulk {n}" for n in range(30)))
    page.get_by_test_id("confirm-ok").click()
    expect(cell(page, "S-02", "name")).to_have_text("bulk 1")
    expect(warning).to_contain_text("5 pasted rows do not fit on this page of the list.")
    page.keyboard.press("Control+z")
    expect(page.get_by_test_id("toast").last).to_have_text("25 products are as they were")
    assert (site.product("S-25") or {})["name"] == "n25"
