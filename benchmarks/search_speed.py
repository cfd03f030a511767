"""How long the product list takes to answer, and whether its search indexes slow imports down.

    python -m benchmarks.search_speed [--rows 500000] [--requests 24]

The benchmark runs its own PostgreSQL, web process and worker, and imports a generated catalogue. It sends the requests
of each kind over HTTP, one after the other; texts, sort orders and pages differ between them, and every response has
its total. The first table is measured while the worker still builds the search indexes, so its requests are slow. The
second one is measured with the indexes. Then a file that changes a tenth of the products is imported, and rare texts
are searched once more before the indexes cover the changes. The ratios of the imports refer to the raw COPY of
import_speed.
"""

from __future__ import annotations

import argparse
import csv
import functools
import http.client
import itertools
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg2

from benchmarks.import_speed import EXCEEDED, MAX_RATIOS
from benchmarks.imports import time_import, time_raw_copy
from benchmarks.product import (
    Product,
    running_product,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
    write_changed_catalogue,
)

Parameters = dict[str, object]
CreateRequests = Callable[[], Iterator[Parameters]]


@dataclass(frozen=True)
class Limits:
    """The highest acceptable median and 95th percentile of a kind of requests, in milliseconds."""

    median_ms: int
    percentile_95_ms: int


LIMITS = Limits(50, 150)
DEEP_PAGE_LIMITS = Limits(300, 300)
# The limits hold up to this many products. For more they are twice as high.
LIMITED_ROWS = 500_000
SORT_FIELDS = ("id", "sku", "name", "active", "created_at", "updated_at")
# Deep pages in these orders must be as fast as first pages.
FAST_DEEP_SORT_FIELDS = ("id", "sku")
SORT_ORDERS = [{"sort_by": field, "sort_order": order} for field in SORT_FIELDS for order in ("asc", "desc")]
SEARCH_FIELDS = ("q", "sku", "name", "description")
COMMON_TEXTS = ("the", "ing", "and", "son", "tion", "act", "every", "mar", "raise", "will", "ment", "old")
MISSING_TEXTS = ("zzqqxx", "no-such-product")
# Each is frequent in the catalogue, but no product has both or all of them.
UNRELATED_WORDS = ("james john", "martin brown", "michael jennifer", "robert lisa mary", "smith jones", "david lisa")
RARE_TEXTS_PER_FIELD = 20
RARE_SKU_CHARACTERS = 12
SAMPLED_ROWS = 20_000
DEEP_PAGE = 9_000
PAGE_ROWS = 50
FOLLOWED_PAGES = 3
REQUESTS_DURING_BUILD = 12
REQUEST_SECONDS = 120
# The kinds of requests that several tables have.
FIRST_PAGE, RARE_TEXT, COMMON_TEXT = "first page, any order", "rare text", "common text"
NEXT_PAGES = {
    FIRST_PAGE: "next page, any order",
    RARE_TEXT: "next page of a rare text",
    COMMON_TEXT: "next page of a common text",
}


class Client:
    """A kept-alive connection to the web process. It prints requests that take more than `report_over_ms`."""

    def __init__(self, port: int, report_over_ms: float) -> None:
        self._report_over_ms = report_over_ms
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)

    def reconnect(self) -> None:
        """Open a new connection, because the server closes one that is idle for long."""
        self._connection.close()
        self._connection.connect()

    def get(self, parameters: Parameters) -> tuple[float, dict[str, dict[str, object]]]:
        """Request a product list; return the milliseconds and the JSON."""
        started_at = time.perf_counter()
        self._connection.request("GET", f"/api/products?{urlencode(parameters)}")
        response = self._connection.getresponse()
        body = response.read()
        milliseconds = (time.perf_counter() - started_at) * 1000
        if milliseconds > self._report_over_ms:
            print(f"    {milliseconds:.0f} ms: {parameters}")
        if response.status != http.client.OK:
            sys.exit(f"{parameters}: {body.decode()}")
        return milliseconds, json.loads(body)


def combine_with_orders(filters: list[Parameters]) -> Iterator[Parameters]:
    """Yield the filters over and over, each with the next sort order."""
    pairs = zip(itertools.cycle(filters), itertools.cycle(SORT_ORDERS), strict=False)
    return ({**parameters, **order} for parameters, order in pairs)


def search_texts(texts: list[str]) -> Iterator[Parameters]:
    """Yield searches for the texts over and over, each in the next field and the next sort order."""
    triples = zip(itertools.cycle(texts), itertools.cycle(SEARCH_FIELDS), itertools.cycle(SORT_ORDERS), strict=False)
    return ({field: text, **order} for text, field, order in triples)


