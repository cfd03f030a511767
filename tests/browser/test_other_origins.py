"""What pages of other origins can do with the API in a real browser: nothing.

The attacks cover every operation of the OpenAPI document, so also those that are added later.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page

import config
from api.session_cookie import COOKIE_NAME
from support.assets import main_script, main_styles
from support.browser import FOREIGN_HOST, OTHER_HOST
from support.browser_contexts import CONTEXT
from support.database import execute
from support.foreign_pages import READ_SCRIPT, WRITE_SCRIPT, Call, Traffic, list_calls, serve_foreign_pages
from support.processes import Processes
from support.sign_in import create_key, create_session, create_user
from support.waiting import wait_for
from support.web import WebProcess

TABLES_SQL = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
# Refused requests may be counted and logged.
WRITTEN_BY_REFUSALS = {"audit_entries", "request_counts"}
OWN_SCRIPT = """async ({method, path}) => {
    const body = method === 'GET' ? undefined : '{}';
    const response = await fetch(path, {method, body, headers: {'Content-Type': 'application/json'}});
    const isJson = response.headers.get('Content-Type') === 'application/json';
    const code = isJson ? (await response.json()).code : '';
    return [response.status, code ?? ''];
}"""
OWN_READ_SCRIPT = "path => fetch(path).then(response => response.status)"


@dataclass
class Victim:
    """A running product with data, and who uses it in the browser: a person with a session, or "local"."""

    web: WebProcess
    settings: config.Settings
    token: str
    document: Any
    values: dict[str, object]

    @property
    def address(self) -> str:
        """The address of the product on loopback."""
        return f"http://127.0.0.1:{self.web.port}"

    @property
    def other_address(self) -> str:
        """The address of the product with another name, on plain HTTP. Browsers send no `Sec-Fetch-Site` there."""
        return f"http://{OTHER_HOST}:{self.web.port}"

    def calls(self, *, safe: bool) -> list[Call]:
        """Return the operations that change nothing, or those that do."""
        return [call for call in list_calls(self.document, self.values) if (call.method == "GET") is safe]

    def state(self) -> dict[str, Any]:
        """Return what the product has stored: a checksum of each table, and the names of uploaded files."""
        url = self.settings.database_url
        state: dict[str, Any] = {"files": sorted(path.name for path in self.settings.upload_dir.iterdir())}
        for (table,) in execute(url, TABLES_SQL):
            if table not in WRITTEN_BY_REFUSALS:
                rows = sorted(row for (row,) in execute(url, f"SELECT t::text FROM {table} t"))
                state[table] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
        return state


@pytest.fixture(params=["signed in", "local"])
def victim(
    request: pytest.FixtureRequest, processes: Processes, free_port: int, settings: config.Settings
) -> Iterator[Victim]:
    """A product with a product, a webhook and an import."""
    web = WebProcess(processes, free_port)
    web.start(TRUSTED_HOSTS=OTHER_HOST)
    product = web.call("POST", "/products", {"sku": "A"})
    webhook = web.call("POST", "/webhooks", {"url": "https://example.com/", "event_type": "*"})
    files = {"file": ("a.csv", "sku\nB\n")}
    task_id = requests.post(f"{web.api_url}/upload", files=files, data={"preview": "true"}, timeout=60).json()[
        "task_id"
    ]
    document = web.call("GET", "/openapi.json")
    url, token, user_id = settings.database_url, "", 1
    if request.param == "signed in":
        user_id = create_user(url)
        token = create_session(url, user_id)
    values = {"product_id": product["id"], "webhook_id": webhook["id"], "task_id": task_id, "user_id": user_id}
    yield Victim(web, settings, token, document, values)


@pytest.fixture
def foreign_port() -> Iterator[int]:
    """A port with pages that do not belong to the product."""
    with serve_foreign_pages() as port:
        yield port


@pytest.fixture
def context(browser: Browser, victim: Victim) -> Iterator[BrowserContext]:
    """A browser whose user is signed in if the product has people."""
    context = browser.new_context(**CONTEXT)
    if victim.token:
        for host in ("127.0.0.1", OTHER_HOST):
            context.add_cookies(
                [
                    {
                        "name": COOKIE_NAME,
                        "value": victim.token,
                        "domain": host,
                        "path": "/",
                        "httpOnly": True,
                        "sameSite": "Lax",
                    }
                ]
            )
    yield context
    context.close()


def open_page(context: BrowserContext, address: str) -> Page:
    """Open a page."""
    page = context.new_page()
    page.goto(address)
    return page


def is_open(port: int) -> bool:
    """Return whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def attack(page: Page, victim: Victim, target: str) -> None:
    """Make every call that changes something, and check that nothing is changed or read."""
    before = victim.state()
    calls = [call._asdict() for call in victim.calls(safe=False)]
    assert page.evaluate(WRITE_SCRIPT, {"target": target, "calls": calls}) == []
    assert victim.state() == before


