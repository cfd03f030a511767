"""How long the product list takes to answer, and that imports are none the slower for its indexes.

    python -m benchmarks.search_speed [--rows 500000] [--requests 24]

Starts a PostgreSQL of its own, a web process and a worker, and imports a catalogue. Each kind of request goes over HTTP
to the web process, one after the other, every one with its total; texts, orders and pages differ from one to the next.
The first table is of the time while the worker still builds its indexes: right answers, but slow ones. After the second
a file that changes a tenth is imported over the indexes, and the rare texts are looked for once more meanwhile. Imports
are ratios to the raw COPY of benchmarks/import_speed.py.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import itertools
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import psycopg2

from benchmarks.import_speed import BARS, raw_copy, timed_import
from benchmarks.product import (
    Product,
    running_product,
    settle,
    temporary_folder,
    write_catalogue,
    write_changed,
)

Parameters = dict[str, object]
# The parameters of one request after the other; what it is told of the answer before is of use to cursors.
Requests = Iterator[Parameters]

# Milliseconds: the median, the 95th percentile. Beyond 500,000 products it is twice that.
BAR = (50, 150)
DEEP_BAR = (300, 300)
BARRED_ROWS = 500_000
SORTS = ("id", "sku", "name", "active", "created_at", "updated_at")
DEEP_PAGE = 9_000
COMMON = ("the", "ing", "and", "son", "tion", "act", "every", "mar", "raise", "will", "ment", "old")
FIELDS = ("q", "sku", "name", "description")


class Client:
    """A connection to the web process; counts milliseconds."""

    def __init__(self, port: int, report_over: float) -> None:
        self._report_over = report_over
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def renew(self) -> None:
        """Connects anew: the server hangs up on who is silent for long."""
        self._connection.close()
        self._connection.connect()

    def get(self, parameters: Parameters) -> tuple[float, dict[str, dict[str, object]]]:
        """Milliseconds of a list request, and its answer."""
        started = time.perf_counter()
        self._connection.request("GET", f"/api/products?{urlencode(parameters)}")
        answer = self._connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - started) * 1000
        if took > self._report_over:
            print(f"    {took:.0f} ms: {parameters}")
        if answer.status != 200:
            sys.exit(f"{parameters}: {body.decode()}")
        return took, json.loads(body)


def orders() -> Iterator[Parameters]:
    """Every order, up and down, again and again."""
    return itertools.cycle({"sort_by": by, "sort_order": way} for by in SORTS for way in ("asc", "desc"))


def texts(words: list[str]) -> Requests:
    """One word after the other, in every field and every order."""
    for word, field, order in zip(itertools.cycle(words), itertools.cycle(FIELDS), orders(), strict=False):
        yield {field: word, **order}


def kinds(path: Path, last_page: int) -> dict[str, tuple[Callable[[], Requests], tuple[int, int]]]:
    """Every kind of request with its bar."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(itertools.islice(csv.reader(file), 1, 20_000))
    chance = random.Random(2)
    some = chance.sample(rows, 40)
    rare = [row[1][-12:] for row in some[:20]] + [row[0].split()[-1] for row in some[20:]]
    deep = min(DEEP_PAGE, last_page)
    others = [order for order in itertools.islice(orders(), 12) if order["sort_by"] not in {"id", "sku"}]

    def first_pages() -> Requests:
        return orders()

    def deep_pages(sorts: tuple[str, ...]) -> Requests:
        chosen = [order for order in itertools.islice(orders(), 12) if order["sort_by"] in sorts]
        return ({**order, "page": deep - number} for number, order in enumerate(itertools.cycle(chosen)))

    def active() -> Requests:
        return ({"active": value, **order} for value, order in zip(itertools.cycle(["true", "false"]), orders()))

    return {
        "first page, any order": (first_pages, BAR),
        "active or inactive": (active, BAR),
        "rare text": (lambda: texts(rare), BAR),
        "text that nothing has": (lambda: texts(["zzqqxx", "no-such-product"]), BAR),
        "common text": (lambda: texts(list(COMMON)), BAR),
        f"page {deep:,} by id or SKU": (lambda: deep_pages(("id", "sku")), BAR),
        f"page {deep:,}, other orders": (lambda: deep_pages(tuple(str(o["sort_by"]) for o in others)), DEEP_BAR),
    }


