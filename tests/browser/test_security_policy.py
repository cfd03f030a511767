"""Every screen works under the Content-Security-Policy, which forbids inline scripts and styles."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from support.browser import Console, Site, row, show_products
from support.paths import ROOT
from support.team import Team

ROUTE_RE = re.compile(r"\{\s*name: '([\w-]+)'")
# `style:` is an attribute for `h`, or an option of Intl.NumberFormat.
INLINE_RE = re.compile(
    r"""\sstyle=|setAttribute\(\s*['"]style|\sstyle: (?!'(percent|unit|decimal|short)')|cssText"""
    "|innerHTML|outerHTML|insertAdjacentHTML"
)
VISITED = {"import", "import-detail", "products", "webhooks", "webhooks-detail"}
# The headings of the screens of access control, by their routes, for an administrator and for nobody.
ACCESS_SCREENS = {"account": "Account", "people": "People", "keys": "API keys", "activity": "Activity"}
OPEN_SCREENS = {
    "sign-in": "Sign in",
    "setup": "Set up accounts",
    "invitation": "Welcome",
    "reset": "Choose a new password",
}
POLICY = "The policy forbids"


def test_the_policy_is_enforced_and_violations_are_seen(page: Page, console: Console) -> None:
    console.allow("style-src-attr")
    console.allow("script-src-elem")
    console.allow("img-src")
    # Chromium writes errors of its own about them.
    console.allow("violates the following Content Security Policy directive")
    page.goto("/")
    page.evaluate("""() => {
        const element = document.createElement('p');
        element.setAttribute('style', 'color: red');
        const script = document.createElement('script');
        script.textContent = 'window.hasRun = true';
        const image = document.createElement('img');
        image.src = 'https://foreign.example/x.png';
        document.body.append(element, script, image);
    }""")
    expect(page.locator("p[style]")).not_to_have_css("color", "rgb(255, 0, 0)")
    assert page.evaluate("window.hasRun") is None


def test_every_screen_obeys_the_policy(page: Page, site: Site, console: Console) -> None:
    site.create_lamps(60)
    webhook = site.call("POST", "/api/webhooks", {"url": "https://example.com/", "event_type": "*", "enabled": False})
    page.goto("/#/import")
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    checked = site.upload("sku,name\nLAMP-001,New name\n,no SKU\nNEW,New\nNEW,Newer\n", preview="true")
    done = site.upload("sku,name\nLAMP-002,New name\n,no SKU\n")
    site.wait_for_imports()
    for task_id, step in ((checked, "check"), (done, "result"), (done, "progress")):
        page.goto(f"/#/imports/{task_id}/{step}")
        expect(page.locator(".steps [aria-current=step]")).to_be_visible()
    show_products(page)
    row(page, "LAMP-001").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    for address in ("/#/webhooks", f"/#/webhooks/{webhook['id']}"):
        page.goto(address)
        expect(page.get_by_text("example.com").first).to_be_visible()
    page.goto("/api/docs")
    expect(page.locator("#main details.card").first).to_be_visible()
    assert not [error for error in console.errors if POLICY in error]


def test_every_screen_of_access_control_obeys_the_policy(team: Team, console: Console) -> None:
    console.allow_status(401)
    console.allow_status(404)
    signed_in, anonymous = team.open("admin"), team.open()
    for page, screens in ((signed_in, ACCESS_SCREENS), (anonymous, OPEN_SCREENS)):
        for name, heading in screens.items():
            page.goto(f"/#/{name}")
            expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    for purpose in ("invitation", "reset"):
        anonymous.goto(f"/#/{purpose}/{team.create_link(purpose, 'viewer')}")
        expect(anonymous.get_by_test_id("new-password")).to_be_visible()
    signed_in.goto("/#/people")
    signed_in.get_by_test_id("invite").click()
    expect(signed_in.get_by_role("dialog")).to_be_visible()
    assert not [error for error in console.errors if POLICY in error]


def test_every_screen_is_visited() -> None:
    files = [path.read_text(encoding="utf-8") for path in (ROOT / "static" / "js").rglob("*.js")]
    routes = {name for text in files if "Route[]}" in text for name in ROUTE_RE.findall(text)}
    # A new screen belongs into a test above. Every browser test fails on a violation, too.
    assert routes == {*VISITED, *ACCESS_SCREENS, *OPEN_SCREENS}


def test_no_file_of_the_page_has_inline_styles_or_markup_in_strings() -> None:
    files = [path for path in (ROOT / "static").rglob("*") if path.suffix in {".js", ".html"}]
    assert len(files) > 10
    assert [path.name for path in files if INLINE_RE.search(path.read_text(encoding="utf-8"))] == []
