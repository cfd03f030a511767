"""How long the product list takes to answer, with current search indexes, right after an import and during one.

    python -m benchmarks.search_speed [--rows 500000] [--rounds 3] [--requests 24] [--default-settings]

The benchmark runs its own PostgreSQL, web process and worker. In each round it imports a generated catalogue and sends
the requests of each kind over HTTP, one after the other; texts, sort orders and pages differ between them, and every
response has its total. The requests "right after an import" are sent before the worker has built the search indexes.
Then all kinds are measured with the indexes. At the end, a file that changes a tenth of the products is imported. Some
requests are sent during this import, and some right after it.

One table has the medians of the requests, the other one the 95th percentiles. Both show the median of the rounds. The
exit status is 1 if one misses its bar.
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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psycopg2

from benchmarks.imports import time_import
from benchmarks.product import (
    Product,
    empty_catalogue,
    running_product,
    temporary_folder,
    wait_until_idle,
    write_catalogue,
    write_changed_catalogue,
)
from benchmarks.results import Results, add_rounds_option, warn_if_busy
from benchmarks.server import ServerChoice, add_server_options, choose_server

Parameters = dict[str, object]
CreateRequests = Callable[[], Iterator[Parameters]]


@dataclass(frozen=True)
class Limits:
    """The highest acceptable median and 95th percentile of a kind of requests, in milliseconds."""

    median_ms: int
    percentile_95_ms: int


LIMITS = Limits(10, 30)
SEVERAL_WORDS_LIMITS = Limits(50, 150)
SHORT_WORDS_LIMITS = Limits(300, 300)
# During an import, and right after one, while the indexes do not cover what it has written.
LAGGING_LIMITS = Limits(100, 300)
# The limits hold up to this many products. For more they are twice as high.
LIMITED_ROWS = 500_000
SORT_FIELDS = ("id", "sku", "name", "active", "created_at", "updated_at")
# Deep pages in these orders must be as fast as first pages.
FAST_DEEP_SORT_FIELDS = ("id", "sku")
SORT_ORDERS = [{"sort_by": field, "sort_order": order} for field in SORT_FIELDS for order in ("asc", "desc")]
SEARCH_FIELDS = ("q", "sku", "name", "description")
COMMON_TEXTS = ("the", "ing", "and", "son", "tion", "act", "every", "mar", "raise", "will", "ment", "old")
MISSING_TEXTS = ("zzqqxx", "no-such-product")
# A trigram index finds none of them.
SHORT_WORDS = ("a", "st", "of", "x", "qz", "in", "7", "42", "an of", "zq xj")
# Each is frequent in the catalogue, but no product has both or all of them.
UNRELATED_WORDS = ("james john", "martin brown", "michael jennifer", "robert lisa mary", "smith jones", "david lisa")
RARE_TEXTS_PER_FIELD = 20
RARE_SKU_CHARACTERS = 12
SAMPLED_ROWS = 20_000
DEEP_PAGE = 9_000
PAGE_ROWS = 50
FOLLOWED_PAGES = 3
LAGGING_REQUESTS = 12
REQUEST_SECONDS = 120
# The kinds of requests that several tables have.
FIRST_PAGE, RARE_TEXT, COMMON_TEXT = "first page, any order", "rare text", "common text"
NEXT_PAGES = {
    FIRST_PAGE: "next page, any order",
    RARE_TEXT: "next page of a rare text",
    COMMON_TEXT: "next page of a common text",
}
AFTER_NEW, DURING_CHANGE, AFTER_CHANGE = "right after a new import", "during an import", "right after a tenth changed"
LAGGING_STAGES = (AFTER_NEW, DURING_CHANGE, AFTER_CHANGE)
LAGGING_KINDS = (FIRST_PAGE, RARE_TEXT, COMMON_TEXT)


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
        name: (functools.partial(search_words, found), SEVERAL_WORDS_LIMITS) for name, found in searches.items()
    }
    deep = functools.partial(search_words, searches["rare words"], deep_page)
    return {
        **kinds,
        f"page {deep_page:,} of rare words": (deep, SEVERAL_WORDS_LIMITS),
        "words of one or two letters": (lambda: search_words(list(SHORT_WORDS)), SHORT_WORDS_LIMITS),
    }


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
        f"page {deep_page:,} in another order": (lambda: deep_pages(deep_page, other_orders), LIMITS),
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


class Tables:
    """The two tables of the benchmark: the medians and the 95th percentiles of the requests of each kind."""

    def __init__(self, limits: dict[str, Limits], rows: int, choice: ServerChoice) -> None:
        factor = 1 if rows <= LIMITED_ROWS else 2
        subject = f"{rows:,} products"
        self.medians = Results(
            subject,
            "median, ms",
            {name: factor * limit.median_ms for name, limit in limits.items()},
            decimals=1,
            counts_others=not choice.url,
        )
        self.percentiles = Results(
            subject,
            "95th, ms",
            {name: factor * limit.percentile_95_ms for name, limit in limits.items()},
            decimals=1,
            counts_others=not choice.url,
        )

    def add(self, name: str, times: list[float]) -> None:
        """Add the milliseconds of the requests of a kind in the present round."""
        self.medians.add(name, statistics.median(times))
        self.percentiles.add(name, sorted(times)[math.ceil(0.95 * len(times)) - 1])

    def end_round(self) -> None:
        """End the present round."""
        self.medians.end_round()
        self.percentiles.end_round()

    def print(self) -> bool:
        """Print both tables; return whether every limit is met."""
        self.medians.print_table()
        self.percentiles.print_table()
        return not self.medians.find_missed() and not self.percentiles.find_missed()


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    add_rounds_option(parser, 3)
    parser.add_argument("--requests", type=int, default=24, help="number of requests of each kind")
    parser.add_argument("--report-over", type=float, default=math.inf, help="show requests over this many milliseconds")
    add_server_options(parser)
    options = parser.parse_args()
    choice = choose_server(options)
    warn_if_busy()
    with temporary_folder() as folder:
        files = {"new": folder / "new.csv", "a tenth changed": folder / "changed.csv"}
        write_catalogue(files["new"], options.rows)
        write_changed_catalogue(files["new"], files["a tenth changed"], 10, "New")
        kinds = create_kinds(files["new"], options.rows)
        limits = {name: kind_limits for name, (_, kind_limits) in kinds.items()}
        limits |= dict.fromkeys(NEXT_PAGES.values(), LIMITS)
        limits |= {f"{stage}: {name}": LAGGING_LIMITS for stage in LAGGING_STAGES for name in LAGGING_KINDS}
        with running_product(folder, choice) as product:
            tables = Tables(limits, options.rows, choice)
            for _ in range(options.rounds):
                run_round(product, files, kinds, tables, options)
                tables.end_round()
        print(f"rounds: {options.rounds}, {choice.name}\n")
        sys.exit(not tables.print())


def run_round(
    product: Product,
    files: dict[str, Path],
    kinds: dict[str, tuple[CreateRequests, Limits]],
    tables: Tables,
    options: argparse.Namespace,
) -> None:
    """Import and search once, and add the times to the tables."""
    client = Client(product.port, options.report_over)
    empty_catalogue(product.url)
    time_import(product.port, files["new"])
    time_lagging_requests(client, kinds, tables, AFTER_NEW)

    wait_until_idle(product.url)
    deactivate_some_products(product.url)
    wait_until_idle(product.url)
    for name, (create_requests, _) in kinds.items():
        tables.add(name, time_requests(client, create_requests(), options.requests))
    for name, next_page_name in NEXT_PAGES.items():
        tables.add(next_page_name, time_next_pages(client, kinds[name][0](), options.requests))

    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(time_import, product.port, files["a tenth changed"])
        time_lagging_requests(client, kinds, tables, DURING_CHANGE, running.done)
        running.result()  # Exits if the import failed.
    time_lagging_requests(client, kinds, tables, AFTER_CHANGE)


def time_lagging_requests(
    client: Client,
    kinds: dict[str, tuple[CreateRequests, Limits]],
    tables: Tables,
    stage: str,
    is_over: Callable[[], bool] = lambda: True,
) -> None:
    """Time some requests of each kind in turn, and go on until `is_over`."""
    client.reconnect()
    requests = {name: kinds[name][0]() for name in LAGGING_KINDS}
    times: dict[str, list[float]] = {name: [] for name in LAGGING_KINDS}
    while len(times[FIRST_PAGE]) < LAGGING_REQUESTS or not is_over():
        for name in LAGGING_KINDS:
            times[name].append(client.get(next(requests[name]))[0])
    for name in LAGGING_KINDS:
        tables.add(f"{stage}: {name}", times[name])


def deactivate_some_products(url: str) -> None:
    """Deactivate one product in a hundred, because real catalogues have inactive products."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE products SET active = false, updated_at = clock_timestamp() WHERE id % 100 = 0")
    connection.close()


if __name__ == "__main__":
    main()
