"""A session ends while someone works: the page asks to sign in again in place, and loses nothing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from support.axe import check_accessible
from support.browser import Console, cell, row, show_products, wait_for_value
from support.team import NAMES, PASSWORD, Team, sign_in


@pytest.fixture
def page(team: Team, console: Console) -> Page:
    """The page of the editor, who has signed in with the form."""
    console.allow_status(401)
    page = team.open()
    page.goto("/#/products")
    sign_in(page, team.email("editor"))
    team.expect_signed_in(page, "editor")
    return page


def test_what_the_page_loads_while_nobody_uses_it_is_marked(page: Page) -> None:
    page.clock.install()
    page.goto("/#/import")
    expect(page.get_by_role("heading", name="Import products")).to_be_visible()

    def is_marked() -> bool:
        """Return whether the next reload of the imports is marked."""
        with page.expect_request("**/api/imports?*") as request:
            page.clock.run_for(16_000)
        return request.value.headers.get("x-unattended") == "true"

    page.mouse.move(100, 100)
    assert not is_marked()
    page.clock.fast_forward(120_000)
    assert is_marked()
    page.keyboard.press("Shift")
    assert not is_marked()


def end_session_at_next_call(page: Page, team: Team) -> None:
    """End the session right before the page creates a product: earlier, the dialog could open before the call."""

    def end(route: Route) -> None:
        team.end_sessions("editor")
        route.continue_()

    page.route("**/api/products", end, times=1)


def sign_in_again(page: Page) -> None:
    """Give the password in the dialog, which knows the email address."""
    expect(page.get_by_test_id("session-dialog")).to_contain_text(f"{NAMES['editor']}, your session has ended.")
    expect(page.get_by_test_id("sign-in-email")).to_have_value("editor@example.com")
    expect(page.get_by_test_id("sign-in-password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("session-dialog")).to_have_count(0)


def test_a_new_product_is_created_after_signing_in_again(page: Page, team: Team) -> None:
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-sku").fill("LAMP-1")
    page.get_by_test_id("field-description").fill("A long text that nobody wants to type twice")
    end_session_at_next_call(page, team)
    page.get_by_test_id("field-sku").press("Enter")
    expect(page.get_by_test_id("session-dialog")).to_be_visible()
    check_accessible(page, "the dialog of an ended session")
    sign_in_again(page)
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    product = team.site.product("LAMP-1")
    assert product is not None
    assert product["description"] == "A long text that nobody wants to type twice"


def test_an_open_stream_that_ends_opens_the_dialog_and_live_updates_go_on_afterwards(page: Page, team: Team) -> None:
    team.site.create_lamps(2)
    with page.expect_response("**/api/events?*"):
        page.reload()
    expect(row(page, "LAMP-001")).to_be_visible()
    row(page, "LAMP-001").get_by_test_id("select-row").check()
    team.end_sessions("editor")
    with page.expect_response(lambda answer: "/api/events?" in answer.url and answer.status == 200):
        sign_in_again(page)
    expect(page.get_by_test_id("selection-count")).to_have_text("1 selected")
    team.site.create_products({"sku": "LAMP-000"})
    expect(page.get_by_test_id("changes-offer")).to_be_visible()


def test_a_cell_that_is_being_edited_is_saved(page: Page, team: Team) -> None:
    team.site.create_lamps(1)
    show_products(page)
    cell(page, "LAMP-001", "name").dblclick()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Brightest lamp")
    team.end_sessions("editor")
    page.keyboard.press("Enter")
    sign_in_again(page)
    wait_for_value("the name", lambda: (team.site.product("LAMP-001") or {})["name"], "Brightest lamp")


def test_keys_that_are_meant_for_a_field_stay_there(page: Page, team: Team) -> None:
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-description").focus()
    page.keyboard.type("One ")
    team.end_sessions("editor")
    page.keyboard.type("two three four five six seven eight nine ten", delay=40)
    expect(page.get_by_test_id("session-dialog")).to_be_visible()
    expect(page.get_by_test_id("field-description")).to_have_value("One two three four five six seven eight nine ten")
    expect(page.get_by_test_id("sign-in-password")).to_have_value("")
    sign_in_again(page)
    expect(page.get_by_test_id("field-description")).to_be_focused()


def test_a_file_is_uploaded_after_signing_in_again(page: Page, team: Team) -> None:
    page.goto("/#/import")
    expect(page.get_by_text("No imports yet")).to_be_visible()
    team.end_sessions("editor")
    drop_file(page)
    sign_in_again(page)
    page.wait_for_url(re.compile(r"#/imports/[^/]+/check$"), timeout=30_000)
    expect(page.get_by_test_id("count-create")).to_have_text("1")


def drop_file(page: Page) -> None:
    """Choose a file on the import screen that is open."""
    file: FilePayload = {"name": "lamps.csv", "mimeType": "text/csv", "buffer": b"sku,name\nLAMP-1,Lamp\n"}
    page.get_by_test_id("file-input").set_input_files(file)


def test_somebody_else_is_warned_and_nothing_is_saved_as_them(page: Page, team: Team) -> None:
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-sku").fill("LAMP-1")
    end_session_at_next_call(page, team)
    page.get_by_test_id("field-sku").press("Enter")
    expect(page.get_by_test_id("session-dialog")).to_be_visible()
    sign_in(page, team.email("admin"))
    expect(page.get_by_test_id("session-other")).to_contain_text("You are signed in as Ada Lovelace now.")
    check_accessible(page, "the warning")
    # The first person may come back, and nothing is lost.
    page.get_by_test_id("session-same").click()
    sign_in(page, team.email("editor"))
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    assert team.site.product("LAMP-1") is not None

    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-sku").fill("LAMP-2")
    end_session_at_next_call(page, team)
    page.get_by_test_id("field-sku").press("Enter")
    expect(page.get_by_test_id("session-dialog")).to_be_visible()
    sign_in(page, team.email("admin"))
    page.get_by_test_id("session-reload").click()
    team.expect_signed_in(page, "admin")
    expect(page.get_by_test_id("product-dialog")).to_have_count(0)
    assert team.site.product("LAMP-2") is None


def test_signing_in_in_one_tab_is_enough(page: Page, team: Team) -> None:
    other = team.open(context=page.context)
    show_products(other)
    other.get_by_test_id("new-product").click()
    other.get_by_test_id("field-sku").fill("LAMP-1")
    end_session_at_next_call(other, team)
    other.get_by_test_id("field-sku").press("Enter")
    expect(other.get_by_test_id("session-dialog")).to_be_visible()
    page.bring_to_front()
    page.goto("/#/import")
    sign_in_again(page)
    expect(other.get_by_test_id("session-dialog")).to_have_count(0)
    expect(other.get_by_test_id("product-dialog")).to_have_count(0)
    assert team.site.product("LAMP-1") is not None


def test_a_smaller_role_is_told_and_takes_effect(page: Page, team: Team, console: Console) -> None:
    console.allow_status(403)
    page.get_by_test_id("new-product").click()
    page.get_by_test_id("field-sku").fill("LAMP-1")
    # One transaction, as in the product: otherwise, the page could learn the role before the session ends.
    team.site.sql(
        "UPDATE users SET role = 'viewer' WHERE id = %(id)s; DELETE FROM user_sessions WHERE user_id = %(id)s",
        {"id": team.ids["editor"]},
    )
    sign_in_again(page)
    expect(page.get_by_text("Your role is viewer now.")).to_be_visible()
    page.get_by_test_id("field-sku").press("Enter")
    expect(page.get_by_test_id("dialog-problem")).to_contain_text("Your role, viewer, may not do that")
    expect(page.get_by_test_id("field-sku")).to_have_value("LAMP-1")