@pytest.mark.parametrize(
    ("victim", "host"),
    [("signed in", "127.0.0.1"), ("signed in", FOREIGN_HOST), ("local", FOREIGN_HOST)],
    indirect=["victim"],
)
def test_no_page_of_another_origin_can_change_anything(
    context: BrowserContext, victim: Victim, foreign_port: int, host: str
) -> None:
    page = open_page(context, f"http://{host}:{foreign_port}")
    traffic = Traffic(page)
    # First the name where browsers do not send `Sec-Fetch-Site`.
    attack(page, victim, victim.other_address)
    assert traffic.take(victim.other_address) == {("POST", 403)}
    assert not traffic.has_fetch_metadata
    attack(page, victim, victim.address)
    assert traffic.take(victim.address) == {("POST", 403)}
    assert traffic.has_fetch_metadata


@pytest.mark.thorough("localhost")
@pytest.mark.parametrize(
    ("victim", "host"),
    [("signed in", "127.0.0.1"), ("signed in", FOREIGN_HOST), ("local", "localhost"), ("local", FOREIGN_HOST)],
    indirect=["victim"],
)
def test_no_page_of_another_origin_can_read_anything(
    context: BrowserContext, victim: Victim, foreign_port: int, host: str
) -> None:
    page = open_page(context, f"http://{host}:{foreign_port}")
    traffic = Traffic(page)
    html = requests.get(victim.address, timeout=30).text
    paths = ["/", main_script(html), main_styles(html), *(call.path for call in victim.calls(safe=True))]
    before = victim.state()
    for target in (victim.address, victim.other_address):
        assert page.evaluate(READ_SCRIPT, {"target": target, "paths": paths}) == []
        # Without `Sec-Fetch-Site`, requests such as those for images are answered, but the browser shows nothing.
        answers = traffic.take(f"{target}/api")
        assert answers == {("GET", 403)} if target == victim.address else ("GET", 403) in answers
    assert victim.state() == before


@pytest.mark.thorough("local")
def test_a_page_whose_name_was_rebound_to_the_server_is_refused(
    context: BrowserContext, victim: Victim, processes: Processes
) -> None:
    target = f"http://{FOREIGN_HOST}:{victim.web.port}"
    script = main_script(requests.get(victim.address, timeout=30).text)
    processes.stop()
    wait_for("the port is free", lambda: not is_open(victim.web.port))
    with serve_foreign_pages(victim.web.port):
        page = open_page(context, target)
    # From now on the name of the page leads to the product, so the browser sees one origin.
    victim.web.start(TRUSTED_HOSTS=OTHER_HOST)
    before = victim.state()
    for call in list_calls(victim.document, victim.values):
        assert page.evaluate(OWN_SCRIPT, call._asdict()) == [400, "untrusted_host"], call
    for path in ("/", script):
        assert page.evaluate(OWN_READ_SCRIPT, path) == 400
    assert victim.state() == before


