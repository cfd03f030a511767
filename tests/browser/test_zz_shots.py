from __future__ import annotations
import re
from pathlib import Path
from playwright.sync_api import Page, expect
from support.team import Team, sign_in
from support.axe import check_accessible
import pytest

OUT = Path("/tmp/shots15")

def shoot(page: Page, name: str, full: bool = True) -> None:
    problems = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        for width in (360, 700, 1440):
            if theme == "dark" and width == 700: continue
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(80)
            over = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            if over: problems.append((name, width))
            page.screenshot(path=str(OUT / f"{name}-{theme}-{width}.png"), full_page=full)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
    try:
        check_accessible(page, name)
    except pytest.fail.Exception as e:
        print(e)
    for p in problems: print("OVERFLOW", p)

def test_shots(team: Team, console) -> None:
    console.allow_status(401); console.allow_status(404)
    team.site.create_lamps(30)
    page = team.open()
    page.goto("/#/products?q=lamp")
    expect(page.get_by_test_id("sign-in-email")).to_be_visible()
    shoot(page, "sign-in")
    sign_in(page, "admin@example.com")
    expect(page).to_have_url(re.compile("#/products.q=lamp"))
    team.expect_signed_in(page, "admin")
    page.get_by_test_id("account-menu").click(); shoot(page, "menu", False)
    page.keyboard.press("Escape")
    for where in ("account", "people", "keys", "activity"):
        page.goto(f"/#/{where}"); page.wait_for_timeout(500)
        shoot(page, where)
    page.goto("/#/people"); page.get_by_test_id("invite").click(); shoot(page, "invite", False)
    page.get_by_test_id("invite-name").fill("Grace Hopper"); page.get_by_test_id("invite-email").fill("grace@example.com")
    page.get_by_test_id("invitation-ok").click(); expect(page.get_by_test_id("one-time-link")).to_be_visible(); shoot(page, "invited", False)
    link = page.get_by_test_id("one-time-link").input_value()
    page.get_by_test_id("link-done").click()
    page.goto("/#/keys"); page.get_by_test_id("new-key").click(); page.get_by_test_id("key-name").fill("Nightly import"); page.get_by_test_id("scope-imports:write").check()
    shoot(page, "new-key", False)
    page.get_by_test_id("new-key-ok").click(); expect(page.get_by_test_id("new-key-text")).to_be_visible(); shoot(page, "key-shown", False)
    page.get_by_test_id("key-done").click(); shoot(page, "keys2")
    team.site.call  # noqa
    page.goto("/#/products"); page.get_by_test_id("product-open").first.click(); page.wait_for_timeout(500)
    page.get_by_test_id("field-name").fill("Changed lamp"); page.get_by_test_id("product-save").click(); page.wait_for_timeout(500)
    page.get_by_test_id("product-open").first.click(); page.wait_for_timeout(500); shoot(page, "product-admin", False)
    page.keyboard.press("Escape")
    page.goto("/#/activity"); page.wait_for_timeout(500); shoot(page, "activity2")
    page.goto("/#/products"); page.wait_for_timeout(300)
    page.get_by_test_id("new-product").click(); page.get_by_test_id("field-sku").fill("X-1")
    team.end_sessions("admin")
    expect(page.get_by_test_id("session-dialog")).to_be_visible(); shoot(page, "session-dialog", False)
    guest = team.open()
    guest.goto(link[link.index("/#/"):]); expect(guest.get_by_test_id("link-ok")).to_be_visible(); guest.get_by_test_id("new-password").fill("short"); shoot(guest, "invitation")
    guest.goto("/#/reset/nonsense"); expect(guest.get_by_test_id("link-unusable")).to_be_visible(); shoot(guest, "link-unusable")
    viewer = team.open("viewer")
    viewer.goto("/#/products"); viewer.wait_for_timeout(800); shoot(viewer, "products-viewer")
    viewer.get_by_test_id("product-open").first.click(); viewer.wait_for_timeout(400); shoot(viewer, "product-viewer", False)
    viewer.keyboard.press("Escape")
    viewer.goto("/#/import"); viewer.wait_for_timeout(500); shoot(viewer, "import-viewer")
    viewer.goto("/#/webhooks"); viewer.wait_for_timeout(500); shoot(viewer, "refused")

def test_setup(nobody: Team, console) -> None:
    console.allow_status(401)
    page = nobody.open()
    page.goto("/#/setup/" + nobody.create_link("setup")); expect(page.get_by_test_id("setup-ok")).to_be_visible(); shoot(page, "setup")

def test_local(page: Page) -> None:
    page.goto("/#/products"); page.wait_for_timeout(500); shoot(page, "local")
    page.goto("/#/account"); page.wait_for_timeout(500); shoot(page, "local-account")
