"""The help, the command menu, the theme and the API documentation, by keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from support.browser import Site
from support.keyboard import Keyboard

FAULTS = (
    ("<button style='outline: none'>Bare</button>", "has no outline"),
    ("<style>button { outline: 2px solid #ddd }</style><button>Pale</button>", "of contrast 1.3. in the light theme"),
    (
        "<style>[data-theme=dark] { background: #222; --o: #333 } button { outline: 2px solid var(--o, #000) }</style>"
        "<button>Dark</button>",
        "Dark” has an outline of contrast 1.2. in the dark",
    ),
    ("<button>Low</button><p style='position:fixed;inset:0'>Cover</p>", "is behind <p"),
    ("<button style='position:absolute;left:-99px'>Left</button>", "is out of view"),
    ("<button>...</button>", "has no meaningful name"),
    ("<button style='margin-top:90px'>Two</button><button style='position:absolute;top:0'>One</button>", "is before"),
    ("<button onfocus='this.remove()'>Gone</button>", "The focus is lost before Tab|do not lead to"),
)


@pytest.mark.parametrize(("content", "problem"), FAULTS)
def test_a_walk_names_what_a_keyboard_user_cannot_use(page: Page, content: str, problem: str) -> None:
    page.set_content(f"<!doctype html><body>{content}</body>")
    with pytest.raises(pytest.fail.Exception, match=f"(?s){problem}.*The way there:"):
        Keyboard(page).tab_to("button", "Missing", steps=3)


def test_help_and_commands_are_used_by_keyboard_alone(page: Page, site: Site) -> None:
    site.create_lamps(3)
    keyboard = Keyboard(page)
    page.goto("/#/products")
    expect(page.get_by_test_id("product-row")).to_have_count(3)

    # The skip link leads past the header; the theme is chosen with the arrows.
    keyboard.tab_to("link", "Skip to content", steps=1)
    keyboard.press("Enter")
    keyboard.expect_focus("main", "")
    keyboard.tab_to("button", "Export", steps=1)
    keyboard.tab_to("radio", "Theme: as the system", back=True)
    keyboard.press("ArrowRight", "ArrowRight")
    keyboard.expect_focus("radio", "Theme: dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    # The help: its text scrolls with the keys, its switch turns the shortcuts without Ctrl off.
    keyboard.tab_to("button", "Help")
    keyboard.press("?")
    keyboard.expect_focus("button", "Close")
    keyboard.tab_to("switch", re.compile("shortcuts"))
    keyboard.press("Space", "Escape")
    keyboard.expect_focus("button", "Help")
    keyboard.press("g", "w")
    keyboard.expect_focus("button", "Help")
    keyboard.press("Enter")
    keyboard.expect_focus("button", "Close")
    keyboard.tab_to("switch", re.compile("shortcuts"))
    keyboard.press("Space", "Escape")
    keyboard.expect_focus("button", "Help")

    # The command menu: Escape leads back, a command runs.
    keyboard.press("Control+k")
    keyboard.expect_focus("combobox", re.compile("Search"))
    keyboard.press("ArrowDown", "PageDown", "ArrowUp")
    keyboard.press("Escape")
    keyboard.expect_focus("button", "Help")
    keyboard.press("Control+k")
    keyboard.expect_focus("combobox", re.compile("Search"))
    keyboard.type("LAMP-002")
    expect(page.get_by_role("option", name="LAMP-002")).to_be_visible()
    keyboard.press("Enter")
    keyboard.expect_focus("textbox", "SKU")
    keyboard.press("Escape")
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    keyboard.expect_focus("button", "Help")
    keyboard.press("g", "i")
    keyboard.expect_focus("main", "")
    expect(page.get_by_text("No imports yet")).to_be_visible()


def test_the_api_documentation_is_read_by_keyboard_alone(page: Page) -> None:
    keyboard = Keyboard(page)
    page.goto("/api/docs")
    expect(page.locator("#listProducts")).to_be_visible()
    keyboard.tab_to("link", "Skip to content", steps=1)
    keyboard.press("Enter")
    keyboard.tab_to("disclosure", "POST /api/products Create a product")
    keyboard.press("/")
    keyboard.expect_focus("searchbox", "Search calls")
    keyboard.type("saved views")
    expect(page.locator("#listProducts")).to_be_hidden()
    keyboard.tab_to("link", "GET List the saved views")
    keyboard.press("Enter")
    keyboard.expect_focus("disclosure", re.compile("List the saved views"))
    expect(page.locator("details[open]")).to_have_count(1)
    keyboard.tab_to("button", "Copy: the curl command of List the saved views", steps=1)
    keyboard.tab_to("disclosure", re.compile("^200"), steps=1)
    keyboard.press("Enter")
    keyboard.tab_to("disclosure", re.compile("Delete a saved view"), steps=20)
