"""What each role is offered, and what a direct link to the rest says."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from support.axe import check_accessible
from support.browser import Site, cell, drop, expect_status, row, show_products
from support.team import Team

WIDTHS = (360, 640, 700, 768, 900, 1100, 1440)
# Every width at which a rule begins to apply or ends, and some between them.
ALL_WIDTHS = (*range(320, 1921, 40), 639, 641, 719, 721, 759, 761, 899, 959, 961, 1099, 1101, 1399, 1401)
# People may set wider letters (WCAG 1.4.12), and typefaces differ.
WIDE_LETTERS = "() => { document.body.style.letterSpacing = '0.12em'; }"
OVERLAPS = """() => {
    const page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) return true;
    const shown = [...document.querySelectorAll('.app-header > *')].map(part => part.getBoundingClientRect())
        .filter(box => box.width && box.height);
    const outside = shown.some(box => box.right > window.innerWidth + 0.5 || box.left < 0);
    return outside || shown.some((one, at) => shown.slice(at + 1).some(other =>
        one.left < other.right - 0.5 && other.left < one.right - 0.5
        && one.top < other.bottom - 0.5 && other.top < one.bottom - 0.5));
}"""

RECORD_EDIT_SQL = """
INSERT INTO product_edits (product_id, at, previous_at, changes, started_from, actor_type, actor_name)
SELECT id, updated_at, created_at - interval '1 day', '{"name": ["Old lamp", "Lamp 1"]}', 'page', 'local', 'local'
FROM products WHERE sku = 'LAMP-001'
"""


def check_header(page: Page, widths: Iterable[int] = WIDTHS) -> None:
    """The parts of the header neither overlap nor leave the window, and nothing scrolls sideways."""
    for width in widths:
        size: ViewportSize = {"width": width, "height": 800}
        page.set_viewport_size(size)
        assert not page.evaluate(OVERLAPS), width
    page.set_viewport_size({"width": 1280, "height": 800})


def test_a_viewer_is_offered_to_look_only(team: Team) -> None:
    team.site.create_lamps(3)
    team.site.sql(RECORD_EDIT_SQL)
    page = team.open("viewer")
    show_products(page)
    expect(row(page, "LAMP-001")).to_be_visible()
    check_header(page)
    for testid in ("new-product", "products-menu"):
        expect(page.get_by_test_id(testid).filter(visible=True)).to_have_count(0)
    expect(page.get_by_role("switch")).to_have_count(0)
    expect(cell(page, "LAMP-001", "active")).to_have_text("Active")
    expect(cell(page, "LAMP-002", "active")).to_have_text("Inactive")
    expect(page.get_by_test_id("export")).to_be_visible()
    expect(page.get_by_role("link", name="Webhooks")).to_be_hidden()
    check_accessible(page, "the products of a viewer", narrow=True)
    cell(page, "LAMP-001", "name").focus()
    for key in ("ArrowDown", "Home", " "):
        page.keyboard.press(key)
    expect(page.get_by_test_id("selection-count")).to_have_text("1 selected")
    expect(page.get_by_test_id("action-bar").get_by_role("button")).to_have_count(2)
    check_accessible(page, "the selection of a viewer")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("action-bar")).to_be_hidden()
    cell(page, "LAMP-001", "name").focus()
    for key in ("Shift+ArrowDown", "Control+c", "Delete"):
        page.keyboard.press(key)
    expect(page.get_by_test_id("toast")).to_have_text("2 rows × 1 column copied")
    expect(page.get_by_test_id("banner-warning")).to_contain_text("You may copy cells, but not change them.")
    cell(page, "LAMP-001", "name").dblclick()
    expect(page.get_by_test_id("product-dialog")).to_be_visible()
    expect(page.get_by_test_id("field-name")).not_to_be_editable()
    expect(page.get_by_test_id("field-active")).to_be_disabled()
    expect(page.get_by_test_id("product-save")).to_have_count(0)
    expect(page.get_by_test_id("product-delete")).to_have_count(0)
    expect(page.get_by_test_id("product-activity")).to_have_count(0)
    expect(page.get_by_test_id("history-name")).to_contain_text("Old lamp")
    expect(page.get_by_test_id("history-restore")).to_have_count(0)
    check_accessible(page, "a product of a viewer")


def test_a_viewer_sees_imports_and_cannot_change_them(team: Team) -> None:
    editor = team.open("editor")
    drop(editor, ("checked.csv", b"sku,name\nLAMP-1,Lamp\n"))
    expect(editor.get_by_test_id("confirm-import")).to_be_visible(timeout=30_000)
    address = editor.url
    drop(editor, ("done.csv", b"sku,name\nLAMP-2,Lamp\n,No SKU\n"), at_once=True)
    expect_status(editor, "completed")
    done = editor.url
    expect(editor.get_by_test_id("import-activity")).to_have_count(0)

    page = team.open("viewer")
    page.goto("/#/import")
    expect(page.get_by_test_id("import-refused")).to_contain_text("Your role, viewer, sees imports")
    expect(page.get_by_test_id("drop-zone")).to_have_count(0)
    expect(page.get_by_test_id("imports-table")).to_contain_text("done.csv")
    expect(page.get_by_test_id("delete-import").filter(visible=True)).to_have_count(0)
    check_accessible(page, "the imports of a viewer")
    for step in (address, done):
        page.goto("about:blank")
        page.goto(step)
        expect(page.get_by_role("heading", level=1)).to_contain_text(".csv")
        expect(page.locator(".step-problem + div .card").first).not_to_have_attribute("aria-busy", "true")
        for testid in ("confirm-import", "cancel-import", "read-again", "undo-import", "delete-import", "another-file"):
            expect(page.get_by_test_id(testid).filter(visible=True)).to_have_count(0)
        check_accessible(page, "an import of a viewer")


@pytest.mark.thorough
def test_a_viewer_follows_a_bulk_change_and_its_undo_and_sees_whose_they_are(team: Team) -> None:
    team.site.create_lamps(30)
    editor = team.open("editor")
    show_products(editor, "per_page=25")
    page = team.open("viewer")
    with page.expect_response("**/api/events?*"):
        show_products(page)
    with team.site.held_import():
        editor.get_by_test_id("select-page").check()
        editor.get_by_test_id("select-all-matching").click()
        editor.get_by_test_id("bulk-deactivate").click()
        editor.get_by_test_id("confirm-ok").click()
        expect(editor.get_by_test_id("bulk-job")).not_to_contain_text("started by")
        job = page.get_by_test_id("bulk-job")
        expect(job).to_contain_text("Deactivating all 30 products")
        expect(job).to_contain_text("started by Edith Clarke")
        expect(job.get_by_test_id("cancel-bulk")).to_be_hidden()
        check_accessible(page, "a running bulk change of somebody else")
    expect(page.get_by_test_id("toast")).to_contain_text("Edith Clarke: 15 products deactivated")
    expect(page.get_by_test_id("undo-bulk")).to_have_count(0)

    editor.goto("/#/import")
    expect(page.get_by_test_id("bulk-panel")).to_be_hidden()
    page.goto("/#/import")
    expect(page.get_by_test_id("undo-row").filter(visible=True)).to_have_count(0)
    with team.site.held_import():
        editor.get_by_test_id("undo-row").click()
        editor.get_by_test_id("confirm-ok").click()
        expect(editor.get_by_test_id("job-counts").last).to_contain_text("Is being undone by Edith Clarke")
        page.reload()
        row = page.get_by_test_id("imports-table").get_by_role("row").last
        expect(row).to_contain_text("Being undone")
    expect(row.get_by_test_id("job-counts")).to_have_text("Undone by Edith Clarke, 15 restored")
    check_accessible(page, "the history of a viewer with an undone bulk change")


def test_an_editor_cannot_delete_everything(team: Team) -> None:
    team.site.create_lamps(30)
    page = team.open("editor")
    show_products(page, "per_page=25")
    check_header(page)
    page.get_by_test_id("select-page").check()
    expect(page.get_by_test_id("bulk-delete")).to_be_visible()
    page.get_by_test_id("select-all-matching").click()
    expect(page.get_by_test_id("bulk-deactivate")).to_be_visible()
    expect(page.get_by_test_id("bulk-delete")).to_be_hidden()
    page.get_by_test_id("clear-selection").click()
    expect(page.get_by_test_id("new-product")).to_be_visible()
    expect(page.get_by_test_id("products-menu")).to_have_count(0)
    expect(page.get_by_role("link", name="Webhooks")).to_be_hidden()
    page.get_by_test_id("account-menu").click()
    expect(page.get_by_test_id("menu-keys")).to_be_visible()
    expect(page.get_by_test_id("menu-people")).to_have_count(0)
    expect(page.get_by_test_id("menu-activity")).to_have_count(0)


@pytest.mark.thorough("editor")
@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_a_direct_link_explains_why(team: Team, role: str) -> None:
    for address in ("webhooks", "webhooks/1", "people", "activity?target=product:1"):
        page = team.open(role)
        page.goto(f"/#/{address}")
        refused = page.get_by_test_id("refused")
        expect(refused).to_contain_text(f"Your role, {role}, does not include this: it needs the role admin.")
        expect(refused).to_contain_text("Ask an administrator")
        check_accessible(page, f"a refusal, {address}")
        page.close()


def test_an_administrator_is_offered_everything(team: Team) -> None:
    team.site.create_lamps(1)
    page = team.open("admin")
    show_products(page)
    check_header(page)
    expect(page.get_by_test_id("products-menu")).to_be_visible()
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_test_id("first-webhook")).to_be_visible()


def test_the_header_has_room_for_a_running_import(team: Team) -> None:
    page = team.open("admin")
    with team.site.held_import():
        drop(page, ("held.csv", b"sku,name\nLAMP-1,Lamp\n"), at_once=True)
        expect_status(page, "processing")
        held = page.url
        page.get_by_role("link", name="Products").first.click()
        expect(page.get_by_test_id("header-progress")).to_be_visible()
        viewer = team.open("viewer")
        viewer.goto(held)
        expect_status(viewer, "processing")
        expect(viewer.get_by_test_id("cancel-import").filter(visible=True)).to_have_count(0)
        check_accessible(viewer, "a running import of a viewer")
        check_header(page, ALL_WIDTHS)
        page.evaluate(WIDE_LETTERS)
        check_header(page, (*WIDTHS, 320))


def test_everyone_on_the_machine_is_offered_to_set_up_accounts(page: Page, site: Site) -> None:
    site.create_lamps(1)
    show_products(page)
    check_header(page)
    entry = page.get_by_role("link", name="Everyone on this machine may do everything · Set up accounts")
    page.set_viewport_size({"width": 1440, "height": 800})
    expect(entry).to_have_text("Everyone on this machine may do everything · Set up accounts")
    check_accessible(page, "the page of local")
    page.goto("/#/account")
    expect(page.get_by_test_id("refused")).to_contain_text("Nobody has an account yet")
    check_accessible(page, "the account of local")
    entry.click()
    expect(page.get_by_role("heading", name="Create the first administrator")).to_be_visible()
    check_accessible(page, "the setup of local")
