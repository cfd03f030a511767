"""Names, values and URLs that are long and have no space, beside German texts, fit into windows of all sizes."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from support.browser import Console, Site
from support.browser_contexts import CONTEXT
from support.layout import find_layout_faults

FILENAME = "Lieferantenliste_" + "Herbst2026" * 12 + ".csv"
PRODUCTS = ({"sku": "S" * 200, "name": "N" * 300, "description": "D" * 3_000}, {"sku": "A-1", "name": "Lampe " * 50})
WITH_REJECTS = "sku,name,active\nA-1,Lampe,vielleicht\nA-2,Lampe,true\nA-2,Leuchte,true\n"
WITH_MISSING = "sku,name\nA-1,Lampe\nA-9,Leuchte\nzu kurz\n"
OPEN_ALL = "() => document.querySelectorAll('main details:not([open]) > summary').forEach(part => part.click())"


def test_long_texts_without_a_space_fit(browser: Browser, site: Site, console: Console) -> None:
    site.create_products(*PRODUCTS)
    site.call("POST", "/api/webhooks", {"url": f"https://example.com/{'p' * 300}", "event_type": "*"})
    imports = [
        site.upload(WITH_REJECTS, FILENAME),
        site.upload(WITH_MISSING, FILENAME, preview="true", missing="delete", missing_limit="1"),
        site.upload("name\nLampe\n", FILENAME),
    ]
    site.wait_for_imports()
    with browser.new_context(base_url=site.address, locale="de-DE", **CONTEXT) as context:
        page = context.new_page()
        console.watch(page)
        page.goto("/#/import")
        expect(page.get_by_test_id("imports-table")).to_contain_text("Fehlgeschlagen")
        assert find_layout_faults(page, "the history") == []
        for task_id in imports:
            page.goto(f"/#/imports/{task_id}")
            expect(page.get_by_role("heading", level=1)).to_contain_text("Lieferantenliste")
            page.evaluate(OPEN_ALL)
            expect(page.locator("[aria-busy=true]")).to_have_count(0)
            assert find_layout_faults(page, task_id) == []
        page.goto(f"/#/products?changed_by={imports[0]}")
        expect(page.get_by_test_id("product-row")).to_have_count(1)
        assert find_layout_faults(page, "the products of an import") == []
        page.goto("/#/webhooks")
        page.get_by_test_id("webhook-link").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("example.com")
        assert find_layout_faults(page, "a webhook") == []
    console.check()
