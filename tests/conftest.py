"""Fixtures of all tests: a real PostgreSQL built by the migrations, the application, RabbitMQ, worker processes.

Plain helpers and the fixtures of single subjects are in `support/`, one module per subject.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg2.extensions import cursor as Cursor

os.environ.setdefault("DATABASE_URL", "postgresql://not-used-by-tests/none")
# Messages that this process sends must not reach a product that runs in ./instance.
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="acme-tests-")

import celery_app
import config
from access import passwords, throttle
from access.request_counts import RequestCounts
from api import assets
from api.assets import Assets
from database.migrate import upgrade_database
from importer.pipeline.runner import ImportRunner
from support.database import (
    TEMPLATE_DATABASE,
    create_server,
    execute,
    find_fast_folder,
    temporary_database,
    url_of,
)
from support.jobs import create_runner
from support.prerequisites import skip_or_fail
from support.processes import Processes, create_environment, find_free_ports, run_program
from support.rabbitmq import RABBITMQ_URL, create_broker_connection

FAST_METHOD = "scrypt:1024:8:1"

atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

# `support.browser` has the fixtures that all browser tests share: one running product and one Chromium.
pytest_plugins = [
    "support.browser_contexts",
    "support.browser",
    "support.clock_fixtures",
    "support.garbage",
    "support.network_guard",
    "support.scheduling",
    "support.team",
    "support.thorough",
    "support.url_rules",
    "support.storage_fixtures",
    "support.webhook_fixtures",
]


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the test server. The database of each test is a copy of the template database on this server."""
    if url := os.environ.get("TEST_POSTGRES_URL"):
        # Mutation testing starts one server for the tests of all mutants.
        yield url
        return
    # Its data need not survive a power cut; tests of durability start their own servers. PostgreSQL scans all shared
    # buffers whenever it creates or drops a database, so fewer buffers make that faster. The data is in memory, so the
    # WAL must stay small.
    fast_settings = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
    fast_settings |= {"max_wal_size": "256MB", "min_wal_size": "80MB"}
    with (
        tempfile.TemporaryDirectory(prefix="acme-tests-", dir=find_fast_folder(), ignore_cleanup_errors=True) as folder,
        create_server(Path(folder) / "cluster", settings=fast_settings) as server,
    ):
        url = server.start()
        execute(url, f"CREATE DATABASE {TEMPLATE_DATABASE}")
        upgrade_database(url_of(url, TEMPLATE_DATABASE))
        yield url


@pytest.fixture(scope="session")
def database_cursor(server_url: str) -> Iterator[Cursor]:
    """A cursor that creates and drops databases. Connecting for each takes a third of the time."""
    with contextlib.closing(psycopg2.connect(server_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        yield cursor


@pytest.fixture
def database_url(server_url: str, database_cursor: Cursor) -> Iterator[str]:
    """The URL of a database that only this test uses."""
    with temporary_database(server_url, database_cursor) as url:
        yield url


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment variables of the test's processes; change them before the first process starts."""
    return create_environment(database_url, tmp_path)


@pytest.fixture
def settings(environment: dict[str, str]) -> config.Settings:
    """The settings that `environment` gives."""
    return config.load(environment)


@pytest.fixture(autouse=True)
def _end_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the threads of applications that a test has created itself. Their database ends with the test."""
    used: set[RequestCounts] = set()
    record = RequestCounts._record

    def record_and_remember(counts: RequestCounts, *values: Any) -> None:
        used.add(counts)
        record(counts, *values)

    monkeypatch.setattr(RequestCounts, "_record", record_and_remember)
    yield
    for counts in used:
        counts.close()


@pytest.fixture(autouse=True)
def _fast_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in a fraction of the time. A hash says how it was made, so web processes accept it."""
    dummy = passwords.DUMMY_HASH.replace(passwords.METHOD, FAST_METHOD)
    monkeypatch.setattr(passwords, "METHOD", FAST_METHOD)
    monkeypatch.setattr(passwords, "DUMMY_HASH", dummy)


@functools.cache
def read_assets(folder: Path, *, with_bundle: bool = True) -> Assets:
    """Read the assets of a folder once for all applications: there are hundreds of files."""
    return Assets(folder, with_bundle=with_bundle)


@pytest.fixture
def app(settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The web application, in this process."""
    from app import create_app
    from models import db

    monkeypatch.setattr(assets, "Assets", read_assets)
    application = create_app(settings)
    # A busy machine must not make a bulk change answer before its job has ended.
    runs = application.extensions["bulk_runs"]
    runs.run_seconds = runs.wait_seconds = 120
    yield application
    # Threads must not outlive their database.
    assert application.extensions["streams"].streams == 0, "The test must close the streams that it has opened."
    application.extensions["bulk_runs"].close()
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the web application. Its uploads wait until the test runs them, for example with `runner`."""
    return app.test_client()


@pytest.fixture
def long_waits(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let sign-ins wait for a minute after too many failures, so that a busy machine does not outlast the wait."""
    monkeypatch.setattr(throttle, "FIRST_WAIT_SECONDS", 60)
    return 60


@pytest.fixture
def runner(settings: config.Settings) -> ImportRunner:
    """The import runner on the test's database."""
    return create_runner(settings)


@pytest.fixture
def own_broker(settings: config.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that only this test uses, for the messages of the application."""
    monkeypatch.setattr(celery_app, "celery", celery_app.create_celery(settings))


@pytest.fixture
def processes(environment: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    """Starts processes of the product; they end with the test."""
    started = Processes(environment, tmp_path / "processes.log")
    yield started
    started.stop()


@pytest.fixture
def free_port() -> int:
    """A port on which nothing listens."""
    (port,) = find_free_ports(1)
    return port


@pytest.fixture
def rabbitmq(environment: dict[str, str]) -> Iterator[str]:
    """The URL of a RabbitMQ virtual host that only this test uses; `environment` has it, too."""
    try:
        with create_broker_connection(RABBITMQ_URL) as connection:
            connection.connect()
    except OSError:
        skip_or_fail("RabbitMQ does not answer: install it (apt-get install rabbitmq-server) and start it")
    if shutil.which("rabbitmqctl") is None:
        skip_or_fail("rabbitmqctl, which creates a virtual host for each test, is missing: install rabbitmq-server")
    virtual_host = f"test_{uuid.uuid4().hex[:12]}"
    user = urlsplit(RABBITMQ_URL).username or "guest"
    run_program("rabbitmqctl", "add_vhost", virtual_host)
    run_program("rabbitmqctl", "set_permissions", "-p", virtual_host, user, ".*", ".*", ".*")
    environment["CELERY_BROKER_URL"] = urlsplit(RABBITMQ_URL)._replace(path=f"/{virtual_host}").geturl()
    yield environment["CELERY_BROKER_URL"]
    run_program("rabbitmqctl", "delete_vhost", virtual_host)
