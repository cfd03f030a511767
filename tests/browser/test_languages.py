"""The page is in the language of the browser, and its numbers and times have the format of the browser's region."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, show_products
from support.browser_contexts import CONTEXT
from support.keyboard import Keyboard

TIME = "2026-03-05T14:05:07Z"
# Gives several notices: a row that is too short, duplicates, a column that is left out, lines above the header.
DOUBTFUL = "Liste\n\nsku,name,Status\nLAMP-1,A,neu\nLAMP-1,B,alt\nLAMP-2\n"
ENGLISH = re.compile(r"\b(the|The|of|is|are|row|rows)\b")
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
        page.on("request", lambda request: catalogues.extend(re.findall(r"locales/([\w.]+)\.json", request.url)))

        show_products(page)
        assert page.evaluate("() => document.documentElement.lang") == language
        expect(page.get_by_role("navigation").get_by_role("link", name=products)).to_be_visible()
        expect(page.get_by_test_id("products-total")).to_have_text(total)
        # The page asks for the first texts early, then for the others, each once, and for no other language.
        page.wait_for_function("() => document.querySelector('.drop-overlay')")
        assert catalogues == [language, f"{language}.other"]

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
            task_id = site.upload(DOUBTFUL, preview="true", missing="delete", missing_limit="0.5")
            site.wait_for_imports()
            page.goto(f"/#/imports/{task_id}")
            notices = page.get_by_test_id("notice")
            expect(notices.filter(has_text="1.100 Produkte stehen nicht in der Datei")).to_contain_text("50\xa0%")
            for button in ("Diese Produkte behalten", "Zeilen mit weniger Zellen annehmen", "„Status“ als Feld"):
                expect(notices.get_by_role("button", name=button)).to_be_visible()
            expect(page.get_by_test_id("notices")).not_to_contain_text(ENGLISH)
            check_accessible(page, "a check with notices in German", narrow=True)
            task_id = site.upload('sku,active\nLAMP-1,false\n,true\nLAMP-2,vielleicht\nLAMP-3\n"LAMP"4,true\n')
            site.wait_for_imports()
            page.goto(f"/#/imports/{task_id}")
            check_sentences_of_the_server(site, page)
            page.goto(f"/#/imports/{task_id}")
            expect(page.get_by_test_id("undo-import")).to_be_visible()
            assert page.evaluate(FITS)
            walk_around(keyboard)
            refused = site.upload("article\tproduct title\nLAMP-2\tLamp\n")
            site.wait_for_imports()
            page.goto(f"/#/imports/{refused}")
            sentence = "Die Datei hat keine Spalte sku. Ihre Spalten sind: article, product title."
            expect(page.get_by_text(sentence)).to_be_visible()
            page.goto(f"/#/imports/{refused}/result")
            expect(page.get_by_test_id("import-log").get_by_role("listitem").last).to_contain_text(sentence)
            page.goto(f"/#/imports/{task_id}")
            # A choice in the footer lasts over reloads, and "" follows the browser again.
            for value, expected in (("en", "en"), ("", "de")):
                with page.expect_navigation():
                    page.get_by_role("combobox", name=re.compile("Sprache|Language")).select_option(value)
                expect(page.get_by_test_id("undo-import")).to_be_visible()
                assert page.evaluate("() => document.documentElement.lang") == expected
                expect(page.locator("#language")).to_have_value(value)
    console.check()


def check_sentences_of_the_server(site: Site, page: Page) -> None:
    """Check on the page of an import, and of other jobs, that the log and the rejected rows are in German."""
    log = page.get_by_test_id("import-log").get_by_role("listitem")
    expect(log).to_contain_text(
        [
            "products.csv wurde hochgeladen (68 Byte).",
            "Ein Worker hat den Auftrag begonnen.",
            "5 Zeilen wurden gelesen, davon 4 abgelehnt.",
            "1 Produkt angelegt, 0 geändert; 0 Zeilen haben nichts geändert, 0 waren Duplikate, 4 wurden abgelehnt.",
        ]
    )
    reasons = [
        "Die Zeile hat keine SKU.",
        "active: vielleicht ist weder ja noch nein. Schreiben Sie true, false, yes, no, 1 oder 0.",
        "Die Zeile hat 1 Feld, die Kopfzeile aber 2 Felder.",
        "Ein Feld in Anführungszeichen geht nach dem schließenden weiter.",
    ]
    for panel in ("reject-groups", "rejects"):
        page.get_by_test_id(panel).locator("summary").click()
        expect(page.get_by_test_id(panel).locator(".reject-reason")).to_contain_text(reasons)

    body = {"action": "deactivate", "filter": {"sku": "LAMP-00"}}
    answer = requests.post(f"{site.address}/api/products/bulk", json=body, timeout=30).json()
    site.sql("UPDATE products SET name = 'Edited', updated_at = clock_timestamp() WHERE sku = 'LAMP-001'")
    undo = requests.post(f"{site.address}/api/imports/{answer['task_id']}/undo", timeout=30).json()
    site.wait_for_imports()
    page.goto(f"/#/imports/{undo['task_id']}")
    expect(log.first).to_contain_text("Die Rücknahme von „Produkte deaktivieren“ wurde angefordert.")
    expect(log.last).to_contain_text(
        "0 Produkte entfernt, 4 wiederhergestellt, 1 unverändert gelassen, weil es nach der Massenänderung bearbeitet"
        " wurde. Dafür kann die Massenänderung noch einmal rückgängig gemacht werden."
    )
    page.get_by_test_id("rejects").locator("summary").click()
    expect(page.get_by_test_id("rejects")).to_contain_text("Das Produkt wurde nach der Massenänderung bearbeitet")
    page.goto(f"/#/imports/{answer['task_id']}")
    expect(log).to_contain_text(
        [
            "Produkte deaktivieren: Die Massenänderung wurde angefordert.",
            "Ein Worker hat den Auftrag begonnen.",
            "5 Produkte wurden deaktiviert, 4 waren bereits inaktiv.",
            "Die Rücknahme wurde gestartet.",
        ]
    )

    waiting = site.upload("sku\nNEU-1\n", preview="true")
    site.wait_for_imports()
    requests.post(f"{site.address}/api/imports/{waiting}/cancel", timeout=30).raise_for_status()
    page.goto(f"/#/imports/{waiting}")
    expect(log).to_contain_text(
        [
            "products.csv wurde hochgeladen (10 Byte).",
            "Ein Worker hat den Auftrag begonnen.",
            "1 Zeile wurde gelesen, davon 0 abgelehnt.",
            "1 Produkt würde angelegt und 0 geändert; keine Zeile wurde abgelehnt. Noch ist nichts geschrieben.",
            "Abgebrochen. Es war noch nichts geschrieben.",
        ]
    )
    check_accessible(page, "a cancelled import in German", narrow=True)
