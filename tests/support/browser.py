"""What the browser tests share: Chromium, a running product, and a page whose console must stay clean."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import re
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest
import requests
from playwright.sync_api import (
    Browser,
    BrowserType,
    ConsoleMessage,
    Locator,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from database.retry import retry
from support.browser_contexts import ContextPool
from support.database import TEMPLATE_DATABASE, execute, url_of
from support.prerequisites import skip_or_fail
from support.processes import Processes
from support.waiting import wait_for

# The tests use the first one that is installed. The headless shell is Chromium without a user interface of its own;
# pages take less than half of the CPU time in it.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
LIST = re.compile(r"/api/products\?")
CHECKED_ROWS = re.compile(r"/api/imports/[^/]+/rows\?")
# Chromium resolves this name to this machine. Pages at such an address lack the features that browsers offer only on
# localhost and https.
OTHER_HOST = "products.example"
# The same for pages that do not belong to the product.
FOREIGN_HOST = "foreign.example"
NARROW: ViewportSize = {"width": 360, "height": 740}
# Generous, because CI machines are busy.
expect.set_options(timeout=15_000)

# Not every violation of the Content-Security-Policy is an error of the console.
REPORT_VIOLATIONS = """document.addEventListener('securitypolicyviolation', event => {
    console.error(`The policy forbids ${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`);
});"""
EMPTY_SQL = (
    *(
        f"DELETE FROM {table}"
        for table in ("import_jobs", "import_mappings", "webhooks", "webhook_events", "saved_views", "uploads")
    ),
    "TRUNCATE products",
)
# The key of an advisory lock that only `held_import` uses.
HOLD_KEY = 470_011


@dataclass(frozen=True)
class Site:
    """A running product. Tests add rows to its database and call its API as other clients do."""

    address: str
    database_url: str

    def sql(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows, if it has any."""
        return execute(self.database_url, statement, values)

    def create_products(self, *products: dict[str, Any]) -> list[int]:
        """Create products and return their ids. A missing text is empty; a missing `active` is true."""
        rows = self.sql(
            "INSERT INTO products (sku, name, description, active)"
            " SELECT sku, coalesce(name, ''), coalesce(description, ''), coalesce(active, true)"
            " FROM jsonb_to_recordset(%s) AS given(sku text, name text, description text, active boolean) RETURNING id",
            (json.dumps(products),),
        )
        return [number for (number,) in rows]

    def create_lamps(self, count: int) -> list[int]:
        """Create LAMP-001 and so on, every second one inactive; return their ids."""
        return self.create_products(
            *(
                {"sku": f"LAMP-{n:03}", "name": f"Lamp {n}", "description": f"Lights room {n}", "active": n % 2 == 1}
                for n in range(1, count + 1)
            )
        )

    def product(self, sku: str) -> dict[str, Any] | None:
        """Return the row of a product; None if there is none."""
        rows = self.sql("SELECT to_jsonb(p) FROM products p WHERE sku = %s", (sku,))
        return rows[0][0] if rows else None

    def count(self) -> int:
        """Return the number of products."""
        return int(self.sql("SELECT count(*) FROM products")[0][0])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API as another client; return the JSON. Raises `requests.HTTPError` on an error status."""
        answer = requests.request(method, self.address + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def upload(self, content: str, filename: str = "products.csv", **options: str) -> str:
        """Start an import with these options and return its task id."""
        files = {"file": (filename, content)}
        answer = requests.post(f"{self.address}/api/upload", files=files, data=options, timeout=30)
        answer.raise_for_status()
        task_id: str = answer.json()["task_id"]
        return task_id

    def wait_for_imports(self) -> None:
        """Wait until no import is waiting or running."""
        wait_for(
            "the end of the imports",
            lambda: not self.sql("SELECT 1 FROM import_jobs WHERE status IN ('pending', 'processing')"),
        )

    def empty(self) -> None:
        """Remove all data. Ids are not reset, because the web process may remember old ones."""
        # Each statement is a transaction of its own, because what the last test began may still hold locks.
        for statement in EMPTY_SQL:
            retry(functools.partial(self.sql, statement), attempts=10, delay_seconds=lambda *_: 0.2)

    @contextlib.contextmanager
    def held_import(self) -> Iterator[None]:
        """Hold every import at its first slice until the block ends."""
        self.sql(
            "CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_advisory_xact_lock_shared({HOLD_KEY}); RETURN NULL; END $$;"
            "CREATE OR REPLACE TRIGGER hold BEFORE UPDATE OF checkpoint ON import_jobs"
            " FOR EACH STATEMENT EXECUTE FUNCTION hold()"
        )
        holder = psycopg2.connect(self.database_url)
        try:
            with holder.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", (HOLD_KEY,))
            yield
        finally:
            holder.close()
            self.wait_for_imports()
            self.sql("DROP FUNCTION hold CASCADE")


@dataclass
class Console:
    """The errors that a page wrote to the console.

    A test may confirm an import while the page still loads the rows of its check, which are refused from then on. Such
    refusals are in `late`: they are no fault.
    """

    errors: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    tolerated: list[str] = field(default_factory=list)

    def allow(self, text: str) -> None:
        """Expect errors that contain this text: the test provokes them."""
        self.allowed.append(text)

    def allow_status(self, status: int) -> None:
        """Expect the error that Chromium writes about a response with this status."""
        self.allow(f"status of {status}")

    def tolerate_status(self, status: int) -> None:
        """Accept the error that Chromium writes about a response with this status: it may occur."""
        self.tolerated.append(f"status of {status}")

    def watch(self, page: Page) -> None:
        """Collect the errors of a page."""
        page.add_init_script(REPORT_VIOLATIONS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._collect)

    def _collect(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        is_late = "status of 409" in message.text and CHECKED_ROWS.search(message.location["url"])
        (self.late if is_late else self.errors).append(message.text)

    def check(self) -> None:
        """Fail on errors that no test expected, and on expected errors that did not occur."""
        accepted = [*self.allowed, *self.tolerated]
        assert [error for error in self.errors if not any(text in error for text in accepted)] == []
        occurred = [*self.errors, *self.late]
        assert [text for text in self.allowed if not any(text in error for error in occurred)] == []


def launch(browser_type: BrowserType, *arguments: str) -> Browser:
    """Start the installed Chromium or Chrome."""
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    if chromium is None:
        skip_or_fail("There is no Chromium; install it (apt-get install chromium)")
    names = ", ".join(f"MAP {name} 127.0.0.1" for name in (OTHER_HOST, FOREIGN_HOST))
    # In containers Chromium runs as root, which its sandbox does not support. Its background traffic is off.
    always = ["--no-sandbox", "--disable-quic", "--disable-background-networking", f"--host-resolver-rules={names}"]
    return browser_type.launch(executable_path=chromium, args=[*always, *arguments])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser of all tests, driven by Playwright.

    Its pages share a process, and with it their compiled scripts: that saves a quarter of the CPU time of a page.
    """
    with sync_playwright() as playwright:
        yield launch(playwright.chromium, "--renderer-process-limit=1")


