"""The second click of a double click must not hit a button that has just taken the place of the first one."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from support.browser import Site, expect_status, expect_step


def click_twice(page: Page, first: Locator, second: Locator, shown: Locator | None = None) -> None:
    """Click a button, wait until the other one is there, and click it as the second click of a double click.

    The mouse does not move, as in a double click of a person: the second button is moved below it.
    """
    first.scroll_into_view_if_needed()
    box = first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down(click_count=1)
    page.mouse.up(click_count=1)
    expect(shown or second).to_be_visible()
    second.evaluate(
        """(button, [x, y]) => {
            Object.assign(button.style, { position: 'fixed', left: `${x - 20}px`, top: `${y - 10}px`, zIndex: 9999 });
        }""",
        [x, y],
    )
    second.evaluate("button => button.addEventListener('click', () => { window.reached = true; })")
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    assert page.evaluate("() => window.reached") is None


def test_a_double_click_on_confirm_does_not_cancel_the_import(page: Page, site: Site) -> None:
    task_id = site.upload("sku,name\nA-1,Lamp\n", preview="true")
    page.goto(f"/#/imports/{task_id}")
    expect_status(page, "awaiting_confirmation")
    cancelled: list[str] = []
    page.on("request", lambda request: cancelled.append(request.url) if request.url.endswith("/cancel") else None)
    with site.held_import():
        confirm = page.get_by_test_id("confirm-import")
        click_twice(page, confirm, page.get_by_test_id("cancel-import"), page.get_by_test_id("import-card"))
        expect_step(page, "progress")
    expect_status(page, "completed")
    assert cancelled == []


def test_a_double_click_on_cancel_chooses_nothing_on_the_result(page: Page, site: Site) -> None:
    task_id = site.upload("sku,name\nA-1,Lamp\n", preview="true")
    page.goto(f"/#/imports/{task_id}")
    expect_status(page, "awaiting_confirmation")
    click_twice(page, page.get_by_test_id("cancel-import"), page.get_by_test_id("retry-import"))
    expect_status(page, "cancelled")


def test_a_double_click_on_a_file_opens_no_dialog_and_follows_no_link_of_the_next_screen(
    page: Page, site: Site
) -> None:
    task_id = site.upload("sku,name\nA-1,Lamp\n")
    page.goto("/#/import")
    expect(page.locator(".row-link")).to_have_attribute("class", "row-link")
    site.wait_for_imports()
    click_twice(page, page.locator(".row-link .nowrap"), page.get_by_test_id("delete-import"))
    expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert f"/imports/{task_id}" in page.url


def test_a_double_click_that_closes_a_dialog_does_not_press_what_is_below(page: Page, site: Site) -> None:
    task_id = site.upload("sku,name\nA-1,Lamp\n")
    page.goto(f"/#/imports/{task_id}/result")
    expect_status(page, "completed")
    page.get_by_test_id("undo-import").click()
    confirm = page.get_by_role("alertdialog").get_by_role("button", name="Undo the import")
    # What the undo would do arrives later, and moves the button.
    expect(page.get_by_role("alertdialog").get_by_role("status")).to_contain_text("1 product is removed")
    with site.held_import():
        undo = page.locator("[data-testid=import-card]:not([data-status=completed])")
        click_twice(page, confirm, page.get_by_role("link", name="Webhooks"), undo)
    expect_step(page, "result")


def test_a_double_click_on_the_button_of_a_dialog_leaves_it_open(page: Page, site: Site) -> None:
    page.goto("/#/products")
    page.get_by_role("button", name="Help").dblclick()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.mouse.click(5, 300)
    expect(dialog).to_have_count(0)


def test_quick_clicks_on_the_same_control_all_count(page: Page, site: Site) -> None:
    page.goto("/#/import")
    label = page.get_by_text("Import without checking")
    box = page.get_by_test_id("import-unchecked")
    label.dblclick()
    expect(box).not_to_be_checked()
    label.click()
    expect(box).to_be_checked()
