"""Many tabs on a plain http:// address: all of them are live, and together they open one stream."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect

from api.session_cookie import COOKIE_NAME
from support.browser import OTHER_HOST, Console, row, wait_until
from support.browser_contexts import CONTEXT
from support.database import execute
from support.job_streams import insert_running_job, update_job
from support.processes import Processes
from support.sign_in import create_key, create_session, create_user
from support.waiting import wait_for
from support.web import WebProcess, count_listening_connections

MAX_STREAMS = 3
# A leader that goes without a word is missed after seven seconds.
TAKEOVER_MS = 20_000


class Tabs:
    """The tabs of one browser, and the streams that they have open."""

    def __init__(self, context: BrowserContext) -> None:
        self.pages: list[Page] = []
        self._context = context
        self._streams: dict[Request, Page] = {}
        context.on("request", self._note)
        for event in ("requestfinished", "requestfailed"):
            context.on(event, lambda request: self._streams.pop(request, None))  # type: ignore[call-overload]

    def _note(self, request: Request) -> None:
        if "/api/events" in request.url:
            self._streams[request] = request.frame.page

    def open(self, address: str) -> Page:
        """Open another tab."""
        page = self._context.new_page()
        self.pages.append(page)
        page.goto(address)
        return page

    def close(self, page: Page) -> None:
        """Close a tab as a user does."""
        self.pages.remove(page)
        page.close(run_before_unload=True)

    @property
    def leaders(self) -> list[Page]:
        """The tabs that have a stream open."""
        return [page for page in self._streams.values() if page in self.pages]

    def wait_for_leader(self) -> Page:
        """Wait until exactly one tab has exactly one stream, and return it."""
        wait_until(self.pages[-1], lambda: len(self.leaders) == 1)
        return self.leaders[0]


def show(page: Page, *, visible: bool) -> None:
    """Let a page believe that its tab is shown or hidden. In headless Chromium every tab is visible."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, 'visibilityState', {value: state, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        "visible" if visible else "hidden",
    )


def expect_streams(web: WebProcess, count: int) -> None:
    """Wait until the server has this many streams, by opening further ones until it refuses them."""
    with contextlib.ExitStack() as stack:
        opened = 0

        def open_another() -> bool:
            nonlocal opened
            opened += stack.enter_context(web.open_stream("/events")).status_code == 200
            return opened == MAX_STREAMS - count

        wait_for(f"the server has {count} stream(s) besides {MAX_STREAMS - count} others", open_another)
        assert stack.enter_context(web.open_stream("/events")).status_code == 503


@pytest.fixture
def web(processes: Processes, free_port: int) -> WebProcess:
    """A running web process without a worker."""
    process = WebProcess(processes, free_port)
    process.start(TRUSTED_HOSTS=OTHER_HOST, MAX_STREAMS=str(MAX_STREAMS))
    return process


@pytest.fixture
def console() -> Console:
    """The console errors of all tabs."""
    return Console()


@pytest.fixture(params=["browser"])
def tabs(request: pytest.FixtureRequest, web: WebProcess, console: Console, database_url: str) -> Iterator[Tabs]:
    """Tabs on a name of this machine that is not a secure context, of an administrator whose key `web` sends.

    The parameter names the fixture of the browser.
    """
    browser: Browser = request.getfixturevalue(request.param)
    context = browser.new_context(base_url=f"http://{OTHER_HOST}:{web.port}", **CONTEXT)
    user_id = create_user(database_url)
    cookie = {"name": COOKIE_NAME, "value": create_session(database_url, user_id), "domain": OTHER_HOST, "path": "/"}
    context.add_cookies([cookie])  # type: ignore[list-item]
    web.headers = {"Authorization": f"Bearer {create_key(database_url, user_id)}"}
    context.on("page", console.watch)
    # The stream of a tab that was closed counts until the server notices. A tab that takes over meanwhile may be
    # refused a stream. It polls, and tries again.
    console.tolerate_status(503)
    yield Tabs(context)
    context.close()
    console.check()


def set_progress(url: str, task_id: str, percent: int, *assignments: str) -> None:
    """Let a job make progress as a worker does, with further assignments of the UPDATE."""
    counts = f"total_records = 100, rows_written = {percent}, processed_records = {percent}"
    changes = ["phase = 'writing'", f"progress = {percent}", counts, "updated_at = clock_timestamp()", *assignments]
    update_job(url, task_id, ", ".join(changes))


def expect_progress(page: Page, percent: int) -> None:
    """Wait until the page of an import shows this progress."""
    expect(page).to_have_title(f"{percent}% · a.csv · Acme Product Importer", timeout=TAKEOVER_MS)


