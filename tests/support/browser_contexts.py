"""Contexts of Chromium that tests use one after another.

Each context has an HTTP cache of its own. A new one fetches and compiles the product's modules again, which takes 0.6 s
of CPU time, so tests share the contexts, but nothing that their pages can see.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

# Animations are off, so that no test sees an element that is still moving.
CONTEXT: dict[str, Any] = {"reduced_motion": "reduce", "color_scheme": "light"}
# All that a page can store, except for cookies, which belong to all addresses.
STORAGE = "local_storage,indexeddb,cache_storage,service_workers,file_systems,websql"
# Playwright can install a clock in all pages of a context, but not remove it.
HAS_OWN_CLOCK = "() => !Function.prototype.toString.call(Date).includes('[native code]')"


class ReusedContext:
    """A context, and an empty page in it through which it is cleaned. `address` begins all addresses of its pages."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.context: BrowserContext = browser.new_context(base_url=address, **CONTEXT)
        self._address = address
        self._page = self.context.new_page()
        self._session = self.context.new_cdp_session(self._page)

    def clean(self) -> bool:
        """Remove what a test has left; return false if that is impossible."""
        for page in self.context.pages:
            if page != self._page:
                page.close()
        # Pages are closed by now, so nothing is written any more.
        self.context.unroute_all()
        self.context.clear_cookies()
        self.context.clear_permissions()
        self._session.send("Storage.clearDataForOrigin", {"origin": self._address, "storageTypes": STORAGE})
        return not self._page.evaluate(HAS_OWN_CLOCK)


class ContextPool:
    """Lends contexts to tests."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._idle: defaultdict[str, list[ReusedContext]] = defaultdict(list)

    @contextlib.contextmanager
    def borrow(self, address: str) -> Iterator[BrowserContext]:
        """Lend a context without cookies, stored data, permissions and routes until the end of the block."""
        idle = self._idle[address]
        reused = idle.pop() if idle else ReusedContext(self._browser, address)
        yield reused.context
        if reused.clean():
            idle.append(reused)
        else:
            reused.context.close()


@pytest.fixture(scope="session")
def contexts(browser: Browser) -> ContextPool:
    """The contexts of this process's Chromium."""
    return ContextPool(browser)
