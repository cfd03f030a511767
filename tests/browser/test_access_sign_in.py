"""Signing in: the screens that are open to everybody, and the way to the address that was asked for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from support.axe import check_accessible
from support.browser import Console, show_products
from support.team import METHODS, NAMES, PASSWORD, Team, sign_in

NEW_PASSWORD = "quite another lamp 7"


def test_every_address_leads_to_the_sign_in_and_back(team: Team, console: Console) -> None:
    console.allow_status(401)
    team.site.create_lamps(3)
    page = team.open()
    for address in ("/", "/#/products?q=lamp", "/#/webhooks", "/#/imports/nothing", "/#/people"):
        page.goto("about:blank")
        page.goto(address)
        expect(page).to_have_url(re.compile(r"#/sign-in"))
        expect(page.get_by_test_id("sign-in-email")).to_be_focused()
        expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    check_accessible(page, "the sign-in")
    page.goto("about:blank")
    page.goto("/#/products?q=lamp")
    sign_in(page, team.email("editor"))
    expect(page).to_have_url(re.compile(r"#/products\?q=lamp$"))
    expect(page.get_by_test_id("product-row")).to_have_count(3)
    team.expect_signed_in(page, "editor")


def test_a_link_cannot_lead_to_another_page_after_signing_in(team: Team, console: Console) -> None:
    console.allow_status(401)
    page = team.open()
    page.goto("/#/sign-in?next=https://example.com/")
    sign_in(page, team.email("viewer"))
    expect(page).to_have_url(re.compile(rf"^{team.site.address}/#/import$"))


def test_a_wrong_password_is_shown_and_too_many_have_to_wait(team: Team, console: Console) -> None:
    console.allow_status(401)
    console.allow_status(429)
    page = team.open()
    page.goto("/#/sign-in")
    page.get_by_test_id("sign-in-ok").click()
    expect(page.get_by_text("Type your email address.")).to_be_visible()
    sign_in(page, team.email("viewer"), "wrong")
    expect(page.get_by_test_id("sign-in-problem")).to_have_text("The email address or the password is wrong.")
    page.get_by_test_id("sign-in-password-show").click()
    expect(page.get_by_test_id("sign-in-password")).to_have_attribute("type", "text")
    # The server makes people wait longer each time; only the first waits are short enough for a test.
    refusal = {"error": "Too many wrong passwords. Try again in 90 seconds.", "code": "too_many_requests"}
    refused = {"status": 429, "headers": {"Retry-After": "90"}, "json": refusal}
    page.route("**/api/session", lambda route: route.fulfill(**refused), times=1)
    page.clock.install()
    page.get_by_test_id("sign-in-ok").click()
    wait = page.get_by_test_id("sign-in-wait")
    expect(wait).to_have_text("You can try again in 1 min 30 s.")
    expect(page.get_by_test_id("sign-in-ok")).to_have_attribute("aria-disabled", "true")
    page.clock.run_for(80_000)
    expect(wait).to_have_text("You can try again in 10 seconds.")
    check_accessible(page, "the wait")
    page.clock.run_for(10_000)
    expect(wait).to_be_hidden()
    expect(page.get_by_test_id("sign-in-problem")).to_be_hidden()
    sign_in(page, team.email("viewer"))
    team.expect_signed_in(page, "viewer")


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("oidc_denied", "The sign-in was cancelled."),
        ("oidc_no_role", "You have no role here. Ask an administrator for one."),
        ("toString", "The sign-in failed. Try again."),
    ],
)
def test_an_error_of_the_sign_in_service_is_explained(team: Team, console: Console, code: str, sentence: str) -> None:
    console.allow_status(401)
    page = team.open()
    page.goto(f"/#/sign-in?error={code}")
    expect(page.get_by_test_id("sign-in-problem")).to_have_text(sentence)


def test_a_sign_in_service_is_offered(team: Team, console: Console) -> None:
    console.allow_status(401)
    page = team.open()
    methods = {"password": True, "oidc": {"name": "login.example.com"}, "setup": True}
    page.route(METHODS, lambda route: route.fulfill(json=methods))
    page.goto("/#/products")
    link = page.get_by_role("link", name="Sign in with login.example.com")
    expect(link).to_have_attribute("href", "/api/session/oidc")
    expect(page.get_by_test_id("sign-in-setup")).to_contain_text("Nobody has an account yet")
    check_accessible(page, "the sign-in with a service")


def test_signing_out_forgets_everything_in_all_tabs(team: Team, console: Console) -> None:
    console.allow_status(401)
    page = team.open("admin")
    show_products(page)
    other = team.open(context=page.context)
    show_products(other)
    page.get_by_test_id("account-menu").click()
    check_accessible(page, "the account menu")
    page.get_by_test_id("sign-out").click()
    expect(page.get_by_test_id("sign-in-email")).to_have_value("")
    expect(page).to_have_url(re.compile(r"#/sign-in$"))
    expect(other.get_by_test_id("session-dialog")).to_be_visible()
    assert team.site.sql("SELECT count(*) FROM user_sessions") == [(0,)]


def test_the_first_administrator_uses_the_link_of_the_start(nobody: Team, console: Console) -> None:
    console.allow_status(401)
    console.allow_status(404)
    page = nobody.open()
    page.goto("/#/setup")
    expect(page.get_by_text("needs the link that the server prints")).to_be_visible()
    token = nobody.create_link("setup")
    page.goto(f"/#/setup/{token}")
    expect(page.get_by_test_id("setup-name")).to_be_focused()
    assert token not in page.url
    check_accessible(page, "the setup")
    page.get_by_test_id("setup-name").fill(NAMES["admin"])
    page.get_by_test_id("setup-email").fill("ada@example.com")
    page.get_by_test_id("new-password").fill("too short")
    expect(page.get_by_test_id("password-hint")).to_have_text("3 more characters needed.")
    page.get_by_test_id("new-password").fill("ada@example.com")
    expect(page.get_by_test_id("password-hint")).to_contain_text("must not be the name")
    page.get_by_test_id("new-password").fill(PASSWORD)
    expect(page.get_by_test_id("password-hint")).to_have_text("Long enough.")
    page.get_by_test_id("setup-ok").click()
    expect(page.get_by_test_id("person")).to_contain_text(["Ada Lovelace (you)"])
    nobody.expect_signed_in(page, "admin")

    late = nobody.open()
    late.goto(f"/#/setup/{token}")
    late.get_by_test_id("setup-name").fill("Eve")
    late.get_by_test_id("setup-email").fill("eve@example.com")
    late.get_by_test_id("new-password").fill(PASSWORD)
    late.get_by_test_id("setup-ok").click()
    expect(late.get_by_test_id("setup-problem")).to_contain_text("The first administrator exists already. Sign in.")


@pytest.mark.thorough("reset")
@pytest.mark.parametrize("purpose", ["invitation", "reset"])
def test_a_link_sets_a_password_once(team: Team, console: Console, purpose: str) -> None:
    console.allow_status(401)
    console.allow_status(404)
    console.allow_status(400)
    page = team.open()
    token = team.create_link(purpose, "editor")
    page.goto(f"/#/{purpose}/{token}")
    expect(page.get_by_text(NAMES["editor"])).to_be_visible()
    expect(page.get_by_text(team.email("editor"))).to_be_visible()
    assert token not in page.url
    check_accessible(page, f"the link for {purpose}")
    # The server knows which passwords are common; the page does not.
    page.get_by_test_id("new-password").fill("1234567890123")
    page.get_by_test_id("link-ok").click()
    expect(page.get_by_text("one of the most common ones")).to_be_visible()
    page.get_by_test_id("new-password").fill(NEW_PASSWORD)
    page.get_by_test_id("link-ok").click()
    team.expect_signed_in(page, "editor")
    expect(page).to_have_url(re.compile(r"#/import$"))

    again = team.open()
    again.goto(f"/#/{purpose}/{token}")
    expect(again.get_by_test_id("link-unusable")).to_contain_text("This link cannot be used any more")
    check_accessible(again, "a used link")
    again.goto("/#/sign-in")
    sign_in(again, team.email("editor"), NEW_PASSWORD)
    team.expect_signed_in(again, "editor")
