"""How long the page takes to upload a file over loopback: this checkout and an older commit, in turn.

    python -m benchmarks.upload_speed [--base d34e782] [--rows 500000] [--rounds 5]

Both versions run at the same time, each with its own PostgreSQL and web process, and without a worker, so that nothing
but the upload takes time. In each round, Chromium uploads the same file to each of them. The time goes from the choice
of the file to the moment when the page opens the import. The median of the ratios is compared with the bar. It needs
Chromium and the packages of requirements-dev.txt. The exit status is 1 if the bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser

from benchmarks.page_load import running_chromium
from benchmarks.product import ROOT, Product, running_product, temporary_folder, write_catalogue
from benchmarks.regression import NoBaseError, check_out, find_base
from benchmarks.results import Results, add_rounds_option, warn_if_busy

# The last commit whose page sends forms.
LAST_FORMS = "d34e782"
BAR = 1 / 3
TIMEOUT_MS = 120_000
IDLE_MS = 1_000


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
        browser = stack.enter_context(running_chromium())
        print(f"{path.stat().st_size / 1e6:.0f} MB, rounds: {options.rounds}, base: {base[:12]}")
        results = measure(browser, products, path, options.rounds)
    results.print_table()
    sys.exit(bool(results.find_missed()))


def measure(browser: Browser, products: dict[str, Product], path: Path, rounds: int) -> Results:
    """Upload the file to each product in each round; return the ratios."""
    results = Results("upload from the page", "÷ base", {"present": BAR})
    for _ in range(rounds):
        seconds = {name: upload(browser, product, path) for name, product in products.items()}
        print({name: f"{value:.2f} s" for name, value in seconds.items()})
        results.add("present", seconds["present"] / seconds["base"], f"{seconds['present']:.2f} s")
        results.end_round()
    return results


def upload(browser: Browser, product: Product, path: Path) -> float:
    """Upload a file in a new tab, and return the seconds until the page opens its import."""
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{product.port}/#/import")
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
