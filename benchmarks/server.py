"""The PostgreSQL of a benchmark: the embedded one as the product starts it, with default settings, or another one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from embedded.postgres import EmbeddedPostgres

# Without these, the server could not be reached at all.
ADDRESS_SETTINGS = ("listen_addresses", "port")
HAS_PRODUCTS_SQL = "SELECT to_regclass('products') IS NOT NULL"
COUNT_PRODUCTS_SQL = "SELECT count(*) FROM (SELECT FROM products LIMIT 1) found"


@dataclass(frozen=True)
class ServerChoice:
    """Which server a benchmark uses: that at `url`, otherwise one of its own.

    Its own server has the settings of the embedded one, or with `has_default_settings` those of PostgreSQL.
    """

    url: str = ""
    has_default_settings: bool = False

    @property
    def name(self) -> str:
        """Return what the tables call the server."""
        if self.url:
            return "server of --database-url"
        return "PostgreSQL with default settings" if self.has_default_settings else "embedded server"


EMBEDDED = ServerChoice()


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Give a benchmark the options that choose a server."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--default-settings", action="store_true", help="run a PostgreSQL with its default settings")
    group.add_argument("--database-url", default="", help="use this database, which must have no products")


def choose_server(options: argparse.Namespace) -> ServerChoice:
    """Return what the options say."""
    return ServerChoice(options.database_url, options.default_settings)


@contextmanager
def running_server(folder: Path, choice: ServerChoice) -> Iterator[str]:
    """Run a server with its cluster in `folder` until the end of the block, or use that of `choice`; gives its URL."""
    if choice.url:
        check_empty(choice.url)
        yield choice.url
        return
    with create_server(folder, choice) as server:
        yield server.start()


def create_server(folder: Path, choice: ServerChoice) -> EmbeddedPostgres:
    """Return a server with its cluster in `folder`, which has not been started."""
    server = EmbeddedPostgres(folder)
    if choice.has_default_settings:
        server.settings = {name: server.settings[name] for name in ADDRESS_SETTINGS}
    return server


def check_empty(url: str) -> None:
    """Exit if a database has products, because a benchmark would delete them."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(HAS_PRODUCTS_SQL)
        if cursor.fetchone() == (True,):
            cursor.execute(COUNT_PRODUCTS_SQL)
            if cursor.fetchone() != (0,):
                sys.exit("The database of --database-url has products, which the benchmark would delete.")
    connection.close()
