"""What a viewer can do, by keyboard alone, and that nothing else is offered on the way."""

from __future__ import annotations

import re
from pathlib import Path

import requests
from playwright.sync_api import expect

from api.session_cookie import COOKIE_NAME
from support.browser import show_products
from support.keyboard import Keyboard
from support.sign_in import create_session
from support.team import NAMES, PASSWORD, Team

CONTENT = "sku,name\nLAMP-4,Lamp\n,No SKU\n"
# The beginnings of the names of all controls that change products, imports, webhooks or other people.
CHANGES = re.compile(
    r"^(button|menuitem|link|switch) “(New product|Save|Delete|Activate|Deactivate|Set|Undo|Restore|Import a"
    r"|Confirm|Cancel the|Retry|Edit|Replace|Webhooks|People|Activity|Add|Invite)"
)


def expect_no_changes(controls: list[str]) -> None:
    """The controls of a screen are for looking only."""
    assert len(controls) > 5
    assert [control for control in controls if CHANGES.match(control)] == []


def test_a_viewer_looks_at_every_screen_by_keyboard_alone(team: Team) -> None:
    team.site.create_lamps(3)
    token = create_session(team.site.database_url, team.ids["editor"])
    files = {"file": ("lamps.csv", CONTENT)}
    answer = requests.post(f"{team.site.address}/api/upload", files=files, cookies={COOKIE_NAME: token}, timeout=30)
    answer.raise_for_status()
    team.site.wait_for_imports()
    page = team.open("viewer")
    keyboard = Keyboard(page)
    show_products(page)
    expect(page.get_by_test_id("product-row")).to_have_count(4)

    # Products: a row is selected and exported; the keys that change something do nothing.
    keyboard.tab_to("gridcell", "LAMP-001", steps=30)
    expect_no_changes(keyboard.tab_around())
    keyboard.press("n", "Home", "Space")
    expect(page.get_by_test_id("selection-count")).to_have_text("1 selected")
    keyboard.tab_to("button", re.compile("^Export"), steps=20)
    keyboard.press("Enter")
    with page.expect_download() as download:
        keyboard.press("Enter")
    assert Path(download.value.path()).read_text("utf-8-sig").splitlines()[1].startswith("LAMP-001,")
    keyboard.tab_to("button", "Clear selection", back=True)
    keyboard.press("Enter")
    expect(page.get_by_test_id("action-bar")).to_be_hidden()

    # The dialog of a product, which leads to the next one.
    keyboard.press("ArrowRight", "o")
    dialog = page.get_by_test_id("product-dialog")
    expect(dialog.get_by_label("SKU", exact=True)).to_have_value("LAMP-001")
    expect_no_changes(keyboard.tab_around())
    keyboard.press("Alt+ArrowDown")
    expect(dialog.get_by_label("SKU", exact=True)).to_have_value("LAMP-002")
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    # The result of an import, with its rejected rows.
    keyboard.press("g", "i")
    keyboard.expect_focus("main", "")
    keyboard.tab_to("link", "lamps.csv", steps=20)
    keyboard.press("Enter")
    keyboard.expect_focus("main", "")
    keyboard.tab_to("button", "1 rejected: show the list", steps=20)
    keyboard.press("Enter")
    keyboard.expect_focus("disclosure", re.compile("^1 row was rejected"))
    expect(page.get_by_test_id("rejects-table")).to_contain_text("The row has no SKU.")
    expect_no_changes(keyboard.tab_around())
    # The key of the webhooks leads nowhere.
    keyboard.press("g", "w")
    expect(page.locator("main")).to_have_attribute("data-screen", "import-detail")

    # The account: everybody changes their own password.
    keyboard.tab_to("button", f"Account of {NAMES['viewer']}, viewer", back=True, steps=30)
    keyboard.press("Enter")
    keyboard.expect_focus("menuitem", "Account")
    keyboard.press("Enter")
    expect(page.get_by_test_id("session")).to_have_count(1)
    keyboard.expect_focus("main", "")
    keyboard.tab_to("textbox", "Current password")
    expect_no_changes(keyboard.tab_around())
    keyboard.type(PASSWORD)
    keyboard.tab_to("textbox", "New password")
    keyboard.type("quite another lamp 7")
    keyboard.press("Enter")
    expect(page.get_by_text("Password changed")).to_be_visible()