def search_words(searches: list[str], page: int = 1) -> Iterator[Parameters]:
    """Yield searches for words in any field over and over, each in the next sort order."""
    return combine_with_orders([{"q": search, "page": page} for search in searches])


def deep_pages(last_page: int, orders: list[dict[str, str]]) -> Iterator[Parameters]:
    """Yield requests for pages from `last_page` downwards, each in the next of these sort orders."""
    return ({**order, "page": last_page - number} for number, order in enumerate(itertools.cycle(orders)))


def find_rare_texts(path: Path) -> list[str]:
    """Return ends of SKUs and last words of names from a catalogue."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(itertools.islice(csv.reader(file), 1, SAMPLED_ROWS))
    sample = random.Random(2).sample(rows, 2 * RARE_TEXTS_PER_FIELD)
    sku_ends = [sku[-RARE_SKU_CHARACTERS:] for _, sku, _ in sample[:RARE_TEXTS_PER_FIELD]]
    last_words = [name.split()[-1] for name, _, _ in sample[RARE_TEXTS_PER_FIELD:]]
    return sku_ends + last_words


def find_names(path: Path) -> list[str]:
    """Return names of several words from a catalogue."""
    with path.open(newline="", encoding="utf-8") as file:
        names = [name for name, _, _ in itertools.islice(csv.reader(file), 1, SAMPLED_ROWS) if " " in name]
    return random.Random(3).sample(names, RARE_TEXTS_PER_FIELD)


def create_word_kinds(names: list[str], deep_page: int) -> dict[str, tuple[CreateRequests, Limits]]:
    """Return the kinds of requests for several words, each with the function that creates them and its limits."""
    common = [text for text in COMMON_TEXTS if len(text) > 3]
    pairs = list(itertools.permutations(common, 2))
    last_words = [name.split()[-1] for name in names]
    searches = {
        "rare words": names + [f"{word} {name}" for word, name in zip(last_words, names[1:], strict=False)],
        "rare and common words": [
            f"{rare} {' '.join(words)}"
            for rare, words in zip(last_words, itertools.cycle([*pairs, *zip(common)]), strict=False)
        ],
        "two common words": [f"{one} {other}" for one, other in pairs],
        "three common words": [" ".join(words) for words in itertools.permutations(common, 3)],
        "common words that never meet": list(UNRELATED_WORDS),
        "quoted text": [f'"{name}"' for name in names],
        "rare word without a common one": [
            f"{rare} -{word}" for rare, word in zip(last_words, itertools.cycle(common), strict=False)
        ],
        "common word without another": [f"{one} -{other}" for one, other in pairs],
        "only words to leave out": [f"-{one} -{other}" for one, other in pairs],
    }
    kinds: dict[str, tuple[CreateRequests, Limits]] = {
        name: (functools.partial(search_words, found), LIMITS) for name, found in searches.items()
    }
    deep = functools.partial(search_words, searches["rare words"], deep_page)
    return {**kinds, f"page {deep_page:,} of rare words": (deep, LIMITS)}


def create_kinds(catalogue: Path, rows: int) -> dict[str, tuple[CreateRequests, Limits]]:
    """Return the kinds of requests, each with the function that creates them and its limits."""
    rare_texts = find_rare_texts(catalogue)
    deep_page = min(DEEP_PAGE, rows // PAGE_ROWS)
    fast_orders = [order for order in SORT_ORDERS if order["sort_by"] in FAST_DEEP_SORT_FIELDS]
    other_orders = [order for order in SORT_ORDERS if order["sort_by"] not in FAST_DEEP_SORT_FIELDS]
    active_filters: list[Parameters] = [{"active": "true"}, {"active": "false"}]
    return {
        FIRST_PAGE: (lambda: combine_with_orders([{}]), LIMITS),
        "active or inactive only, any order": (lambda: combine_with_orders(active_filters), LIMITS),
        RARE_TEXT: (lambda: search_texts(rare_texts), LIMITS),
        "text that no product has": (lambda: search_texts(list(MISSING_TEXTS)), LIMITS),
        COMMON_TEXT: (lambda: search_texts(list(COMMON_TEXTS)), LIMITS),
        f"page {deep_page:,} by id or SKU": (lambda: deep_pages(deep_page, fast_orders), LIMITS),
        f"page {deep_page:,} in another order": (lambda: deep_pages(deep_page, other_orders), DEEP_PAGE_LIMITS),
        **create_word_kinds(find_names(catalogue), deep_page),
    }


def time_requests(client: Client, requests: Iterator[Parameters], count: int) -> list[float]:
    """Return the milliseconds of the first `count` requests."""
    client.reconnect()
    return [client.get(parameters)[0] for parameters in itertools.islice(requests, count)]


def time_next_pages(client: Client, requests: Iterator[Parameters], count: int) -> list[float]:
    """Follow page tokens from the first page of each request; return the milliseconds of `count` next pages."""
    times: list[float] = []
    client.reconnect()
    for parameters in requests:
        page_token = client.get(parameters)[1]["pagination"]["next"]
        for _ in range(FOLLOWED_PAGES):
            if page_token and len(times) < count:
                milliseconds, body = client.get({**parameters, "after": page_token})
                times.append(milliseconds)
                page_token = body["pagination"]["next"]
        if len(times) >= count:
            break
    return times


def print_times(name: str, times: list[float], limits: Limits | None = None, factor: int = 1) -> None:
    """Print a line of a table: the median, the 95th percentile and `factor` times the limits."""
    median, percentile_95 = statistics.median(times), sorted(times)[math.ceil(0.95 * len(times)) - 1]
    line = f"{name:<42}{median:>9.1f}{percentile_95:>9.1f}"
    if limits is not None:
        max_median, max_percentile_95 = factor * limits.median_ms, factor * limits.percentile_95_ms
        is_exceeded = median > max_median or percentile_95 > max_percentile_95
        line += f"{max_median:>9}{max_percentile_95:>6}{EXCEEDED if is_exceeded else ''}"
    print(line, flush=True)


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--requests", type=int, default=24, help="number of requests of each kind")
    parser.add_argument("--report-over", type=float, default=math.inf, help="show requests over this many milliseconds")
    options = parser.parse_args()
    with temporary_folder() as folder:
        files = {"new": folder / "new.csv", "a tenth changed": folder / "changed.csv"}
        write_catalogue(files["new"], options.rows)
        write_changed_catalogue(files["new"], files["a tenth changed"], 10, "New")
        with running_product(folder) as product:
            measure(product, files, options)


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> None:
    """Import and search, and print the tables."""
    factor = 1 if options.rows <= LIMITED_ROWS else 2
    client = Client(product.port, options.report_over)
    # The first COPY of a new server also creates files that it reuses later, so there are two.
    copies = [time_raw_copy(product.url, files["new"]) for _ in range(2)]
    wait_until_idle(product.url)
    imports = {"new": time_import(product.port, files["new"])[0]}
    kinds = create_kinds(files["new"], options.rows)

    print(f"{f'{options.rows:,} products; milliseconds':<42}{'median':>9}{'95th':>9}{'limits':>15}")
    print("while the indexes are built")
    for name in (FIRST_PAGE, RARE_TEXT, COMMON_TEXT):
        print_times(f"  {name}", time_requests(client, kinds[name][0](), REQUESTS_DURING_BUILD))

    wait_until_idle(product.url)
    deactivate_some_products(product.url)
    wait_until_idle(product.url)
    print("with indexes")
    for name, (create_requests, limits) in kinds.items():
        print_times(f"  {name}", time_requests(client, create_requests(), options.requests), limits, factor)
    for name, next_page_name in NEXT_PAGES.items():
        times = time_next_pages(client, kinds[name][0](), options.requests)
        print_times(f"  {next_page_name}", times, LIMITS, factor)

    copies.append(time_raw_copy(product.url, files["new"]))
    wait_until_idle(product.url)
    imports["a tenth changed"] = time_import(product.port, files["a tenth changed"])[0]
    print("after an import that changed a tenth, before the indexes cover it")
    print_times(f"  {RARE_TEXT}", time_requests(client, kinds[RARE_TEXT][0](), REQUESTS_DURING_BUILD))

    raw_copy = statistics.median(copies)
    print(f"\nraw COPY {raw_copy:.2f} s\n{'import':<18}{'÷ raw COPY':>12}{'limit':>8}")
    for name, seconds in imports.items():
        ratio, limit = seconds / raw_copy, MAX_RATIOS[name]
        print(f"{name:<18}{ratio:>12.2f}{limit:>8.1f}{'' if ratio <= limit else EXCEEDED}")


def deactivate_some_products(url: str) -> None:
    """Deactivate one product in a hundred, because real catalogues have inactive products."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE products SET active = false, updated_at = clock_timestamp() WHERE id % 100 = 0")
    connection.close()


if __name__ == "__main__":
    main()
