"""The web application: `create_app()` connects settings, database, routes and error handlers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from flask import Flask, Request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SessionInterface
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.middleware.proxy_fix import ProxyFix

import config
import routes
from access import credentials
from access.actors import Actor
from access.request_counts import RequestCounts
from api import (
    authentication,
    cross_origin,
    errors,
    reading,
    refusals,
    request_guard,
    request_ids,
    request_limits,
    request_metrics,
    response_headers,
)
from api.access import commands, setup_link
from api.bulk.runs import BulkRuns
from api.health import HEALTH_DATABASE, HEALTH_SECONDS
from api.imports import tus
from api.imports.progress import job_event
from api.imports.upload_request import UploadRequest
from api.sse import JobEvent, StreamHub
from api.transactions import lock_limit
from database.commands import db_group
from database.connect import ENGINE_URL, Component, connect, explain_failure
from database.migrate import UnusableDatabase, require_migrations, upgrade_database
from database.pooled_connections import autocommitting, check_connections
from database.replica import Replica
from database.statement_timeout import limit_statements
from importer.pipeline.runner import ImportRunner
from importer.storage.locations import prepare_storage
from importer.storage.running import RunningUploads
from importer.storage.storage import Storage
from models import ImportJob, db
from monitoring import logs, sentry
from monitoring.metrics import POOL_LIMIT
from secret_key import load_secret_key

# gunicorn stops if a worker exits with this status (`Arbiter.WORKER_BOOT_ERROR`). After most others it starts a new
# worker, again and again.
GUNICORN_BOOT_ERROR = 3
MAX_JSON_BYTES = 1_000_000
# Of an upload. Each field may have 500 KB, Flask's default, and all of them are in memory at the same time.
MAX_FORM_PARTS = 100
POOL_SIZE = 5
POOL_OVERFLOW = 15
# How long a request waits for a connection before it gets status 503.
POOL_TIMEOUT_SECONDS = 5


class JsonProvider(DefaultJSONProvider):
    """Keeps the order of keys in JSON, and reports JSON that is nested too deeply as a syntax error."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Return the parsed JSON; raises `ValueError` if it is invalid."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class NoSessions(SessionInterface):
    """Leaves out Flask's sessions, which it would load from a cookie in every request. Nothing uses them."""

    def open_session(self, app: Flask, request: Request) -> None:
        """Return no session."""


class Application(Flask):
    """A Flask application whose uploads are written straight to the storage."""

    request_class = UploadRequest
    json_provider_class = JsonProvider
    session_interface = NoSessions()

    def begin_to_stop(self) -> None:
        """End the streams and interrupt the resumable uploads; their clients go on with another process.

        The web server calls this when a signal stops it. Other requests have a few seconds to end.
        """
        self.extensions["streams"].stop()
        self.extensions["running_uploads"].stop()


def create_app(settings: config.Settings | None = None) -> Flask:
    """Update the tables of the database, if MIGRATE_ON_START says so, and return the web application.

    The settings default to those of the environment. Raises `SystemExit` after printing one line if a setting is
    unusable, if the database does not answer, or if this version cannot use the database.
    """
    if _is_migration_command():
        return _create_migration_app()
    try:
        settings = settings or config.load()
        logs.configure(settings.log_format)
        sentry.start(settings.sentry_dsn, release=config.VERSION, environment=settings.flask_env)
        url = settings.require_database_url()
        storage = prepare_storage(settings)
        secret_key = load_secret_key(settings)
        (upgrade_database if settings.migrate_on_start else require_migrations)(url)
    except (config.ConfigError, UnusableDatabase) as error:
        _exit(str(error))
    except OperationalError as error:
        _exit(f"DATABASE_URL: the database does not answer: {explain_failure(error.orig)}")

    # api/assets.py serves the files of static/.
    app = Application(__name__, static_folder=None)
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=secret_key,
        **_database_config(url),
        MAX_CONTENT_LENGTH=MAX_JSON_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        DEBUG=settings.flask_debug,
    )
    app.wsgi_app = response_headers.add_headers(app.wsgi_app)  # type: ignore[assignment,method-assign]
    app.wsgi_app = request_metrics.measure(app.wsgi_app)  # type: ignore[assignment,method-assign]
    app.wsgi_app = request_ids.assign_ids(app.wsgi_app, settings)  # type: ignore[assignment,method-assign]
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    db.init_app(app)
    with app.app_context():
        check_connections(db.engine)
        POOL_LIMIT.set(POOL_SIZE + POOL_OVERFLOW)
        limit_statements(db.engine, settings.request_timeout_seconds, further_limits=lock_limit)
        limit_statements(db.engines[HEALTH_DATABASE], HEALTH_SECONDS)
    errors.register(app)
    tus.register(app)
    cross_origin.register(app)
    request_guard.register(app)
    if settings.requests_per_minute:
        counts = app.extensions["request_counts"] = RequestCounts(url, settings.requests_per_minute)
        request_limits.register(app, counts)
    authentication.register(app)
    request_guard.register_body_check(app)
    refusals.register(app)
    routes.register(app)
    app.cli.add_command(commands.users_group)
    app.cli.add_command(commands.keys_group)
    app.cli.add_command(db_group)
    _add_services(app, settings, url, storage)

    # The commands of Flask create the application, too.
    if not os.environ.get("FLASK_RUN_FROM_CLI"):
        setup_link.offer(app)

    return app


