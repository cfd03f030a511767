"""The page is in the language of the browser, and its numbers and times have the format of the browser's region."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, show_products
from support.browser_contexts import CONTEXT
from support.keyboard import Keyboard

TIME = "2026-03-05T14:05:07Z"
FITS = "() => document.documentElement.scrollWidth <= innerWidth"


def walk_around(keyboard: Keyboard) -> None:
    """Visit every control of the screen by keyboard. German texts are long, and must hide and disorder none of them."""
    keyboard.tab_to("link", "Zum Inhalt springen", steps=120)
    assert len(keyboard.tab_around(steps=120)) > 10


@pytest.mark.parametrize(
    ("locale", "language", "products", "total", "time"),
    [
        ("en-US", "en", "Products", "1,100", "Mar 5, 2026, 2:05:07 PM"),
        ("en-GB", "en", "Products", "1,100", "5 Mar 2026, 14:05:07"),
        ("de-DE", "de", "Produkte", "1.100", "05.03.2026, 14:05:07"),
    ],
)
def test_texts_and_formats_are_those_of_the_browser(
    browser: Browser, site: Site, console: Console, locale: str, language: str, products: str, total: str, time: str
) -> None:
    site.create_lamps(1_100)
    site.sql("INSERT INTO webhooks (url, event_type, enabled) VALUES ('https://example.com/hooks', '*', true)")
    site.sql(
        "WITH event AS (INSERT INTO webhook_events (type, body) VALUES ('import.completed', '{}') RETURNING id)"
        " INSERT INTO webhook_deliveries (webhook_id, event_id, status, created_at)"
        " SELECT webhooks.id, event.id, 'failed', %s FROM webhooks, event",
        (TIME,),
    )
    with browser.new_context(base_url=site.address, locale=locale, timezone_id="UTC", **CONTEXT) as context:
        page = context.new_page()
        console.watch(page)
        catalogues: list[str] = []
        page.on("request", lambda request: catalogues.extend(re.findall(r"locales/(\w+)\.json", request.url)))

        show_products(page)
        assert page.evaluate("() => document.documentElement.lang") == language
        expect(page.get_by_role("navigation").get_by_role("link", name=products)).to_be_visible()
        expect(page.get_by_test_id("products-total")).to_have_text(total)
        # The page asks for the catalogue early, once, and for no other one.
        assert catalogues == [language]

        keyboard = Keyboard(page)
        if language == "de":
            walk_around(keyboard)
        page.goto("/#/webhooks")
        page.get_by_test_id("webhook-link").click()
        expect(page.get_by_test_id("delivery-row").locator("time")).to_have_attribute("title", time)
        if language == "de":
            expect(page.get_by_test_id("delivery-status")).to_have_text("Fehlgeschlagen")
            check_accessible(page, "a webhook in German", narrow=True)
            walk_around(keyboard)
            page.set_viewport_size(NARROW)
            assert page.evaluate(FITS)
            task_id = site.upload("sku\nLAMP-1\n")
            site.wait_for_imports()
            page.goto(f"/#/imports/{task_id}")
            expect(page.get_by_test_id("undo-import")).to_be_visible()
            assert page.evaluate(FITS)
            walk_around(keyboard)
            # A choice in the footer lasts over reloads, and "" follows the browser again.
            for value, expected in (("en", "en"), ("", "de")):
                with page.expect_navigation():
                    page.get_by_role("combobox", name=re.compile("Sprache|Language")).select_option(value)
                expect(page.get_by_test_id("undo-import")).to_be_visible()
                assert page.evaluate("() => document.documentElement.lang") == expected
                expect(page.locator("#language")).to_have_value(value)
    console.check()
