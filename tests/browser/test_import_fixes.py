"""Correcting the file of an import in its check: values of a column, single rows, and the list of these changes."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, Route, ViewportSize, expect

from support.axe import check_accessible
from support.browser import Console, Site, expect_counts, expect_status, expect_step, wait_until

WIDE: ViewportSize = {"width": 1280, "height": 800}
CONTENT = (
    "sku,name,Active,description\n"
    "A-1,Lamp,maybe,one\n"
    "A-2,Chair,maybe,two\n"
    "A-3,Table,perhaps,three\n"
    ',Shelf,yes,"fo\nur"\n'
    "A-5,Bed, large,yes,five\n"
    "A-6,Desk,yes,six\n"
    "A-7,Sofa\n"
)


def open_check(page: Page, site: Site, content: str = CONTENT, **options: str) -> str:
    """Upload a file, open its check and return the task id."""
    task_id = site.upload(content, preview="true", **options)
    page.goto(f"/#/imports/{task_id}")
    expect_step(page, "check")
    expect(page.get_by_test_id("check-headline")).to_be_visible()
    return task_id


def group(page: Page, value: str) -> Locator:
    """Return the button that replaces a value of the column `Active`."""
    return page.get_by_role("button", name=f"the value “{value}” of Active")


def edit(page: Page, line: int) -> Locator:
    """Open a row in its dialog and return the dialog."""
    page.get_by_role("button", name=f"Edit line {line}", exact=True).click()
    dialog = page.get_by_test_id("fix-row-dialog")
    expect(dialog).to_be_visible()
    return dialog


def field(dialog: Locator, column: str) -> Locator:
    """Return the field of a column in the dialog of a row."""
    return dialog.get_by_label(column, exact=True)


def changes(page: Page) -> Locator:
    """Return the items of the list of changes."""
    return page.get_by_test_id("fixes").get_by_test_id("fix")


def expect_checked_again(page: Page, **counts: int) -> None:
    """Wait until the check shows these counts and nothing is prepared any more."""
    expect_counts(page, **counts)
    expect_status(page, "awaiting_confirmation")
    expect(page.get_by_test_id("fix-bar")).to_be_hidden()


def test_a_value_is_replaced_in_the_whole_file_with_the_keyboard(page: Page, site: Site) -> None:
    open_check(page, site)
    expect_counts(page, create=1, rejected=6)
    expect(page.get_by_test_id("fixes")).to_be_hidden()
    replace = group(page, "maybe")
    replace.focus()
    page.keyboard.press("Enter")
    choice = page.get_by_label("Replace “maybe” in Active by")
    expect(choice).to_be_focused()
    expect(replace).to_have_attribute("aria-expanded", "true")
    check_accessible(page, "the form of a value")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("fix-form")).to_have_count(0)
    expect(replace).to_be_focused()

    page.keyboard.press("Enter")
    choice.select_option("Another value…")
    text = page.get_by_test_id("fix-text")
    expect(text).to_have_value("maybe")
    text.press("Enter")
    expect(page.get_by_test_id("fix-problem")).to_have_text("Enter a value that differs from the one in the file.")
    expect(text).to_be_focused()
    check_accessible(page, "the form of a value with a problem")
    choice.select_option("Inactive")
    expect(page.get_by_test_id("fix-problem")).to_be_empty()
    choice.focus()
    page.keyboard.press("Enter")
    expect_checked_again(page, create=3, rejected=4)
    expect(changes(page)).to_have_count(1)
    expect(changes(page).locator("del")).to_have_text("maybe")
    expect(changes(page).locator("ins")).to_have_text("inactive")
    expect(group(page, "maybe")).to_have_count(0)
    expect(group(page, "perhaps")).to_be_visible()


def test_several_changes_are_prepared_and_the_file_is_read_once(page: Page, site: Site) -> None:
    task_id = open_check(page, site)
    run = site.call("GET", f"/api/imports/{task_id}")["run"]
    group(page, "maybe").click()
    page.get_by_test_id("fix-choice").select_option("Inactive")
    page.get_by_test_id("fix-prepare").click()
    expect(group(page, "maybe")).to_be_focused()
    expect(group(page, "maybe")).to_contain_text("Change…")
    expect(page.get_by_test_id("fix-bar")).to_contain_text("1 change to the file prepared")
    # The check does not know what is prepared, so it cannot be confirmed.
    expect(page.get_by_test_id("confirm-import")).to_be_disabled()
    expect(page.get_by_text("You prepared changes to the file. Apply or discard them first.")).to_be_visible()

    group(page, "perhaps").click()
    page.get_by_test_id("fix-choice").select_option("Active")
    expect(page.get_by_test_id("fix-apply")).to_have_text("Apply 2 changes and check again")
    page.get_by_test_id("fix-prepare").click()
    dialog = edit(page, 5)
    field(dialog, "sku").fill("A-4")
    dialog.get_by_test_id("fix-prepare").click()
    expect(page.get_by_role("button", name="Edit line 5", exact=True)).to_be_focused()
    expect(changes(page)).to_have_count(3)
    check_accessible(page, "prepared changes", narrow=True)

    # What is prepared survives a look at another screen, and can be changed and discarded.
    page.get_by_role("link", name="Products", exact=True).click()
    expect(page.get_by_role("heading", name="Products")).to_be_visible()
    page.go_back()
    expect(changes(page)).to_have_count(3)
    changes(page).filter(has_text="perhaps").get_by_role("button").click()
    expect(changes(page)).to_have_count(2)
    expect(changes(page).filter(has_text="Line 5").get_by_role("button")).to_be_focused()
    group(page, "maybe").click()
    expect(page.get_by_test_id("fix-choice")).to_have_value("inactive")
    page.get_by_test_id("fix-cancel").click()
    page.get_by_test_id("fix-apply-all").click()
    expect_checked_again(page, create=4, rejected=3)
    assert site.call("GET", f"/api/imports/{task_id}")["run"] == run + 1


def test_the_cells_of_a_row_are_edited_under_the_columns_of_the_file(page: Page, site: Site) -> None:
    open_check(page, site)
    dialog = edit(page, 5)
    expect(dialog.get_by_test_id("fix-reason")).to_have_text("The row has no SKU.")
    expect(field(dialog, "sku")).to_be_focused()
    expect(field(dialog, "sku")).to_have_attribute("aria-invalid", "true")
    description = field(dialog, "description")
    expect(description).to_have_value("fo\nur")
    assert description.evaluate("element => element.tagName") == "TEXTAREA"
    check_accessible(page, "the dialog of a row", narrow=True)

    dialog.get_by_test_id("fix-apply").click()
    expect(dialog.get_by_test_id("fix-problem")).to_have_text("Nothing is changed yet. Correct the row first.")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Edit line 5", exact=True)).to_be_focused()

    dialog = edit(page, 5)
    field(dialog, "sku").fill("A-4")
    page.keyboard.press("Escape")
    expect(dialog.get_by_role("alertdialog")).to_contain_text("Discard your changes?")
    page.keyboard.press("Escape")
    expect(field(dialog, "sku")).to_be_focused()
    page.keyboard.press("Enter")
    expect_checked_again(page, create=2, rejected=5)
    expect(changes(page)).to_contain_text("Line 5")
    page.get_by_test_id("confirm-import").click()
    expect_step(page, "result")
    expect_status(page, "completed")
    product = site.product("A-4")
    assert product is not None
    assert (product["name"], product["description"]) == ("Shelf", "fo\nur")


def test_surplus_and_lacking_cells_are_joined_removed_and_added(page: Page, site: Site) -> None:
    open_check(page, site)
    dialog = edit(page, 7)
    expect(dialog.get_by_test_id("row-width")).to_contain_text("1 cell is too many")
    expect(field(dialog, "Surplus cell 1")).to_have_value("five")
    check_accessible(page, "the dialog of a row with a surplus cell")
    dialog.get_by_role("button", name="Remove the cell: Active").click()
    expect(field(dialog, "Active")).to_have_value("yes")
    expect(dialog.get_by_test_id("row-width")).to_have_text("The row has 4 cells, as the header has.")
    dialog.get_by_role("button", name="Insert an empty cell before: Active").click()
    expect(field(dialog, "Active")).to_be_focused()
    page.keyboard.type(" large")
    dialog.get_by_role("button", name="Join with the next cell: name").click()
    expect(field(dialog, "name")).to_have_value("Bed, large")
    expect(field(dialog, "name")).to_be_focused()
    dialog.get_by_test_id("fix-prepare").click()

    dialog = edit(page, 9)
    expect(dialog.get_by_test_id("row-width")).to_contain_text("2 cells are missing")
    dialog.get_by_test_id("fix-apply").click()
    expect(dialog.get_by_test_id("fix-problem")).to_contain_text("2 cells are missing")
    dialog.get_by_role("button", name="Add a cell for description").click()
    expect(field(dialog, "description")).to_be_focused()
    expect(field(dialog, "Active")).to_have_value("")
    page.keyboard.type("seven")
    check_accessible(page, "the dialog of a row with inserted cells")
    expect(dialog.get_by_test_id("fix-apply")).to_have_text("Apply 2 changes and check again")
    dialog.get_by_test_id("fix-apply").click()
    expect_checked_again(page, create=3, rejected=4)
    page.get_by_test_id("confirm-import").click()
    expect_step(page, "result")
    expect_status(page, "completed")
    bed, sofa = site.product("A-5"), site.product("A-7")
    assert bed is not None
    assert sofa is not None
    assert (bed["name"], bed["active"], bed["description"]) == ("Bed, large", True, "five")
    assert (sofa["name"], sofa["active"], sofa["description"]) == ("Sofa", True, "seven")


def test_a_row_with_sixty_columns_stays_usable(page: Page, site: Site) -> None:
    names = [f"attribute {number}" for number in range(57)]
    header = ",".join(["sku", "name", "Active", *names])
    values = ",".join(str(number) for number in range(57))
    open_check(page, site, f"{header}\nA-1,Lamp,maybe,{values}\nA-2,Chair,yes,{values}\n")
    dialog = edit(page, 2)
    expect(field(dialog, "Active")).to_be_focused()
    fields = dialog.get_by_test_id("row-field").filter(visible=True)
    expect(fields).to_have_count(3)
    dialog.get_by_test_id("row-only-imported").uncheck()
    expect(fields).to_have_count(60)
    check_accessible(page, "the dialog of a row with 60 columns")
    search = dialog.get_by_test_id("row-search")
    search.fill("attribute 42")
    expect(fields).to_have_count(1)
    field(dialog, "attribute 42").fill("new")
    # Neither Enter nor the first Esc in the search leaves the dialog.
    search.press("Enter")
    search.press("Escape")
    expect(fields).to_have_count(60)
    field(dialog, "Active").fill("no")
    field(dialog, "Active").press("Enter")
    expect_checked_again(page, create=2, rejected=0)
    expect(changes(page)).to_contain_text("Line 2")


def test_a_change_is_removed_and_the_record_has_no_buttons(page: Page, site: Site) -> None:
    task_id = open_check(page, site)
    site.call(
        "POST",
        f"/api/imports/{task_id}/fixes",
        {
            "fixes": [
                {"column": "Active", "value": "maybe", "replacement": "inactive"},
                {"column": "Active", "value": "perhaps", "replacement": ""},
            ]
        },
    )
    # Another client has changed the file, and the page follows.
    expect_checked_again(page, create=4, rejected=3)
    expect(changes(page)).to_have_count(2)
    check_accessible(page, "applied changes")
    changes(page).filter(has_text="perhaps").get_by_role("button", name="Remove the change of Active").click()
    expect_checked_again(page, create=3, rejected=4)
    expect(changes(page)).to_have_count(1)

    page.get_by_test_id("confirm-import").click()
    expect_step(page, "result")
    expect_status(page, "completed")
    for step in ("result", "check"):
        page.goto(f"/#/imports/{task_id}/{step}")
        expect(changes(page)).to_have_count(1)
        expect(changes(page)).to_contain_text("maybe → inactive")
        expect(page.get_by_test_id("fixes").get_by_role("button")).to_have_count(0)
        page.get_by_test_id("rejects").evaluate("panel => { panel.open = true; }")
        expect(page.get_by_test_id("rejects-table")).to_contain_text("The row has no SKU.")
        for button in ("fix-value", "fix-row"):
            expect(page.get_by_test_id(button)).to_have_count(0)
        check_accessible(page, f"the record of changes, {step}")


def test_nothing_that_was_typed_is_lost_when_a_request_fails(page: Page, site: Site, console: Console) -> None:
    console.allow("ERR_FAILED")
    console.allow_status(409)
    task_id = open_check(page, site)

    def fail(route: Route) -> None:
        if route.request.method == "POST":
            route.abort()
        else:
            route.fallback()

    page.route("**/fixes", fail)
    group(page, "maybe").click()
    page.get_by_test_id("fix-choice").select_option("Another value…")
    page.get_by_test_id("fix-text").fill("no")
    page.get_by_test_id("fix-text").press("Enter")
    expect(page.get_by_test_id("fix-problem")).to_contain_text("The server cannot be reached. Your changes are kept.")
    expect(page.get_by_test_id("fix-text")).to_have_value("no")
    expect(page.get_by_test_id("fix-text")).to_be_focused()
    check_accessible(page, "a change without a connection")
    page.get_by_test_id("fix-apply-all").click()
    expect(page.get_by_test_id("fix-bar-problem")).to_contain_text("The server cannot be reached.")
    dialog = edit(page, 5)
    field(dialog, "sku").fill("A-4")
    field(dialog, "sku").press("Enter")
    expect(dialog.get_by_test_id("fix-problem")).to_contain_text("The server cannot be reached.")
    expect(field(dialog, "sku")).to_have_value("A-4")
    check_accessible(page, "an edited row without a connection")
    page.unroute("**/fixes", fail)

    # Another client has cancelled the import, and this page has not heard of it yet.
    sentence = "The import is being read. Wait until it has been checked."
    answer: dict[str, Any] = {"error": sentence, "code": "busy", "status": 409}
    refused: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.method != "POST" or refused:
            route.fallback()
            return
        refused.append(route.request.url)
        route.fulfill(status=409, json=answer)

    page.route("**/fixes", refuse)
    dialog.get_by_test_id("fix-apply").click()
    expect(dialog.get_by_test_id("fix-problem")).to_contain_text(sentence)
    wait_until(page, lambda: bool(refused))
    expect(field(dialog, "sku")).to_have_value("A-4")
    dialog.get_by_test_id("fix-apply").click()
    expect_checked_again(page, create=4, rejected=3)
    assert site.call("GET", f"/api/imports/{task_id}")["fixes_count"] == 2


def test_a_refused_change_says_why_at_its_field(page: Page, site: Site, console: Console) -> None:
    console.allow_status(400)
    open_check(page, site)
    group(page, "maybe").click()
    page.get_by_test_id("fix-choice").select_option("Another value…")
    page.get_by_test_id("fix-text").evaluate("input => { input.value = 'x'.repeat(10001); }")
    page.get_by_test_id("fix-text").press("Enter")
    problem = page.get_by_test_id("fix-problem")
    expect(problem).not_to_be_empty()
    expect(page.get_by_test_id("fix-refusal")).to_have_text(problem.inner_text())
    check_accessible(page, "a refused change")


def test_rows_that_cannot_be_split_are_edited_too(page: Page, site: Site) -> None:
    open_check(page, site, 'sku,name\n"A-1"x,Lamp\nA-2,Chair\n')
    expect_counts(page, create=1, rejected=1)
    dialog = edit(page, 2)
    expect(dialog.get_by_label("The row in the file")).to_have_text('"A-1"x,Lamp')
    expect(field(dialog, "name")).to_have_value("Lamp")
    field(dialog, "sku").fill("A-1")
    field(dialog, "sku").press("Enter")
    expect_checked_again(page, create=2, rejected=0)
    expect(changes(page)).to_contain_text("name: Lamp")


def test_a_cancelled_import_is_corrected_and_checked_again(page: Page, site: Site) -> None:
    task_id = open_check(page, site)
    page.get_by_test_id("cancel-import").click()
    expect_step(page, "result")
    page.goto(f"/#/imports/{task_id}/check")
    expect_step(page, "check")
    page.get_by_test_id("reject-groups").locator("summary").click()
    group(page, "perhaps").click()
    page.get_by_test_id("fix-choice").select_option("Empty: leave products as they are")
    check_accessible(page, "the form of a value in a cancelled import")
    page.get_by_test_id("fix-apply").click()
    expect_checked_again(page, create=2, rejected=5)
    expect(changes(page)).to_contain_text("perhaps → empty")


def test_changed_options_are_applied_before_prepared_changes(page: Page, site: Site) -> None:
    open_check(page, site)
    group(page, "maybe").click()
    page.get_by_test_id("fix-choice").select_option("Inactive")
    page.get_by_test_id("option-short_rows").select_option("accept")
    page.get_by_test_id("fix-apply").click()
    expect(page.get_by_test_id("fix-problem")).to_contain_text("You changed options. Read the file again first")
    page.get_by_test_id("read-again").click()
    expect_counts(page, create=2, rejected=5)
    expect(changes(page)).to_contain_text("Prepared")
    page.get_by_test_id("fix-apply-all").click()
    expect_checked_again(page, create=4, rejected=3)