def by_cursor(client: Client, requests: Requests, number: int) -> list[float]:
    """Goes on by cursor from the first page of each request; milliseconds of the pages behind it."""
    times: list[float] = []
    client.renew()
    for parameters in requests:
        following = client.get(parameters)[1]["pagination"]["next"]
        for _ in range(3):
            if following and len(times) < number:
                took, answer = client.get({**parameters, "after": following})
                times.append(took)
                following = answer["pagination"]["next"]
        if len(times) >= number:
            break
    return times


def show(name: str, times: list[float], bar: tuple[int, int] | None = None) -> None:
    """A line of the table."""
    middle, high = statistics.median(times), sorted(times)[math.ceil(0.95 * len(times)) - 1]
    missed = bar and (middle > bar[0] or high > bar[1])
    bars = f"{bar[0]:>8}{bar[1]:>6}" if bar else ""
    print(f"{name:<34}{middle:>9.1f}{high:>9.1f}{bars}{'  MISSED' if missed else ''}", flush=True)


def times_of(client: Client, requests: Requests, number: int) -> list[float]:
    """Milliseconds of so many requests."""
    client.renew()
    return [client.get(parameters)[0] for parameters in itertools.islice(requests, number)]


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--requests", type=int, default=24, help="of each kind")
    parser.add_argument("--report-over", type=float, default=math.inf, help="show requests with more milliseconds")
    options = parser.parse_args()
    with temporary_folder() as folder:
        files = {"new": folder / "new.csv", "a tenth changed": folder / "changed.csv"}
        write_catalogue(files["new"], options.rows)
        write_changed(files["new"], files["a tenth changed"], 10, "New")
        with running_product(folder) as product:
            measure(product, files, options)


def measure(product: Product, files: dict[str, Path], options: argparse.Namespace) -> None:
    """Imports and searches, and prints what that took."""
    factor = 1 if options.rows <= BARRED_ROWS else 2
    client = Client(product.port, options.report_over)
    # A new server pays once for files that it uses again later; that is nobody's speed.
    raw = [raw_copy(product.url, files["new"]) for _ in range(2)]
    settle(product.url)
    imported = {"new": timed_import(product.port, files["new"])[0]}
    asked = kinds(files["new"], options.rows // 50)

    print(f"{options.rows:,} products; milliseconds{'':<5}   median      95%     bar\nwhile indexes are being built")
    for name in ("first page, any order", "rare text", "common text"):
        show(f"  {name}", times_of(client, asked[name][0](), 12))

    settle(product.url)
    deactivate_a_few(product.url)
    settle(product.url)
    print("with indexes")
    for name, (requests, bar) in asked.items():
        show(f"  {name}", times_of(client, requests(), options.requests), (bar[0] * factor, bar[1] * factor))
    for name in ("first page, any order", "rare text", "common text"):
        times = by_cursor(client, asked[name][0](), options.requests)
        show(f"  by cursor: {name}", times, (BAR[0] * factor, BAR[1] * factor))

    raw.append(raw_copy(product.url, files["new"]))
    settle(product.url)
    imported["a tenth changed"] = timed_import(product.port, files["a tenth changed"])[0]
    print("after an import that changed a tenth, before the indexes know of it")
    show("  rare text", times_of(client, asked["rare text"][0](), 12))

    yardstick = statistics.median(raw)
    print(f"\nraw COPY {yardstick:.2f} s\n{'import':<18}{'÷ raw COPY':>12}{'bar':>8}")
    for name, seconds in imported.items():
        ratio = seconds / yardstick
        print(f"{name:<18}{ratio:>12.2f}{BARS[name]:>8.1f}{'' if ratio <= BARS[name] else '  MISSED'}")


def deactivate_a_few(url: str) -> None:
    """A catalogue has products that are not active; here one of a hundred."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE products SET active = false, updated_at = clock_timestamp() WHERE id % 100 = 0")
    connection.close()


if __name__ == "__main__":
    main()
