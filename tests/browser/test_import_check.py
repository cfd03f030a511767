"""The check before an import: what the file contains, what the import would do, and how to correct it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from playwright.sync_api import Locator, Page, Route, expect

from support.axe import check_accessible
from support.browser import NARROW, Console, Site, drop, expect_counts, expect_status, expect_step, wait_until

GERMAN = (
    "Artikelnummer;Bezeichnung;Beschreibung;Preis;Gewicht\r\n"
    "L-1;Tischleuchte Grün;Dimmbar, mit Fuß;19,90;1,2\r\n"
    "L-2;Stehleuchte;;24,90;4,5\r\n"
    "L-3;Wandleuchte;Für außen;9,90;0,4\r\n"
    ";Ohne Nummer;;1,00;1\r\n"
)


def column_select(page: Page, name: str) -> Locator:
    """Return the select that maps a column of the file."""
    return page.get_by_role("combobox", name=f"“{name}” goes to")


def test_a_supplier_file_is_checked_corrected_and_imported(page: Page, site: Site, tmp_path: Path) -> None:
    site.create_products({"sku": "L-1", "name": "Tischleuchte Blau", "description": "Dimmbar, mit Fuß"})
    site.create_products({"sku": "L-2", "name": "Stehleuchte"})
    drop(page, ("leuchten.csv", GERMAN.encode("cp1252")))
    expect_step(page, "check")
    expect_status(page, "awaiting_confirmation")
    expect_counts(page, create=1, update=1, unchanged=1, duplicate=0, rejected=1)
    facts = page.get_by_test_id("file-facts")
    expect(facts).to_contain_text("Windows-1252")
    expect(facts).to_contain_text("semicolon between fields")
    for name, field in (
        ("Artikelnummer", "sku"),
        ("Bezeichnung", "name"),
        ("Beschreibung", "description"),
        ("Preis", ""),
    ):
        expect(column_select(page, name)).to_have_value(field)
    expect(page.get_by_test_id("mapping-table")).to_contain_text("Tischleuchte Grün · Stehleuchte")
    expect(page.get_by_test_id("mapping-note")).to_have_text("Not imported: Preis, Gewicht.")
    changed = page.get_by_test_id("compare-row").filter(has_text="L-1")
    expect(changed.locator("del")).to_contain_text("Blau")
    expect(changed.locator("ins")).to_contain_text("Grün")
    expect(page.get_by_test_id("rejects-table")).to_contain_text("Ohne Nummer")
    expect(page.get_by_text("The import waits for your confirmation until")).to_be_visible()
    assert site.count() == 2
    check_accessible(page, "a check", narrow=True)

    # Two columns cannot map to one field, and a changed option requires another check before the import.
    column_select(page, "Preis").select_option("Name")
    expect(page.get_by_test_id("mapping-problem")).to_contain_text("“Bezeichnung” and “Preis” cannot both be the Name")
    expect(page.get_by_test_id("read-again")).to_be_disabled()
    expect(page.get_by_test_id("confirm-import")).to_be_disabled()
    check_accessible(page, "a check with a column too many")
    column_select(page, "Preis").select_option("Description")
    column_select(page, "Beschreibung").select_option("Leave out")
    page.get_by_test_id("read-again").click()
    expect(page.get_by_test_id("mapping-note")).to_have_text("Not imported: Beschreibung, Gewicht.")
    expect(column_select(page, "Preis")).to_have_value("description")
    expect_counts(page, create=1, update=2, unchanged=0)
    page.reload()
    expect_step(page, "check")
    expect(column_select(page, "Preis")).to_have_value("description")

    confirm = page.get_by_test_id("confirm-import")
    expect(confirm).to_have_text("Import 3 products")
    confirm.click()
    expect_step(page, "result")
    expect_status(page, "completed")
    expect_counts(page, created=1, updated=2, unchanged=0, rejected=1)
    product = site.product("L-1")
    assert product is not None
    assert (product["name"], product["description"]) == ("Tischleuchte Grün", "19,90")
    expect(page.get_by_test_id("import-log").get_by_role("listitem")).not_to_have_count(0)
    facts = page.get_by_test_id("import-facts")
    for text in ("leuchten.csv", "The page", "columns chosen by hand", "Windows-1252", 'fields quoted with "'):
        expect(facts).to_contain_text(text)
    page.get_by_test_id("rejects").locator("summary").click()
    with page.expect_download() as download:
        page.get_by_test_id("rejects-download").click()
    download.value.save_as(tmp_path / "rejects.csv")
    assert "Ohne Nummer" in (tmp_path / "rejects.csv").read_text("utf-8-sig")
    assert (tmp_path / "rejects.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    page.get_by_test_id("affected").locator("summary").click()
    expect(page.get_by_test_id("affected-table").get_by_role("link", name="L-3")).to_be_visible()
    page.get_by_test_id("affected-updated").click()
    expect(page.get_by_test_id("affected-table")).to_contain_text("Stehleuchte")
    check_accessible(page, "a result", narrow=True)

    # Each step with content has its own address; the address of another step redirects to a step with content.
    address = page.url.removesuffix("/result")
    for asked, shown in (("", "result"), ("/progress", "result"), ("/result", "result"), ("/check", "check")):
        page.goto("about:blank")
        page.goto(address + asked)
        expect_step(page, shown)
    expect(page.get_by_test_id("check-summary")).to_contain_text("This is what the check found")
    expect(page.get_by_test_id("confirm-import")).to_have_count(0)
    check_accessible(page, "the record of a check")
    page.get_by_role("link", name="Result", exact=True).click()
    expect_step(page, "result")

    # The next file with this header proposes the confirmed mapping.
    drop(page, ("leuchten-2.csv", GERMAN.encode("cp1252")))
    expect(page.get_by_text("as you confirmed them for the last file")).to_be_visible()
    expect(column_select(page, "Preis")).to_have_value("description")
    expect(page.get_by_test_id("check-headline")).to_have_text("Nothing would change · 1 of 4 rows rejected (25%)")


def test_a_cancelled_or_abandoned_check_writes_nothing(page: Page, site: Site) -> None:
    content = "Item no.\tProduct name\nA-1\tGrüne Lampe\n".encode("utf-16")
    drop(page, ("lamps.tsv", content))
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("file-facts")).to_contain_text("UTF-16")
    expect(page.get_by_test_id("file-facts")).to_contain_text("tab between fields")
    page.get_by_test_id("cancel-import").click()
    expect_step(page, "result")
    expect_status(page, "cancelled")
    expect(page.get_by_test_id("banner-warning")).to_contain_text("Nothing was written.")
    check_accessible(page, "a cancelled check")

    # A retry awaits confirmation again, appears so in the history, and expires.
    page.get_by_test_id("retry-import").click()
    expect_step(page, "check")
    expect_status(page, "awaiting_confirmation")
    page.get_by_role("link", name="Products", exact=True).click()
    waiting = page.get_by_role("link", name="lamps.tsv waits to be confirmed")
    check_accessible(page, "the products while an import waits")
    waiting.click()
    expect_step(page, "check")
    site.sql("UPDATE import_jobs SET confirm_until = clock_timestamp() - interval '1 minute'")
    expect_step(page, "result")
    expect(page.get_by_test_id("import-headline")).to_have_text("Nobody confirmed it in time")
    assert site.count() == 0


def test_a_file_without_a_sku_column_is_rescued_by_a_mapping(page: Page, site: Site) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/ware.csv", "Zeichen,Titel\nA-1,Lampe\nA-2,Stuhl\n")
    drop(page, ("ware.zip", packed.getvalue()))
    expect_step(page, "check")
    expect(page.get_by_test_id("banner-warning")).to_contain_text("choose the column that holds the SKU")
    expect(page.get_by_test_id("file-facts")).to_contain_text("zip archive")
    expect(page.get_by_test_id("read-again")).to_be_disabled()
    check_accessible(page, "a file without a SKU", narrow=True)
    page.set_viewport_size(NARROW)
    column_select(page, "Zeichen").select_option("SKU")
    column_select(page, "Titel").select_option("Name")
    page.get_by_test_id("read-again").click()
    expect_status(page, "awaiting_confirmation")
    expect_counts(page, create=2, rejected=0)
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    product = site.product("A-2")
    assert product is not None and product["name"] == "Stuhl"


def test_either_of_two_columns_with_the_same_name_can_be_mapped(page: Page, site: Site) -> None:
    drop(page, ("lamps.csv", b"sku,name,name\nA-1,Lampe,Lamp\n"))
    expect_step(page, "check")
    expect(page.get_by_test_id("banner-warning")).to_contain_text("The file has 2 columns named name.")
    check_accessible(page, "a file with two names")
    expect(column_select(page, "name (1)")).to_have_value("")
    column_select(page, "name (2)").select_option("Name")
    page.get_by_test_id("read-again").click()
    expect_counts(page, create=1, rejected=0)
    expect(page.get_by_test_id("mapping-note")).to_have_text("Not imported: name (1).")
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    product = site.product("A-1")
    assert product is not None and product["name"] == "Lamp"

    # The next file with this header is recognised, and a column can be left out.
    drop(page, ("lamps.csv", b"sku,name,name\nA-1,Stuhl,Chair\n"))
    expect(column_select(page, "name (2)")).to_have_value("name")
    drop(page, ("other.csv", b"sku,description,description\nA-1,a,b\n"))
    expect(page.get_by_test_id("banner-warning")).to_contain_text("2 columns named description")
    page.get_by_test_id("read-again").click()
    expect(page.get_by_test_id("mapping-note")).to_have_text("Not imported: description (1), description (2).")


def test_a_click_on_a_new_check_is_not_lost_while_the_action_before_it_ends(page: Page, site: Site) -> None:
    drop(page, ("racks.csv", b'sku,name\nA-1,"19" rack\nA-2,Shelf\n'))
    expect_counts(page, create=1, rejected=1)
    page.get_by_test_id("option-quote").select_option("None")
    # The events show the new check before the page hears the answer to its own request.
    held: list[Route] = []
    page.route("**/retry", lambda route: held.append(route))
    page.get_by_test_id("read-again").click()
    expect(page.get_by_test_id("read-again")).to_be_disabled()
    wait_until(page, lambda: len(held) == 1)
    answer = held[0].fetch()
    expect_counts(page, create=2, rejected=0)
    page.get_by_test_id("confirm-import").click()
    expect(page.get_by_test_id("confirm-import")).to_have_text("Starting…")
    held[0].fulfill(response=answer)
    expect_status(page, "completed")
    assert site.count() == 2


def test_quote_characters_can_be_read_as_plain_text(page: Page, site: Site) -> None:
    drop(page, ("racks.csv", b'sku,name\nA-1,"19" rack\nA-2,Shelf\n'))
    expect_counts(page, create=1, rejected=1)
    expect(page.get_by_test_id("file-facts")).to_contain_text('fields quoted with "')
    expect(page.get_by_test_id("option-quote").locator("option:checked")).to_have_text("Double quotes (found)")
    page.get_by_test_id("option-quote").select_option("None")
    expect(page.get_by_test_id("confirm-import")).to_be_disabled()
    page.get_by_test_id("read-again").click()
    expect_counts(page, create=2, rejected=0)
    expect(page.get_by_test_id("file-facts")).to_contain_text("no quotes")
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    expect(page.get_by_test_id("import-facts")).to_contain_text("no quotes")
    product = site.product("A-1")
    assert product is not None and product["name"] == '"19" rack'


def test_an_all_or_nothing_import_with_rejects_offers_a_way_out(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_test_id("import-options").locator("summary").click()
    page.get_by_test_id("option-on_reject").select_option("All or nothing")
    page.get_by_test_id("option-mode").select_option("Only create new")
    expect(page.get_by_test_id("options-summary")).to_have_text("2 changed")
    check_accessible(page, "the options of an import")
    site.create_products({"sku": "A-1", "name": "Old"})
    choose_file(page, "lamps.csv", "sku,name\nA-1,New\nA-2,Lamp\n,Nameless\n")
    expect_counts(page, create=1, update=0, skipped=1, rejected=1)
    expect(page.get_by_test_id("confirm-import")).to_be_disabled()
    expect(page.get_by_test_id("banner-warning")).to_contain_text("1 row is bad, and this import is all or nothing.")
    check_accessible(page, "a check that is all or nothing")
    page.get_by_test_id("skip-rejects").click()
    expect(page.get_by_test_id("banner-warning")).to_have_count(0)
    page.get_by_test_id("confirm-import").click()
    expect_status(page, "completed")
    expect_counts(page, created=1, updated=0, skipped=1, rejected=1)
    page.get_by_test_id("affected").locator("summary").click()
    page.get_by_test_id("affected-left_out").click()
    expect(page.get_by_test_id("affected-table")).to_contain_text("A-1")


def test_a_failed_all_or_nothing_import_can_be_retried_with_bad_rows_set_aside(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_test_id("import-unchecked").check()
    page.get_by_test_id("import-options").locator("summary").click()
    page.get_by_test_id("option-on_reject").select_option("All or nothing")
    choose_file(page, "lamps.csv", "sku,name\nA-1,Lamp\n,Nameless\n")
    expect_status(page, "failed")
    expect(page.get_by_test_id("banner-error")).to_contain_text("1 row is bad, and this import is all or nothing.")
    check_accessible(page, "an import that was all or nothing")
    page.get_by_test_id("skip-rejects").click()
    expect_step(page, "check")
    expect_counts(page, create=1, rejected=1)
    assert site.count() == 0


def choose_file(page: Page, name: str, content: str) -> None:
    """Choose a file without reloading the page, because options last for one visit."""
    page.get_by_test_id("file-input").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )


def test_a_refusal_is_shown_and_a_double_click_is_harmless(page: Page, site: Site, console: Console) -> None:
    console.allow_status(409)
    drop(page, ("lamps.csv", b"sku,name\nA-1,Lamp\n"))
    expect_status(page, "awaiting_confirmation")
    sentence = "The import is running, so there is nothing to confirm."
    body = {"error": sentence, "code": "not_awaiting_confirmation", "status": 409}
    sent = []

    def refuse(route: Route) -> None:
        sent.append(route)
        route.fulfill(status=409, json=body)

    page.route("**/confirm", refuse)
    page.get_by_test_id("confirm-import").dblclick()
    expect(page.get_by_test_id("banner-error")).to_contain_text(sentence)
    expect(page.get_by_test_id("confirm-import")).to_be_enabled()
    assert len(sent) == 1
    check_accessible(page, "a refused confirmation")
    page.unroute("**/confirm")
    page.get_by_test_id("confirm-import").dblclick()
    expect_status(page, "completed")
    expect_counts(page, created=1)
