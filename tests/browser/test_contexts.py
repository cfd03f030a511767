"""What a test leaves in the browser never reaches the next test."""

from __future__ import annotations

from support.browser import Site
from support.browser_contexts import ContextPool

LEAVE = """async () => {
    localStorage.setItem('left', '1');
    sessionStorage.setItem('left', '1');
    document.cookie = 'left=1';
    await new Promise(resolve => indexedDB.open('left').onsuccess = resolve);
    await (await caches.open('left')).put('/left', new Response('left'));
}"""
LEFT = """async () => [
    ...Object.keys(localStorage),
    ...Object.keys(sessionStorage),
    document.cookie,
    (await indexedDB.databases()).length,
    (await caches.keys()).length,
    (await navigator.permissions.query({name: 'clipboard-read'})).state,
    await fetch('/static/left').then(response => response.status),
]"""
NOTHING = ["", 0, 0, "prompt", 404]


def test_a_context_is_cleaned_before_its_next_use(contexts: ContextPool, site: Site) -> None:
    with contexts.borrow(site.address) as context:
        first = context
        context.grant_permissions(["clipboard-read"])
        context.route("**/left", lambda route: route.fulfill(status=200))
        page = context.new_page()
        page.goto("/")
        assert page.evaluate(LEFT) != NOTHING
        page.evaluate(LEAVE)
    with contexts.borrow(site.address) as context:
        assert context is first
        page = context.new_page()
        page.goto("/")
        assert page.evaluate(LEFT) == NOTHING
        page.clock.install()
    with contexts.borrow(site.address) as context:
        # A clock cannot be removed.
        assert context is not first
        assert "native code" in context.new_page().evaluate("() => Date.toString()")