@pytest.fixture
def separating_browser(browser: Browser) -> Iterator[Browser]:
    """A browser whose pages have processes of their own."""
    with launch(browser.browser_type) as separating:
        yield separating


@pytest.fixture(scope="session")
def running_site(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The web process and a worker, started once for all tests."""
    name = f"browser_{uuid.uuid4().hex[:12]}"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_DATABASE}")
    folder = tmp_path_factory.mktemp("site")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "DATABASE_URL": url_of(server_url, name),
        "DATA_DIR": str(folder / "data"),
        "UPLOAD_DIR": str(folder / "uploads"),
        "SECRET_KEY": "a key for tests",
        "SWEEP_SECONDS": "1",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    processes = Processes(environment, folder / "processes.log")
    site = Site(f"http://127.0.0.1:{port}", environment["DATABASE_URL"])
    try:
        processes.start_web(port)
        processes.start_worker("--concurrency=1")
        wait_for("a healthy product", lambda: is_healthy(site))
        yield site
    finally:
        processes.stop()
        execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def is_healthy(site: Site) -> bool:
    """Return whether `/api/health` says that every part is up."""
    try:
        return requests.get(f"{site.address}/api/health", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def site(running_site: Site) -> Site:
    """The running product without any data."""
    running_site.empty()
    return running_site


@pytest.fixture
def console() -> Console:
    """The console errors of the page; a test names the ones it provokes."""
    return Console()


@pytest.fixture
def page(contexts: ContextPool, site: Site, console: Console) -> Iterator[Page]:
    """An empty page; an unexpected console error fails the test."""
    with contexts.borrow(site.address) as context:
        page = context.new_page()
        console.watch(page)
        yield page
    console.check()


# The events that a browser sends when a user drops files.
DROP = """([zone, files]) => {
    const data = new DataTransfer();
    for (const [name, content] of files) {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        data.items.add(new File([bytes], name, {type: 'text/csv'}));
    }
    for (const kind of ['dragenter', 'dragover', 'drop']) {
        const event = new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data});
        document.querySelector(zone).dispatchEvent(event);
    }
}"""


def drop(page: Page, *files: tuple[str, bytes], at_once: bool = False) -> None:
    """Open the import page and drop files, each a name and its content; `at_once` imports them without a check."""
    page.goto("/")
    expect(page.get_by_test_id("drop-zone")).to_be_visible()
    page.get_by_test_id("import-unchecked").set_checked(at_once)
    drop_here(page, *files)


def drop_here(page: Page, *files: tuple[str, bytes]) -> None:
    """Drop files on the import page that is open, with the options chosen there."""
    encoded = [[name, base64.b64encode(content).decode()] for name, content in files]
    page.evaluate(DROP, ["[data-testid=drop-zone]", encoded])


def expect_status(page: Page, status: str) -> None:
    """Wait until the import on the page has this status."""
    expect(page.get_by_test_id("import-status")).to_have_attribute("data-status", status, timeout=60_000)


def expect_step(page: Page, step: str) -> None:
    """Wait until the address and the page show this step of an import: check, progress or result."""
    page.wait_for_url(re.compile(rf"#/imports/[^/]+/{step}$"), timeout=30_000)
    label = {"check": "Check", "progress": "Import", "result": "Result"}[step]
    expect(page.locator(".steps [aria-current=step]")).to_contain_text(label)


def expect_counts(page: Page, **counts: int) -> None:
    """Wait until the tiles show these counts: created, updated, unchanged, skipped, duplicate, rejected …"""
    for name, count in counts.items():
        expect(page.get_by_test_id(f"count-{name}")).to_have_text(f"{count:,}")


def show_products(page: Page, query: str = "") -> None:
    """Open the product list and wait until it has loaded."""
    page.goto(f"/#/products{query and '?'}{query}")
    expect(page.get_by_test_id("products-total")).to_have_attribute("data-total", re.compile(r"\d"))


def row(page: Page, sku: str) -> Locator:
    """Return the table row of a product."""
    cell = page.get_by_test_id("cell-sku").get_by_text(sku, exact=True)
    return page.get_by_test_id("product-row").filter(has=cell)


def cell(page: Page, sku: str, column: str) -> Locator:
    """Return a cell of a product's row: sku, name, description or active."""
    return row(page, sku).get_by_test_id(f"cell-{column}")


def expect_skus(page: Page, *skus: str) -> None:
    """Wait until the table has exactly these rows, in this order."""
    expect(page.get_by_test_id("cell-sku")).to_have_text(list(skus))


def expect_query(page: Page, /, **wanted: str) -> None:
    """Wait until the address has exactly these parameters, apart from the page token `after`."""

    def has(url: str) -> bool:
        pairs = [pair.split("=", 1) for pair in url.partition("?")[2].split("&") if pair]
        return {name: value for name, value in pairs if name != "after"} == wanted

    page.wait_for_url(has, timeout=15_000)


def wait_for_value(what: str, read: Callable[[], Any], wanted: Any) -> None:
    """Wait until `read()` returns the wanted value."""
    wait_for(f"{what} is {wanted!r}", lambda: read() == wanted, seconds=20)


def wait_until_closed(page: Page) -> None:
    """Wait until the browser has gone back from a dialog that was closed; a reload before that would be aborted."""
    page.wait_for_function("() => !history.state?.isDialog")


def wait_until(page: Page, condition: Callable[[], Any]) -> None:
    """Wait for a condition that a handler of page events fulfils; handlers run only during calls of Playwright."""
    wait_for("an event of the page", lambda: page.evaluate("() => true") and condition(), seconds=20)