def test_the_own_page_can_make_every_call(context: BrowserContext, victim: Victim) -> None:
    """The attacks fail because of the origin, and not because such calls always fail."""
    page = open_page(context, victim.address)
    # An event stream has no end, so leave it out.
    calls = [call for call in list_calls(victim.document, victim.values) if call.method != "GET"]
    answers = {call: page.evaluate(OWN_SCRIPT, call._asdict()) for call in calls}
    assert not {call for call, (_, code) in answers.items() if code in {"cross_site", "untrusted_host"}}
    assert answers[Call("POST", "/api/products")] == [400, "invalid_product"]
    assert answers[Call("DELETE", f"/api/products/{victim.values['product_id']}")] == [200, ""]


def test_a_person_can_follow_a_link_of_another_site_to_a_download(
    context: BrowserContext, victim: Victim, foreign_port: int
) -> None:
    page = open_page(context, f"http://{FOREIGN_HOST}:{foreign_port}")
    download = f"{victim.address}/api/products/export"
    link = f"<a href='{download}'>Products</a>"
    page.set_content(link)
    with page.expect_download() as event:
        page.click("a")
    assert event.value.path().read_text(encoding="utf-8-sig").startswith("sku,name")
    # A script cannot do that by itself.
    with page.expect_response(download) as response:
        page.goto(f"http://{FOREIGN_HOST}:{foreign_port}/go#{download}")
    assert response.value.status == 403


def test_a_page_that_opens_the_product_gets_no_hold_of_it(
    context: BrowserContext, victim: Victim, foreign_port: int
) -> None:
    page = open_page(context, f"http://{FOREIGN_HOST}:{foreign_port}")
    page.set_content("<button>Open</button>")
    page.evaluate(
        "address => document.querySelector('button').addEventListener('click', () => { opened = open(address); })",
        victim.address,
    )
    with context.expect_page() as event:
        page.click("button")
    event.value.wait_for_load_state()
    assert event.value.url == f"{victim.address}/#/import" or event.value.url.startswith(victim.address)
    page.wait_for_function("opened.closed")
    assert event.value.evaluate("opener") is None


def test_no_page_can_put_the_product_into_a_frame(context: BrowserContext, victim: Victim, foreign_port: int) -> None:
    page = open_page(context, f"http://127.0.0.1:{foreign_port}")
    for path in ("/", "/api/docs", "/api/products"):
        page.set_content(f"<iframe src='{victim.address}{path}'></iframe>")
        frame = page.frames[-1]
        frame.wait_for_load_state()
        assert frame.locator("body *").filter(has_text="Products").count() == 0


CORS_SCRIPT = """async ({url, key, credentials}) => {
    try {
        const headers = {'Content-Type': 'application/json', ...(key && {Authorization: `Bearer ${key}`})};
        const response = await fetch(url, {method: 'POST', headers, credentials, body: '{"sku": "FROM SHOP"}'});
        return [response.status, (await response.json()).sku, response.headers.get('X-Request-ID') !== null];
    } catch {
        return 'hidden';
    }
}"""


@pytest.mark.parametrize("victim", ["signed in"], indirect=True)
def test_only_a_named_origin_can_call_the_api_and_only_with_a_key(
    context: BrowserContext, victim: Victim, foreign_port: int, processes: Processes
) -> None:
    url = victim.settings.database_url
    key = create_key(url, create_user(url))
    processes.stop()
    victim.web.start(CORS_ORIGINS=f"http://{FOREIGN_HOST}:{foreign_port}")
    call = {"url": f"{victim.address}/api/products", "key": key, "credentials": "omit"}
    named = open_page(context, f"http://{FOREIGN_HOST}:{foreign_port}")
    other = open_page(context, f"http://127.0.0.1:{foreign_port}")
    assert other.evaluate(CORS_SCRIPT, call) == "hidden"
    # With cookies the browser asks for a permission that nobody gets.
    assert named.evaluate(CORS_SCRIPT, {**call, "credentials": "include"}) == "hidden"
    assert named.evaluate(CORS_SCRIPT, {**call, "key": ""}) == [403, None, True]
    assert execute(url, "SELECT count(*) FROM products WHERE sku = 'FROM SHOP'") == [(0,)]
    assert named.evaluate(CORS_SCRIPT, call) == [201, "FROM SHOP", True]
