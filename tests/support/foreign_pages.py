"""Pages of other origins that attack the product: a server for them, and the scripts that they run in Chromium."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from playwright.sync_api import Page

METHODS = ("get", "post", "put", "patch", "delete")
# It goes to the address that follows `#`, without a click of a person.
PAGE = b"""<!doctype html><title>Foreign page</title><link rel=icon href='data:,'><body></body>
<script>if (location.hash) location.href = location.hash.slice(1)</script>"""
# Tries all that a page can do with calls that change something, and returns what the page could read of the responses:
# the list is empty if that is nothing. Each call is {method, path}, and gets every kind of body. What else requests
# differ in changes from call to call, so that the calls together have all combinations.
WRITE_SCRIPT = """async ({target, calls}) => {
    const read = [];
    const json = JSON.stringify({
        sku: 'EVIL', name: 'evil', url: 'https://foreign.example/', event_type: '*', enabled: false, action: 'delete',
        filter: {}, force: true, email: 'evil@foreign.example', password: 'evil evil evil evil', role: 'admin',
        scopes: ['admin'], token: 'evil',
    });
    const form = () => {
        const data = new FormData();
        data.set('sku', 'EVIL');
        data.set('file', new File(['sku\\nEVIL\\n'], 'evil.csv', {type: 'text/csv'}));
        return data;
    };
    const bodies = {
        none: () => undefined,
        text: () => json,
        blob: () => new Blob([json]),
        urlencoded: () => new URLSearchParams({sku: 'EVIL'}),
        multipart: form,
    };
    const send = async (label, url, options) => {
        try {
            const response = await fetch(url, options);
            if (response.type !== 'opaque') read.push([label, response.status, await response.text()]);
        } catch {
            // The browser hides the response, or did not send the request.
        }
    };
    const submit = (path, enctype) => new Promise(resolve => {
        const frame = document.createElement('iframe');
        frame.name = `frame-${Math.random()}`;
        document.body.append(frame);
        const element = document.createElement('form');
        Object.assign(element, {method: 'post', action: target + path, enctype, target: frame.name});
        const input = document.createElement('input');
        // As text/plain this becomes a JSON document.
        Object.assign(input, {type: 'hidden', name: json.slice(0, -1) + ', "x": "', value: '"}'});
        element.append(input);
        document.body.append(element);
        frame.addEventListener('load', () => { frame.remove(); element.remove(); resolve(); });
        element.submit();
    });
    const modes = ['cors', 'no-cors'].flatMap(mode => ['include', 'omit'].map(credentials => ({mode, credentials})));
    const enctypes = ['text/plain', 'multipart/form-data', 'application/x-www-form-urlencoded'];
    for (const [at, {method, path}] of calls.entries()) {
        const headers = {'Content-Type': 'application/json'};
        const mode = at % 2 ? 'cors' : 'no-cors';
        const waiting = [
            send(`${method} ${path} json`, target + path, {method, mode, credentials: 'include', body: json, headers}),
            send(`beacon ${path}`, target + path, {...modes[2], method: 'POST', keepalive: true, body: json}),
            submit(path, enctypes[at % enctypes.length]),
        ];
        for (const [number, [name, body]] of Object.entries(bodies).entries()) {
            const options = {...modes[(at + number) % modes.length], method, body: body()};
            waiting.push(send(`${method} ${path} ${name}`, target + path, options));
        }
        await Promise.all(waiting);
    }
    return read;
}"""
# Tries all that a page can do to read, and returns what it could read.
READ_SCRIPT = """async ({target, paths}) => {
    const read = [];
    const ask = async (label, url, options) => {
        try {
            const response = await fetch(url, options);
            if (response.type !== 'opaque') read.push([label, response.status]);
        } catch {
            // The browser hides the response.
        }
    };
    const load = (tag, attribute, url) => new Promise(resolve => {
        const element = document.createElement(tag);
        const done = loaded => {
            if (loaded) read.push([tag, url]);
            element.remove();
            resolve();
        };
        element.addEventListener('load', () => done(true));
        element.addEventListener('error', () => done(false));
        if (tag === 'link') element.rel = 'stylesheet';
        element[attribute] = url;
        document.body.append(element);
    });
    const listen = url => new Promise(resolve => {
        const source = new EventSource(url, {withCredentials: true});
        source.addEventListener('open', () => { read.push(['stream', url]); source.close(); resolve(); });
        source.addEventListener('error', () => { source.close(); resolve(); });
    });
    for (const path of paths) {
        const url = target + path;
        await Promise.all([
            ask(`${path} with cookies`, url, {credentials: 'include'}),
            ask(`${path} without cookies`, url, {credentials: 'omit'}),
            ask(`${path} no-cors`, url, {mode: 'no-cors', credentials: 'include'}),
            ask(`${path} with a header`, url, {credentials: 'include', headers: {Authorization: 'Bearer acme_x'}}),
            load('script', 'src', url),
            load('img', 'src', url),
            load('link', 'href', url),
            listen(url),
        ]);
    }
    return read;
}"""


class Traffic:
    """The requests of a page that the server answered, with the statuses, also where the browser hides the response."""

    def __init__(self, page: Page) -> None:
        self._sent: dict[str, tuple[str, str]] = {}
        self._statuses: list[tuple[str, int]] = []
        self.has_fetch_metadata = False
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._remember)
        session.on("Network.requestWillBeSentExtraInfo", self._look_at_headers)
        session.on("Network.responseReceivedExtraInfo", self._collect)
        session.send("Network.enable")

    def take(self, address: str) -> set[tuple[str, int]]:
        """Return the method and status of each request to an address, apart from preflights, and forget all of them."""
        statuses = {
            (method, status)
            for request_id, status in self._statuses
            for method, url in [self._sent.get(request_id, ("", ""))]
            if url.startswith(address) and method != "OPTIONS"
        }
        self._statuses.clear()
        return statuses

    def _remember(self, event: Any) -> None:
        self._sent[event["requestId"]] = (event["request"]["method"], event["request"]["url"])

    def _look_at_headers(self, event: Any) -> None:
        if "sec-fetch-site" in map(str.lower, event["headers"]):
            self.has_fetch_metadata = True

    def _collect(self, event: Any) -> None:
        self._statuses.append((event["requestId"], event["statusCode"]))


class Call(NamedTuple):
    """An operation of the API: its method in capitals, and its path with values in place of the variables."""

    method: str
    path: str


def list_calls(document: Any, values: Mapping[str, object]) -> list[Call]:
    """Return every operation of an OpenAPI document; `values` has those of the variables in paths, by default 1."""
    return [
        Call(method.upper(), re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], 1)), path))
        for path, item in document["paths"].items()
        for method in item
        if method in METHODS
    ]


@contextlib.contextmanager
def serve_foreign_pages(port: int = 0) -> Iterator[int]:
    """Serve the same page at every address of a port of this machine, by default of a free one; yields the port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