def _database_config(url: str) -> dict[str, Any]:
    """Return the configuration of the pools of database connections."""
    return {
        "SQLALCHEMY_DATABASE_URI": ENGINE_URL,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            # Messages of errors reach the log. Some values of statements are secrets, so messages have none of them.
            "hide_parameters": True,
            "pool_size": POOL_SIZE,
            "max_overflow": POOL_OVERFLOW,
            "pool_timeout": POOL_TIMEOUT_SECONDS,
            "creator": lambda: connect(url, Component.WEB),
        },
        # A separate pool, so that GET /api/health still answers while other requests use every other connection.
        "SQLALCHEMY_BINDS": {
            HEALTH_DATABASE: {
                "hide_parameters": True,
                "url": ENGINE_URL,
                "pool_size": 1,
                # One for a scrape of the metrics, and one for a probe beside GET /api/health.
                "max_overflow": 2,
                "pool_timeout": HEALTH_SECONDS,
                "pool_pre_ping": True,
                "creator": lambda: connect(url, Component.WEB, timeout_seconds=HEALTH_SECONDS),
            }
        },
    }


def _add_services(app: Flask, settings: config.Settings, url: str, storage: Storage) -> None:
    """Add what requests share: the storage, the uploads, the standby, bulk changes and streams."""
    app.extensions["storage"] = storage
    app.extensions["running_uploads"] = RunningUploads()
    if settings.database_read_url:
        app.extensions[reading.EXTENSION] = Replica(settings.database_read_url, settings.request_timeout_seconds)
    app.extensions["bulk_runs"] = BulkRuns(ImportRunner.from_settings(settings))
    app.extensions["streams"] = StreamHub(
        lambda: connect(url, Component.STREAMS),
        lambda job_ids: _read_job_events(app, job_ids),
        lambda actors: _find_ended(app, actors),
        max_streams=settings.max_streams,
        listen=not settings.transaction_pooler,
    )


def _is_migration_command() -> bool:
    """Return whether this process is `flask db …`, which prepares the tables that the web application needs."""
    return bool(os.environ.get("FLASK_RUN_FROM_CLI")) and "db" in sys.argv


def _create_migration_app() -> Flask:
    """Return an application that has nothing but the commands `flask db …`."""
    app = Flask(__name__, static_folder=None)
    app.cli.add_command(db_group)
    return app


def _exit(reason: str) -> NoReturn:
    print(f"error: {reason}", file=sys.stderr)  # noqa: T201
    sys.exit(GUNICORN_BOOT_ERROR)


def _find_ended(app: Flask, actors: set[Actor]) -> set[Actor]:
    """Return those actors who may no longer do what they could."""
    with app.app_context(), autocommitting(db.engine) as cursor:
        return credentials.find_ended(cursor, actors, idle_seconds=authentication.idle_seconds(app))


def _read_job_events(app: Flask, job_ids: Iterable[int]) -> dict[int, JobEvent]:
    """Return the current state of the jobs with these ids, keyed by id; one query reads them all."""
    with app.app_context(), Session(db.engine) as session:
        jobs = session.scalars(select(ImportJob).where(ImportJob.id.in_(list(job_ids))))
        return {job.id: job_event(job) for job in jobs}