def test_eight_tabs_are_live_with_one_stream(tabs: Tabs, web: WebProcess, database_url: str) -> None:
    running, waiting = insert_running_job(database_url), insert_running_job(database_url)
    update_job(database_url, waiting, "status = 'awaiting_confirmation', phase = 'comparing', progress = 50")
    lists = [tabs.open("/#/products") for _ in range(3)]
    imports = [tabs.open(f"/#/imports/{running}") for _ in range(2)]
    others = [tabs.open(address) for address in ("/#/import", f"/#/imports/{waiting}", "/#/webhooks")]
    assert lists[0].evaluate("navigator.locks === undefined")
    for page in lists:
        expect(page.get_by_test_id("empty-products")).to_be_visible()
    expect(others[0].get_by_test_id("imports-table")).to_be_visible()
    expect(others[1].get_by_test_id("import-status")).to_have_attribute("data-status", "awaiting_confirmation")
    expect(others[2].get_by_role("heading", name="Webhooks")).to_be_visible()

    def expect_live(sku: str, percent: int) -> None:
        execute(database_url, "INSERT INTO products (sku) VALUES (%s)", (sku,))
        set_progress(database_url, running, percent)
        for page in lists:
            if page in tabs.pages:
                offer = page.get_by_test_id("changes-show")
                expect(offer.or_(row(page, sku)).first).to_be_visible(timeout=TAKEOVER_MS)
                if offer.is_visible():
                    offer.click()
                expect(row(page, sku)).to_be_visible()
        for page in imports:
            if page in tabs.pages:
                expect_progress(page, percent)

    expect_live("A-1", 10)
    leader = tabs.wait_for_leader()

    tabs.close(leader)
    expect_live("A-2", 20)
    leader = tabs.wait_for_leader()
    leader.reload()
    expect_live("A-3", 30)
    tabs.wait_for_leader()

    for page in tabs.pages:
        show(page, visible=False)
    wait_until(tabs.pages[0], lambda: not tabs.leaders)
    wait_for("the server listens for no stream", lambda: count_listening_connections(database_url) == 0)
    execute(database_url, "INSERT INTO products (sku) VALUES ('A-4')")
    set_progress(database_url, running, 40)
    shown = next(page for page in lists if page in tabs.pages)
    show(shown, visible=True)
    shown.get_by_test_id("changes-show").click()
    expect(row(shown, "A-4")).to_be_visible()
    shown = next(page for page in imports if page in tabs.pages)
    show(shown, visible=True)
    expect_progress(shown, 40)
    tabs.wait_for_leader()
    expect_streams(web, 1)


def test_a_confirmation_by_somebody_else_is_noticed(tabs: Tabs, web: WebProcess, database_url: str) -> None:
    task_id = insert_running_job(database_url)
    page = tabs.open(f"/#/imports/{task_id}")
    tabs.wait_for_leader()
    update_job(database_url, task_id, "status = 'awaiting_confirmation', phase = 'comparing', progress = 50")
    expect(page.get_by_test_id("import-status")).to_have_attribute("data-status", "awaiting_confirmation")
    # The import itself is not followed while it waits, but the list of jobs is.
    set_progress(database_url, task_id, 60, "status = 'processing', run = run + 1")
    expect_progress(page, 60)
    tabs.wait_for_leader()


@pytest.mark.parametrize("tabs", ["separating_browser"], indirect=True)
def test_another_tab_takes_over_when_the_leader_hangs(
    tabs: Tabs, web: WebProcess, database_url: str, console: Console
) -> None:
    task_id = insert_running_job(database_url)
    pages = [tabs.open(f"/#/imports/{task_id}") for _ in range(2)]
    set_progress(database_url, task_id, 10)
    for page in pages:
        expect_progress(page, 10)
    leader = tabs.wait_for_leader()
    (other,) = [page for page in pages if page is not leader]
    session = leader.context.new_cdp_session(leader)
    session.send("Debugger.enable")
    session.send("Debugger.pause")
    set_progress(database_url, task_id, 20)
    wait_until(other, lambda: other in tabs.leaders)
    expect_progress(other, 20)
    session.send("Debugger.resume")
    session.send("Debugger.disable")
    set_progress(database_url, task_id, 30)
    for page in pages:
        expect_progress(page, 30)
    tabs.wait_for_leader()


def test_tabs_poll_while_the_server_refuses_streams(
    tabs: Tabs, web: WebProcess, database_url: str, console: Console
) -> None:
    console.allow_status(503)
    task_id = insert_running_job(database_url)
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_STREAMS):
            stack.enter_context(web.open_stream("/events"))
        pages = [tabs.open(f"/#/imports/{task_id}") for _ in range(2)]
        for percent in (10, 20):
            set_progress(database_url, task_id, percent)
            for page in pages:
                expect_progress(page, percent)
    tabs.wait_for_leader()
    set_progress(database_url, task_id, 30)
    for page in pages:
        expect_progress(page, 30)


def test_the_back_button_makes_a_page_live_again(tabs: Tabs, web: WebProcess, database_url: str) -> None:
    page = tabs.open("/#/products")
    tabs.wait_for_leader()
    page.goto(f"http://{OTHER_HOST}:{web.port}/api/openapi.json")
    execute(database_url, "INSERT INTO products (sku) VALUES ('A-1')")
    page.go_back()
    expect(row(page, "A-1")).to_be_visible()
    tabs.wait_for_leader()
    execute(database_url, "INSERT INTO products (sku) VALUES ('A-2')")
    expect(page.get_by_test_id("changes-offer")).to_be_visible()
