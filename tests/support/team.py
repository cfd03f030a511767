"""A product whose people sign in, and an administrator, an editor and a viewer who have a browser each."""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from access.passwords import hash_password
from access.tokens import create_token, hash_token
from api.session_cookie import COOKIE_NAME
from support.browser import Console, Site, is_healthy
from support.browser_contexts import ContextPool
from support.database import TEMPLATE_DATABASE, execute, url_of
from support.processes import Processes
from support.sign_in import CLAIM_SQL, create_session
from support.waiting import wait_for

PASSWORD = "a lamp in every room"
NAMES = {"admin": "Ada Lovelace", "editor": "Edith Clarke", "viewer": "Vera Rubin"}
FORGET_PEOPLE_SQL = """
DELETE FROM users; DELETE FROM user_links; DELETE FROM sign_in_failures; UPDATE installation SET claimed_at = NULL
"""
INSERT_USER_SQL = "INSERT INTO users (email, name, role, password_hash) VALUES (%s, %s, %s, %s) RETURNING id"
INSERT_LINK_SQL = """
INSERT INTO user_links (token_hash, purpose, user_id, expires_at)
VALUES (%s, %s, %s, clock_timestamp() + interval '1 hour')
"""
METHODS = "**/api/session/methods"


@dataclass
class Team:
    """The people of a product, by their roles, and the pages that they open."""

    site: Site
    contexts: ContextPool
    console: Console
    borrowed: contextlib.ExitStack
    ids: dict[str, int] = field(default_factory=dict)

    def email(self, role: str) -> str:
        """Return the email address of the person with a role."""
        return f"{role}@example.com"

    def open(self, role: str | None = None, *, context: BrowserContext | None = None) -> Page:
        """Return an empty page of the person with a role, or of nobody; `context` is the browser it belongs to."""
        if context is None:
            context = self.borrowed.enter_context(self.contexts.borrow(self.site.address))
        if role:
            token = create_session(self.site.database_url, self.ids[role])
            context.add_cookies([{"name": COOKIE_NAME, "value": token, "url": self.site.address}])
        page = context.new_page()
        self.console.watch(page)
        return page

    def end_sessions(self, role: str) -> None:
        """End the sessions of a person, as an administrator or the time does."""
        self.site.sql("DELETE FROM user_sessions WHERE user_id = %s", (self.ids[role],))

    def create_link(self, purpose: str, role: str | None = None) -> str:
        """Create a one-time link for a person, or the one for the first administrator; return its token."""
        token = create_token()
        self.site.sql(INSERT_LINK_SQL, (hash_token(token), purpose, self.ids[role] if role else None))
        return token

    def expect_signed_in(self, page: Page, role: str) -> None:
        """Wait until the page shows who is signed in."""
        expect(page.get_by_test_id("account-menu")).to_have_accessible_name(f"Account of {NAMES[role]}, {role}")


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in form of the page and send it."""
    page.get_by_test_id("sign-in-email").fill(email)
    page.get_by_test_id("sign-in-password").fill(password)
    page.get_by_test_id("sign-in-ok").click()


@pytest.fixture(scope="session")
def guarded_site(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A product with AUTH=required, started once for all tests."""
    name = f"team_{uuid.uuid4().hex[:12]}"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE_DATABASE}")
    folder = tmp_path_factory.mktemp("team")
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
        "AUTH": "required",
        "PORT": str(port),
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


@pytest.fixture(scope="session")
def password_hash() -> str:
    """The hash of `PASSWORD`, which takes a while to compute."""
    return hash_password(PASSWORD)


@pytest.fixture
def nobody(contexts: ContextPool, guarded_site: Site, console: Console) -> Iterator[Team]:
    """The product without people; an unexpected console error of a page fails the test."""
    guarded_site.empty()
    guarded_site.sql(FORGET_PEOPLE_SQL)
    with contextlib.ExitStack() as borrowed:
        yield Team(guarded_site, contexts, console, borrowed)
    console.check()


@pytest.fixture
def team(nobody: Team, password_hash: str) -> Team:
    """The product with one person for each role, who can sign in with `PASSWORD`."""
    for role, name in NAMES.items():
        values = (nobody.email(role), name, role, password_hash)
        [(nobody.ids[role],)] = nobody.site.sql(INSERT_USER_SQL, values)
    nobody.site.sql(CLAIM_SQL)
    return nobody
