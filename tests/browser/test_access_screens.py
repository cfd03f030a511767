"""The screens for people who are signed in: account, people, keys, activity, and secrets of webhooks."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import requests
from playwright.sync_api import Page, expect

from support.axe import check_accessible
from support.browser import Console, row, show_products, wait_until_closed
from support.sign_in import create_key, create_session
from support.team import NAMES, PASSWORD, Team, sign_in

NEW_PASSWORD = "quite another lamp 7"
LISTS = re.compile(r"/api/(account/sessions|audit|imports|keys|users|webhooks)\b")
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def open_from_menu(page: Page, name: str) -> None:
    """Open a screen with the account menu."""
    page.get_by_test_id("account-menu").click()
    page.get_by_test_id(f"menu-{name}").click()


# Account


def test_the_account_lists_sessions_in_words_and_ends_them(team: Team) -> None:
    page = team.open("viewer")
    for _ in range(2):
        create_session(team.site.database_url, team.ids["viewer"])
    team.site.sql("UPDATE user_sessions SET user_agent = %s, address = '192.0.2.7'", (FIREFOX,))
    page.goto("/#/import")
    open_from_menu(page, "account")
    sessions = page.get_by_test_id("session")
    expect(sessions).to_have_count(3)
    expect(sessions.filter(has_text="This browser")).to_have_count(1)
    expect(sessions.first).to_contain_text("Firefox on Windows")
    check_accessible(page, "the account")
    page.get_by_test_id("end-session").first.click()
    expect(page.get_by_test_id("confirm-dialog")).to_contain_text("Firefox on Windows at 192.0.2.7")
    page.get_by_test_id("confirm-ok").click()
    expect(sessions).to_have_count(2)
    page.get_by_test_id("end-other-sessions").click()
    page.get_by_test_id("confirm-ok").click()
    expect(sessions).to_have_count(1)
    expect(sessions).to_contain_text("This browser")
    expect(page.get_by_test_id("end-other-sessions")).to_be_hidden()


def test_the_password_is_changed_with_the_current_one(team: Team, console: Console) -> None:
    console.allow_status(403)
    console.allow_status(401)
    page = team.open("viewer")
    page.goto("/#/account")
    page.get_by_test_id("current-password").fill("wrong")
    page.get_by_test_id("new-password").fill("short")
    page.get_by_test_id("change-password-ok").click()
    expect(page.get_by_text("7 more characters needed.").first).to_be_visible()
    page.get_by_test_id("new-password").fill(NEW_PASSWORD)
    page.get_by_test_id("change-password-ok").click()
    expect(page.get_by_text("password is wrong")).to_be_visible()
    expect(page.get_by_test_id("new-password")).to_have_value(NEW_PASSWORD)
    page.get_by_test_id("current-password").fill(PASSWORD)
    page.get_by_test_id("change-password-ok").click()
    expect(page.get_by_test_id("toast")).to_have_text("Password changed")
    expect(page.get_by_test_id("new-password")).to_have_value("")
    other = team.open()
    other.goto("/")
    sign_in(other, team.email("viewer"), NEW_PASSWORD)
    team.expect_signed_in(other, "viewer")


# People


def test_people_are_invited_changed_disabled_and_removed(team: Team, console: Console) -> None:
    console.allow_status(409)
    console.allow_status(401)
    page = team.open("admin")
    page.goto("/#/import")
    open_from_menu(page, "people")
    people = page.get_by_test_id("person")
    expect(people).to_have_count(3)
    check_accessible(page, "the people", narrow=True)

    page.get_by_test_id("invite").click()
    check_accessible(page, "the invitation")
    page.get_by_test_id("invite-name").fill("Grace Hopper")
    page.get_by_test_id("invite-email").fill(team.email("viewer"))
    page.get_by_test_id("invitation-ok").click()
    expect(page.get_by_text("Another person has this email address.")).to_be_visible()
    page.get_by_test_id("invite-email").fill("grace@example.com")
    page.get_by_test_id("invitation-ok").click()
    expect(page.get_by_test_id("link-note")).to_contain_text("It was not mailed")
    link = page.get_by_test_id("one-time-link").input_value()
    check_accessible(page, "the link of an invitation")
    page.get_by_test_id("link-done").click()
    grace = people.filter(has_text="Grace Hopper")
    expect(grace.get_by_test_id("person-status")).to_have_text("Invited")
    guest = team.open()
    guest.goto(link)
    expect(guest.get_by_text("grace@example.com")).to_be_visible()

    grace.get_by_test_id("person-name").click()
    page.get_by_test_id("person-name-input").fill("Grace M. Hopper")
    page.get_by_test_id("person-name-input").press("Enter")
    expect(people.filter(has_text="Grace M. Hopper")).to_have_count(1)
    grace = people.filter(has_text="Grace M. Hopper")
    grace.get_by_test_id("person-role").select_option("viewer")
    expect(page.get_by_text("Grace M. Hopper is viewer now")).to_be_visible()

    vera = people.filter(has_text=NAMES["viewer"])
    vera.get_by_test_id("person-menu").click()
    vera.get_by_test_id("person-disable").click()
    expect(vera.get_by_test_id("person-status")).to_have_text("Disabled")
    vera.get_by_test_id("person-menu").click()
    vera.get_by_test_id("person-disable").click()
    expect(vera.get_by_test_id("person-status")).to_have_text("Active")
    vera.get_by_test_id("person-menu").click()
    vera.get_by_test_id("person-link").click()
    expect(page.get_by_test_id("one-time-link")).to_have_value(re.compile(r"/#/reset/\S+"))
    page.get_by_test_id("link-done").click()

    grace.get_by_test_id("person-menu").click()
    grace.get_by_test_id("person-remove").click()
    expect(page.get_by_test_id("confirm-dialog")).to_contain_text("What they did stays in the activity.")
    page.get_by_test_id("confirm-ok").click()
    expect(people).to_have_count(3)


def test_the_last_administrator_cannot_go_and_the_row_says_why(team: Team, console: Console) -> None:
    console.allow_status(409)
    page = team.open("admin")
    page.goto("/#/people")
    ada = page.get_by_test_id("person").filter(has_text=NAMES["admin"])
    ada.get_by_test_id("person-menu").click()
    ada.get_by_test_id("person-disable").click()
    expect(ada.get_by_test_id("person-problem")).to_contain_text("Nobody else is an administrator")
    ada.get_by_test_id("person-role").select_option("viewer")
    page.get_by_test_id("confirm-ok").click()
    expect(ada.get_by_test_id("person-problem")).to_contain_text("Nobody else is an administrator")
    expect(ada.get_by_test_id("person-role")).to_have_value("admin")
    check_accessible(page, "an error of a person")
    ada.get_by_test_id("person-menu").click()
    ada.get_by_test_id("person-remove").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("confirm-error")).to_contain_text("Nobody else is an administrator")


# Keys


def test_a_key_is_shown_once_works_and_is_revoked(team: Team, console: Console) -> None:
    page = team.open("editor")
    page.goto("/#/import")
    open_from_menu(page, "keys")
    expect(page.get_by_text("No API keys yet")).to_be_visible()
    check_accessible(page, "no keys")
    page.get_by_test_id("new-key").click()
    for scope in ("products:read", "products:write", "imports:read", "imports:write"):
        expect(page.get_by_test_id(f"scope-{scope}")).to_be_visible()
    expect(page.get_by_test_id("scope-webhooks")).to_have_count(0)
    expect(page.get_by_test_id("scope-admin")).to_have_count(0)
    page.get_by_test_id("key-name").fill("Nightly import")
    page.get_by_test_id("new-key-ok").click()
    expect(page.get_by_test_id("scopes-problem")).to_have_text("Choose at least one.")
    check_accessible(page, "a new key")
    page.get_by_test_id("scope-products:read").check()
    page.get_by_test_id("key-expiry").select_option("30")
    page.get_by_test_id("new-key-ok").click()
    key = page.get_by_test_id("new-key-text").input_value()
    expect(page.get_by_test_id("key-example")).to_contain_text(f"curl -H 'Authorization: Bearer {key}'")
    check_accessible(page, "a key that is shown")
    page.get_by_test_id("key-done").click()
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{team.site.address}/api/products", headers=headers, timeout=10).status_code == 200

    wait_until_closed(page)
    page.reload()
    listed = page.get_by_test_id("key")
    expect(listed).to_contain_text("Nightly import")
    expect(listed).to_contain_text(f"{key[:9]}…{key[-4:]}")
    expect(listed).to_contain_text("in 30 days")
    assert key not in page.content()
    check_accessible(page, "the keys")
    page.get_by_test_id("revoke-key").click()
    page.get_by_test_id("confirm-ok").click()
    expect(listed).to_contain_text("Revoked")
    expect(page.get_by_test_id("revoke-key")).to_have_count(0)
    assert requests.get(f"{team.site.address}/api/products", headers=headers, timeout=10).status_code == 401


def test_administrators_see_the_keys_of_everyone_and_others_their_own(team: Team) -> None:
    for role in ("admin", "editor"):
        create_key(team.site.database_url, team.ids[role])
    admin = team.open("admin")
    admin.goto("/#/keys")
    expect(admin.get_by_test_id("key")).to_have_count(2)
    admin.goto("/#/account")
    expect(admin.get_by_test_id("key")).to_have_count(1)
    editor = team.open("editor")
    editor.goto("/#/keys")
    expect(editor.get_by_test_id("key")).to_have_count(1)


# Activity


def test_the_activity_shows_who_changed_what_and_filters_it(team: Team, tmp_path: Path) -> None:
    [lamp, _] = team.site.create_lamps(2)
    page = team.open("admin")
    show_products(page)
    row(page, "LAMP-001").get_by_test_id("product-open").click()
    page.get_by_test_id("field-name").fill("Bright lamp")
    page.get_by_test_id("product-save").click()
    expect(row(page, "LAMP-001")).to_contain_text("Bright lamp")
    row(page, "LAMP-001").get_by_test_id("product-open").click()
    expect(page.get_by_test_id("history-change").first).to_contain_text("Ada Lovelace · on this page")
    check_accessible(page, "a product with its history")
    page.get_by_test_id("product-activity").click()
    expect(page).to_have_url(re.compile(rf"#/activity\?target=product%3A{lamp}$"))
    entries = page.get_by_test_id("activity-entry")
    expect(entries).to_have_count(1)
    expect(entries).to_contain_text("Ada Lovelace")
    expect(entries).to_contain_text("Product changed")
    expect(entries.locator("del").first).to_have_text("Lamp 1")
    expect(entries.locator("ins").first).to_have_text("Bright lamp")
    check_accessible(page, "the activity", narrow=True)

    page.get_by_test_id("activity-actor").select_option(f"user:{team.ids['viewer']}")
    expect(page.get_by_text("No entry matches all filters.")).to_be_visible()
    check_accessible(page, "no activity")
    page.get_by_test_id("activity-actor").select_option(f"user:{team.ids['admin']}")
    page.get_by_test_id("activity-action").select_option("product.updated")
    page.get_by_test_id("activity-since").fill("2020-01-01")
    expect(entries).to_have_count(1)
    expect(page).to_have_url(re.compile(r"since=2020-01-01"))
    page.get_by_test_id("activity-until").fill("2020-01-02")
    expect(page.get_by_text("No entry matches all filters.")).to_be_visible()
    page.get_by_test_id("activity-until").fill("")
    expect(entries).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_test_id("activity-export").click()
    path = tmp_path / "audit.csv"
    download.value.save_as(path)
    with path.open(newline="") as file:
        assert [line["action"] for line in csv.DictReader(file)] == ["product.updated"]


def test_screens_that_cannot_load_say_why_and_can_be_tried_again(team: Team, console: Console) -> None:
    console.allow_status(500)
    page = team.open("admin")
    body = {"error": "The database is being restarted.", "code": "internal_error", "status": 500, "request_id": "r-1"}
    page.route(LISTS, lambda route: route.fulfill(status=500, json=body))
    for screen in ("account", "people", "keys", "activity", "webhooks", "webhooks/1", "import"):
        page.goto(f"/#/{screen}")
        expect(page.get_by_text("The database is being restarted.").first).to_be_visible()
        expect(page.locator("[aria-busy=true]").filter(visible=True)).to_have_count(0)
        check_accessible(page, f"{screen}, which cannot load")
    page.unroute(LISTS)
    page.goto("/#/people")
    expect(page.get_by_test_id("person")).to_have_count(3)


def test_earlier_activity_is_added_below(team: Team) -> None:
    team.site.sql(
        "INSERT INTO audit_entries (actor_type, actor_id, actor_name, action, target_type, target_id)"
        " SELECT 'user', %s, 'Ada', 'product.deleted', 'product', n::text FROM generate_series(1, 60) n",
        (team.ids["admin"],),
    )
    page = team.open("admin")
    page.goto(f"/#/activity?actor=user:{team.ids['admin']}&action=product.deleted")
    entries = page.get_by_test_id("activity-entry")
    expect(entries).to_have_count(50)
    page.get_by_test_id("activity-more").click()
    expect(entries).to_have_count(60)
    expect(page.get_by_test_id("activity-more")).to_be_hidden()


# Secrets


def test_a_secret_is_shown_after_the_password(team: Team, console: Console) -> None:
    console.allow_status(403)
    team.site.sql(
        "INSERT INTO webhooks (url, description, event_type, enabled, secret)"
        " VALUES ('https://example.com/hook', '', '*', true, 'whsec_abcdefghijklmnopqrstuvwx')"
    )
    page = team.open("admin")
    team.site.sql("UPDATE user_sessions SET confirmed_at = now() - interval '1 day'")
    page.goto("/#/webhooks")
    page.get_by_test_id("webhook-menu").click()
    page.get_by_test_id("webhook-edit").click()
    secret = page.get_by_test_id("field-secret")
    expect(secret).not_to_have_value(re.compile("abcdefgh"))
    page.get_by_test_id("secret-reveal").click()
    expect(page.get_by_test_id("confirm-password")).to_be_focused()
    check_accessible(page, "the confirmation of the password")
    page.get_by_test_id("confirm-password").fill("wrong")
    page.get_by_test_id("confirm-password-ok").click()
    expect(page.get_by_text("The password is wrong.")).to_be_visible()
    page.get_by_test_id("confirm-password").fill(PASSWORD)
    page.get_by_test_id("confirm-password-ok").click()
    expect(secret).to_have_value("whsec_abcdefghijklmnopqrstuvwx")
    expect(secret).to_have_attribute("type", "text")
    # Nothing was changed, so saving sends nothing.
    page.get_by_test_id("webhook-save").click()
    expect(page.get_by_test_id("webhook-dialog")).to_have_count(0)
    assert team.site.sql("SELECT secret FROM webhooks") == [("whsec_abcdefghijklmnopqrstuvwx",)]


def test_a_replaced_secret_is_shown_after_the_password(team: Team, console: Console) -> None:
    team.site.sql(
        "INSERT INTO webhooks (url, description, event_type, enabled, secret)"
        " VALUES ('https://example.com/hook', '', '*', true, 'whsec_abcdefghijklmnopqrstuvwx')"
    )
    page = team.open("admin")
    page.goto("/#/webhooks")
    page.get_by_test_id("webhook-menu").click()
    page.get_by_test_id("webhook-edit").click()
    secret = page.get_by_test_id("field-secret")
    # The dialog was open for a while.
    team.site.sql("UPDATE user_sessions SET confirmed_at = now() - interval '1 day'")
    page.get_by_test_id("secret-rotate").click()
    page.get_by_test_id("confirm-ok").click()
    expect(page.get_by_test_id("secret-note")).to_contain_text("valid until")
    [(new,)] = team.site.sql("SELECT secret FROM webhooks")
    expect(secret).to_have_value(re.compile(f"^•+{re.escape(new[-4:])}$|^•"))
    page.get_by_test_id("secret-copy").click()
    page.get_by_test_id("confirm-password").fill(PASSWORD)
    page.get_by_test_id("confirm-password-ok").click()
    expect(secret).to_have_value(new)
    page.get_by_test_id("webhook-save").click()
    expect(page.get_by_test_id("webhook-dialog")).to_have_count(0)
    assert team.site.sql("SELECT secret FROM webhooks") == [(new,)]
