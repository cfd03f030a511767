"""How long the page takes to show its first row: cold cache, a slow network that Chromium emulates.

    python -m benchmarks.page_load [--runs 9] [--latency-ms 100] [--megabits 1.6] [--url http://127.0.0.1:5000 …]

The benchmark runs its own PostgreSQL, web process and worker with 1,000 products. With --url it measures products that
are running already, in turn, so that two versions can be compared. For each screen it prints the median and the spread
of the seconds until the first row is there, and the requests and kilobytes that the browser has loaded by then. It
needs Chromium and the packages of requirements-dev.txt. The exit status is 1 if the list of products takes more than
2 seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from playwright.sync_api import Browser, sync_playwright

from benchmarks.product import running_product, temporary_folder

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PRODUCTS = 1_000
# The first row of each screen, by its address.
SCREENS = {
    "#/products": '[data-testid="product-row"]',
    "#/import": '[data-testid="drop-zone"]',
}
LIMITED_SCREEN = "#/products"
MAX_SECONDS = 2.0
BITS_PER_BYTE = 8
# Of a 3G network, as in Chromium's own presets.
UPLOAD_MEGABITS = 0.75
# What Chromium takes for itself would count twice as much on a busy machine.
BUSY_LOAD_PER_CORE = 0.7
TIMEOUT_MS = 60_000
# Notes when the row is there, in milliseconds since the navigation began.
WATCH = """(() => {
    const selector = %s;
    const look = () => {
        if (window.shownAt || !document.querySelector(selector)) return;
        window.shownAt = performance.now();
        observer.disconnect();
    };
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true });
})()"""
INSERT_SQL = """
INSERT INTO products (sku, name, description)
SELECT 'LAMP-' || lpad(n::text, 4, '0'), 'Lamp ' || n, 'A lamp that lights room ' || n || ' from above'
FROM generate_series(1, %s) AS n
"""


@dataclass(frozen=True)
class Network:
    """The network to emulate."""

    latency_ms: int
    megabits: float

    def as_parameters(self) -> dict[str, Any]:
        """Return the parameters of `Network.emulateNetworkConditions` of the DevTools protocol."""
        return {
            "offline": False,
            "latency": self.latency_ms,
            "downloadThroughput": self.megabits * 1e6 / BITS_PER_BYTE,
            "uploadThroughput": UPLOAD_MEGABITS * 1e6 / BITS_PER_BYTE,
        }


@dataclass
class Loads:
    """The measured loads of a screen."""

    seconds: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    kilobytes: list[float] = field(default_factory=list)


def main() -> None:
    """Measure, and print a line per screen and product."""
    parser = argparse.ArgumentParser(description="Measure how long the page takes to show its first row.")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--latency-ms", type=int, default=100)
    parser.add_argument("--megabits", type=float, default=1.6)
    parser.add_argument("--url", action="append", default=[], help="of a running product; may be repeated")
    options = parser.parse_args()
    if os.getloadavg()[0] > BUSY_LOAD_PER_CORE * (os.cpu_count() or 1):
        print(f"The machine is busy (load {os.getloadavg()[0]:.1f}), so the seconds are too high.", file=sys.stderr)
    with ExitStack() as stack:
        addresses = options.url or [stack.enter_context(_own_product())]
        browser = stack.enter_context(running_chromium())
        network = Network(options.latency_ms, options.megabits)
        loads = {(address, screen): Loads() for screen in SCREENS for address in addresses}
        for _ in range(options.runs):
            for (address, screen), measured in loads.items():
                _measure(browser, network, f"{address}/{screen}", SCREENS[screen], measured)
    print(f"{options.latency_ms} ms latency, {options.megabits} Mbit/s, cold cache, {options.runs} runs")
    print(f"{'screen':<12}{'product':<28}{'seconds (min–max)':<22}{'requests':>9}{'KB':>7}")
    for (address, screen), measured in loads.items():
        seconds = f"{statistics.median(measured.seconds):.2f} ({min(measured.seconds):.2f}–{max(measured.seconds):.2f})"
        requests, kilobytes = statistics.median(measured.requests), statistics.median(measured.kilobytes)
        print(f"{screen:<12}{address:<28}{seconds:<22}{requests:>9.0f}{kilobytes:>7.0f}")
    slowest = max(statistics.median(loads[address, LIMITED_SCREEN].seconds) for address in addresses)
    if slowest > MAX_SECONDS:
        sys.exit(f"{LIMITED_SCREEN} takes {slowest:.2f} s; at most {MAX_SECONDS} s are acceptable.")


def _measure(browser: Browser, network: Network, url: str, selector: str, measured: Loads) -> None:
    """Load a screen in a new browser context, whose cache is empty."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", network.as_parameters())
    ended: list[dict[str, Any]] = []
    session.on("Network.loadingFinished", lambda event: ended.append(event))
    page.add_init_script(WATCH % repr(selector))
    page.goto(url, wait_until="commit")
    page.wait_for_function("() => window.shownAt", timeout=TIMEOUT_MS)
    loaded = list(ended)
    measured.seconds.append(page.evaluate("() => window.shownAt") / 1000)
    measured.requests.append(len(loaded))
    measured.kilobytes.append(sum(event["encodedDataLength"] for event in loaded) / 1024)
    context.close()


@contextmanager
def _own_product() -> Iterator[str]:
    """Run the product with some products until the end of the block; gives its address."""
    with temporary_folder() as folder, running_product(folder) as product:
        with psycopg2.connect(product.url) as connection, connection.cursor() as cursor:
            cursor.execute(INSERT_SQL, (PRODUCTS,))
        connection.close()
        address = f"http://127.0.0.1:{product.port}"
        # The first request compresses the page.
        urllib.request.urlopen(address).close()
        yield address


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run Chromium until the end of the block."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        sys.exit("There is no Chromium; install it (apt-get install chromium).")
    with sync_playwright() as playwright:
        # In containers Chromium runs as root, which its sandbox does not support.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-quic"])
        yield browser
        browser.close()


if __name__ == "__main__":
    main()
