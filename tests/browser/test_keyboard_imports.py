"""The import screens, by keyboard alone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from support.browser import Site, expect_counts, expect_status, expect_step, wait_for_value
from support.keyboard import Keyboard

CONTENT = b"sku,label,price,active\nA-1,Lamp,1,yes\nA-2,Desk,2,maybe\n,Nameless,3,yes\nA-3,Short\nA-4,Sofa,4,maybe\n"


def test_a_file_is_imported_and_undone_by_keyboard_alone(page: Page, site: Site) -> None:
    site.create_products({"sku": "A-1", "name": "Old lamp"})
    keyboard = Keyboard(page)
    page.goto("/")
    expect(page.get_by_text("No imports yet")).to_be_visible()

    # Change an option, choose a file.
    keyboard.tab_to("disclosure", "Options", steps=16)
    keyboard.press("Enter")
    keyboard.tab_to("spinbutton", "Line of the header")
    keyboard.type("1")
    keyboard.tab_to("disclosure", re.compile("^Options"), back=True)
    keyboard.press("Enter")
    keyboard.tab_to("button", "Choose product files to import", back=True)
    with page.expect_file_chooser() as chooser:
        keyboard.press("Enter")
    chooser.value.set_files({"name": "lamps.csv", "mimeType": "text/csv", "buffer": CONTENT})
    expect_step(page, "check")
    expect_status(page, "awaiting_confirmation")
    keyboard.expect_focus("main", "")

    # Look at a list from its count, map a column, and read the file again.
    keyboard.tab_to("button", "4 rejected: show the list")
    keyboard.press("Enter")
    keyboard.expect_focus("disclosure", re.compile("^4 rows were rejected"))
    keyboard.tab_to("combobox", "“price” goes to", back=True, steps=30)
    keyboard.press("d")
    keyboard.tab_to("button", "Read again", steps=20)
    keyboard.press("Enter")
    keyboard.expect_focus("main", "")
    expect(page.get_by_test_id("mapping-note")).to_have_text("Every column is imported.")

    # Open a notice, settle it, and confirm.
    keyboard.tab_to("disclosure", re.compile("^Line 5"), steps=20)
    keyboard.press("Enter")
    keyboard.tab_to("button", "Accept short rows", steps=20)
    keyboard.press("Enter")
    keyboard.expect_focus("main", "")
    expect_counts(page, create=1, update=1, rejected=3)

    # Correct the file: prepare a value for the whole column and a row, discard the value, prepare it again, apply both.
    keyboard.tab_to("button", "3 rejected: show the list")
    keyboard.press("Enter")
    keyboard.expect_focus("disclosure", re.compile("^3 rows were rejected"))
    replace = re.compile("the value “maybe” of active")
    keyboard.tab_to("button", replace, steps=20, back=True)
    keyboard.press("Enter")
    keyboard.expect_focus("combobox", "Replace “maybe” in active by")
    keyboard.press("Escape")
    keyboard.expect_focus("button", replace)
    keyboard.press("Enter")
    keyboard.expect_focus("combobox", "Replace “maybe” in active by")
    keyboard.press("ArrowDown")
    keyboard.tab_to("button", re.compile("^Prepare"))
    keyboard.press("Enter")
    keyboard.expect_focus("button", replace)
    keyboard.tab_to("button", "Edit line 4", steps=20)
    keyboard.press("Enter")
    keyboard.expect_focus("textbox", "sku")
    keyboard.type("A-5")
    assert "textbox “label”" in keyboard.tab_around()
    keyboard.press("Escape")
    keyboard.expect_focus("button", "Keep editing")
    keyboard.press("Escape")
    keyboard.expect_focus("textbox", "sku")
    keyboard.tab_to("button", re.compile("^Prepare"), steps=20)
    keyboard.press("Enter")
    keyboard.expect_focus("button", "Edit line 4")
    keyboard.tab_to("button", re.compile("^Discard .*Line 4"), steps=40, back=True)
    keyboard.press("Enter")
    keyboard.expect_focus("button", re.compile("^Discard .*active"))
    keyboard.tab_to("button", "Apply and check again", steps=40)
    keyboard.press("Enter")
    keyboard.expect_focus("main", "")
    expect_counts(page, create=3, update=1, rejected=1)
    keyboard.tab_to("button", "Import 4 products")
    with site.held_import():
        keyboard.press("Enter")
        expect_step(page, "progress")
        keyboard.expect_focus("main", "")
        keyboard.tab_to("button", "Cancel the import")
    expect_step(page, "result")
    expect_counts(page, created=3, updated=1, rejected=1)
    keyboard.expect_focus("main", "")

    # Open the rejected rows, undo the import after a question.
    keyboard.tab_to("button", "1 rejected: show the list")
    keyboard.press("Enter")
    keyboard.expect_focus("disclosure", re.compile("^1 row was rejected"))
    keyboard.tab_to("link", "Download rejects as CSV")
    undo = re.compile(r"^Undo this import \(until")
    keyboard.tab_to("button", undo, back=True)
    keyboard.press("Enter")
    keyboard.expect_focus("button", "Cancel")
    keyboard.press("Escape")
    keyboard.expect_focus("button", undo)
    expect(page.get_by_test_id("confirm-dialog")).to_have_count(0)
    keyboard.press("Enter")
    keyboard.expect_focus("button", "Cancel")
    expect(page.get_by_test_id("confirm-ok")).to_be_enabled()
    keyboard.tab_to("button", "Undo the import")
    keyboard.press("Enter")
    expect(page.get_by_test_id("confirm-dialog")).to_have_count(0)
    wait_for_value("the products", site.count, 1)
    keyboard.expect_focus("main", "")
    expect(page.get_by_role("heading", name="Undo of lamps.csv")).to_be_visible()

    # The history: its filter, the row of the import, its deletion.
    keyboard.press("g", "i")
    rows = page.get_by_test_id("imports-table").locator("tbody tr")
    expect(rows).to_have_count(2)
    keyboard.tab_to("searchbox", "Name", steps=20)
    keyboard.type("lamps.csv")
    page.wait_for_url(re.compile(r"\?q=|filename=|name="))
    expect(rows).to_have_count(2)
    keyboard.tab_to("link", "lamps.csv", steps=20)
    keyboard.tab_to("button", "Delete lamps.csv")
    keyboard.press("Enter")
    keyboard.expect_focus("button", "Cancel")
    keyboard.tab_to("button", "Delete import")
    keyboard.press("Enter")
    expect(rows).to_have_count(1)
    keyboard.expect_focus("button", "Delete Undo of lamps.csv")
