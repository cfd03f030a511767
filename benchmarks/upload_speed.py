"""How long the page takes to upload a file over loopback: this checkout and an older commit, in turn.

    python -m benchmarks.upload_speed [--base d34e782] [--rows 500000] [--rounds 5]

Both versions run at the same time, each with its own PostgreSQL and web process, and without a worker, so that nothing
but the upload takes time. In each round, Chromium uploads the same file to each of them. The time goes from the choice
of the file to the moment when the page opens the import. The median of the ratios is compared with the bar.

A third upload shows how much of that is Chromium: a page that does nothing but send the file in one request, to a
server that does nothing but receive it. It needs Chromium and the packages of requirements-dev.txt. The exit status is
1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.page_load import running_chromium
from benchmarks.product import ROOT, running_product, temporary_folder, write_catalogue
from benchmarks.regression import NoBaseError, check_out, find_base
from benchmarks.results import Results, add_rounds_option, warn_if_busy

# The last commit whose page sends forms.
LAST_FORMS = "d34e782"
BAR = 1 / 3
TIMEOUT_MS = 120_000
IDLE_MS = 1_000
BARE = "nothing but sending"
BARE_PAGE = b"""<!doctype html><title>Upload</title><input type="file" data-testid="file-input"><script>
document.querySelector('input').onchange = (event) => {
  const request = new XMLHttpRequest();
  request.onload = () => { location.hash = '#/imports/received'; };
  request.open('POST', '/');
  request.send(event.target.files[0]);
};
</script>"""
RECEIVED_BYTES = 1 << 20


class BareServer(BaseHTTPRequestHandler):
    """Serves `BARE_PAGE`, and forgets what it sends."""

    def do_GET(self) -> None:
        """Send the page."""
        self._answer(BARE_PAGE)

    def do_POST(self) -> None:
        """Receive the file."""
        left, buffer = int(self.headers["Content-Length"]), memoryview(bytearray(RECEIVED_BYTES))
        while left and (received := self.rfile.readinto(buffer[:left])):
            left -= received
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def running_bare_server() -> Iterator[int]:
    """Run a `BareServer` until the end of the block; yields its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BareServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", default=LAST_FORMS, help="the commit to compare with")
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 5)
    options = parser.parse_args()
    warn_if_busy()
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        try:
            base, _ = find_base(ROOT, options.base)
        except NoBaseError as error:
            sys.exit(str(error))
        check_out(ROOT, base, folder / "base-code")
        path = folder / "new.csv"
        write_catalogue(path, options.rows)
        products = {
            "present": stack.enter_context(running_product(folder / "present")),
            "base": stack.enter_context(running_product(folder / "base", root=folder / "base-code")),
        }
        for product in products.values():
            product.stop_worker()
        ports = {name: product.port for name, product in products.items()}
        ports[BARE] = stack.enter_context(running_bare_server())
        browser = stack.enter_context(running_chromium())
        print(f"{path.stat().st_size / 1e6:.0f} MB, rounds: {options.rounds}, base: {base[:12]}")
        results = measure(browser, ports, path, options.rounds)
    results.print_table()
    sys.exit(bool(results.find_missed()))


def measure(browser: Browser, ports: dict[str, int], path: Path, rounds: int) -> Results:
    """Upload the file to each of these ports in each round; return the ratios to the base."""
    results = Results("upload from the page", "÷ base", {"present": BAR})
    for _ in range(rounds):
        seconds = {name: upload(browser, port, path) for name, port in ports.items()}
        print({name: f"{value:.2f} s" for name, value in seconds.items()})
        for name in ("present", BARE):
            results.add(name, seconds[name] / seconds["base"], f"{seconds[name]:.2f} s")
        results.end_round()
    return results


def upload(browser: Browser, port: int, path: Path) -> float:
    """Upload a file in a new tab, and return the seconds until the page opens its import."""
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{port}/#/import")
    file_input = page.get_by_test_id("file-input")
    file_input.wait_for(state="attached")
    # The page may load what it needs for uploads when it is idle.
    page.wait_for_timeout(IDLE_MS)
    started = time.perf_counter()
    file_input.set_input_files(path)
    page.wait_for_function("() => /#\\/imports\\/[^/]+/.test(location.hash)", timeout=TIMEOUT_MS)
    seconds = time.perf_counter() - started
    page.close()
    return seconds


if __name__ == "__main__":
    main()
