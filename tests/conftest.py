"""What the tests stand on: a real PostgreSQL with the real migrations, real RabbitMQ, real worker processes."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

os.environ.setdefault("DATABASE_URL", "postgresql://not-used-by-tests/none")
# Messages of this process are for nobody; in ./instance the product would find them.
os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="acme-tests-")

import config
from celery_app import IMPORTS_QUEUE, RUN_IMPORT, make_celery
from embedded.postgres import EmbeddedPostgres
from importer.jobs.repository import Retention
from importer.pipeline.runner import Engine
from models import upgrade_database
from support.receiver import Receiver
from support.scheduling import pytest_xdist_make_scheduler  # noqa: F401
from webhooks.dispatcher import Deliverer, Options
from webhooks.sender import Sender

atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests" / "products-2k.csv"
TEMPLATE = "template_of_tests"
RABBITMQ_URL = os.environ.get("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//")


StartDeliverer = Callable[..., Deliverer]


def missing(what: str) -> NoReturn:
    """Skips a test for want of a server; in CI, where it must be there, fails it."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def url_of(server: str, database: str) -> str:
    """The URL of another database of the same server."""
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{database}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests, with the database that the tests' are copies of, built by the real migrations."""
    # It need not survive a power cut: tests of what survives start servers of their own. Whenever a database is made or
    # dropped all of its buffers are looked through.
    quick = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres") / "cluster", settings=quick)
    url = server.start()
    execute(url, f"CREATE DATABASE {TEMPLATE}")
    upgrade_database(url_of(url, TEMPLATE))
    yield url
    server.stop()


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """A database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    yield url_of(server_url, name)
    execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
    """Runs one statement outside of a transaction; returns its rows, if it has any."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of the test, as processes take them; change them before the first process starts."""
    return {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "UPLOAD_DIR": str(tmp_path / "uploads"),
        "SECRET_KEY": "a key for tests",
        "LEASE_SECONDS": "4",
        "SWEEP_SECONDS": "1",
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


@pytest.fixture
def settings(environment: dict[str, str]) -> config.Settings:
    """The same, parsed."""
    return config.load(environment)


@pytest.fixture
def app(settings: config.Settings) -> Iterator[Flask]:
    """The web application, in this process."""
    from app import create_app
    from models import db

    application = create_app(settings)
    yield application
    with application.app_context():
        db.engine.dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the web application. Its uploads wait for a worker; `engine` is one without a queue."""
    return app.test_client()


@pytest.fixture
def engine(settings: config.Settings) -> Engine:
    """The import engine on the test's database."""
    return create_engine(settings)


def create_engine(settings: config.Settings, **changes: Any) -> Engine:
    """An engine with the given settings, some of them changed."""
    config.make_folder("UPLOAD_DIR", settings.upload_dir)
    values: dict[str, Any] = {
        "database_url": settings.database_url,
        "upload_dir": settings.upload_dir,
        "chunk_rows": settings.chunk_rows,
        "slice_rows": settings.slice_rows,
        "max_record": settings.max_record_kb * 1024,
        "max_unpacked_bytes": settings.max_unpacked_mb * 1_000_000,
        "lease_seconds": settings.lease_seconds,
        "task_seconds": settings.task_seconds,
        "max_attempts": settings.max_attempts,
        "retention": Retention(settings.preview_hours, settings.retry_hours, settings.undo_days),
    }
    return Engine(**{**values, **changes})


def create_job(engine: Engine, content: bytes, filename: str = "products.csv", *, announced: bool = False) -> str:
    """Puts a file and its job where an upload would put them; returns the task's id.

    Of one that is `announced` a worker's sweep sends no message.
    """
    task_id = str(uuid.uuid4())
    (engine.upload_dir / f"{task_id}.upload").write_bytes(content)
    execute(
        engine.database_url,
        "INSERT INTO import_jobs (task_id, filename, stored_name, file_size, announced_at)"
        " VALUES (%s, %s, %s, %s, CASE WHEN %s THEN clock_timestamp() END)",
        (task_id, filename, f"{task_id}.upload", len(content), announced),
    )
    return task_id


def job_row(url: str, task_id: str) -> dict[str, Any]:
    """The job's row as a dictionary."""
    rows = execute(url, "SELECT to_jsonb(j) FROM import_jobs j WHERE task_id = %s", (task_id,))
    row: dict[str, Any] = rows[0][0]
    return row


def run_import(engine: Engine, content: bytes | str) -> dict[str, Any]:
    """Imports a file from end to end, without a queue; returns the job's row."""
    task_id = create_job(engine, content.encode() if isinstance(content, str) else content)
    while engine.run(task_id):
        pass
    return job_row(engine.database_url, task_id)


def catalogue(url: str) -> list[tuple[Any, ...]]:
    """Every product as (sku, name, description, active), in the order of the keys."""
    return execute(url, 'SELECT sku, name, description, active FROM products ORDER BY lower(sku) COLLATE "C"')


def rejects(url: str, job: dict[str, Any]) -> list[tuple[int, str]]:
    """The line and the reason code of every row set aside."""
    return [
        (line, code)
        for line, code in execute(
            url, "SELECT line, code FROM import_rejects WHERE job_id = %s ORDER BY line", (job["id"],)
        )
    ]


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits until `condition()` is true and returns its value; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s: {what}")


@dataclass
class Processes:
    """Starts processes of the product and ends them with the test; their output is in `log`."""

    environment: dict[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, **changes: str) -> subprocess.Popen[bytes]:
        """Starts `python arguments…` from the project's root, in a session of its own."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment, **changes},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.running.append(process)
        return process

    def worker(self, *options: str, **changes: str) -> subprocess.Popen[bytes]:
        """Starts a Celery worker."""
        return self.start("-m", "celery", "-A", "celery_app", "worker", "--loglevel=INFO", *options, **changes)

    def web(self, port: int, **changes: str) -> subprocess.Popen[bytes]:
        """Starts the web process as the README says."""
        return self.start("-m", "gunicorn", "-b", f"127.0.0.1:{port}", "app:create_app()", **changes)

    def end(self) -> None:
        """Ends every process and what it started."""
        for process in self.running:
            _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if "COVERAGE_PROCESS_CONFIG" in os.environ:
        # A process that is killed loses what coverage measured in it.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.fixture
def processes(environment: dict[str, str], tmp_path: Path) -> Iterator[Processes]:
    """The product's processes of one test."""
    started = Processes(environment, tmp_path / "processes.log")
    yield started
    started.end()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver process."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def _one_receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def shared_receiver(_one_receiver: Receiver) -> Receiver:
    """The same receiver process for many tests, without memory of the last one."""
    _one_receiver.clear()
    return _one_receiver


@pytest.fixture
def sender() -> Iterator[Sender]:
    """Makes requests to this machine, in little time."""
    sender = new_sender()
    yield sender
    sender.close()


@pytest.fixture
def start(settings: config.Settings) -> Iterator[StartDeliverer]:
    """Starts deliverers in this process; they are stopped with the test."""
    running: list[tuple[Deliverer, threading.Thread]] = []

    def start(**options: Any) -> Deliverer:
        values = {"lease_seconds": 4, "allowed_networks": settings.webhook_allowed_networks, **options}
        started = Deliverer(Options(settings.database_url, **values))
        thread = threading.Thread(target=started.run, daemon=True)
        running.append((started, thread))
        thread.start()
        return started

    yield start
    for started, thread in running:
        started.stop()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def rabbitmq(environment: dict[str, str]) -> Iterator[str]:
    """RabbitMQ's URL, with a virtual host of the test's own; also put into `environment`."""
    try:
        with broker_connection(RABBITMQ_URL) as connection:
            connection.connect()
    except OSError:
        missing("RabbitMQ does not answer; install it (apt-get install rabbitmq-server) and start it")
    if shutil.which("rabbitmqctl") is None:
        missing("rabbitmqctl is missing, which makes a virtual host for each test; install rabbitmq-server")
    host = f"test_{uuid.uuid4().hex[:12]}"
    user = urlsplit(RABBITMQ_URL).username or "guest"
    run_quietly("rabbitmqctl", "add_vhost", host)
    run_quietly("rabbitmqctl", "set_permissions", "-p", host, user, ".*", ".*", ".*")
    environment["CELERY_BROKER_URL"] = urlsplit(RABBITMQ_URL)._replace(path=f"/{host}").geturl()
    yield environment["CELERY_BROKER_URL"]
    run_quietly("rabbitmqctl", "delete_vhost", host)


def run_quietly(*command: str, environment: Mapping[str, str] | None = None) -> str:
    """Runs a program that must succeed; returns what it printed."""
    result = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def broker_connection(url: str) -> Any:
    """A connection to a broker, not yet made."""
    return make_celery(config.load({"CELERY_BROKER_URL": url})).connection_for_write()


def announce(environment: Mapping[str, str], task_id: str) -> None:
    """Sends the message of an upload, and notes that it does; first, or a sweep in between would send one more."""
    execute(
        environment["DATABASE_URL"],
        "UPDATE import_jobs SET announced_at = clock_timestamp() WHERE task_id = %s",
        (task_id,),
    )
    make_celery(config.load(environment)).send_task(RUN_IMPORT, args=[task_id], queue=IMPORTS_QUEUE)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def slow_slices(url: str, seconds: float) -> None:
    """Makes every slice of an import take that long, within its transaction."""
    execute(
        url,
        "CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;"
        "CREATE OR REPLACE TRIGGER dawdle AFTER UPDATE OF checkpoint ON import_jobs"
        " FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )


# Last, because they build on the fixtures above; here, so that all files of tests share one product and one Chromium.
from support.browser import browser, console, page, running_site, site  # noqa: E402, F401
from support.webhooks import new_sender  # noqa: E402
