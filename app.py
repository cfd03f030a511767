"""The web process: `create_app()` puts settings, database, routes and error handlers together."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

from flask import Flask, Response
from flask.json.provider import DefaultJSONProvider
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

import config
import routes
from api import errors
from api.imports.routes import event
from api.imports.uploads import UploadRequest
from api.sse import Event, Progress
from database.connect import CONNECT_TIMEOUT_SECONDS, Component, connect
from database.migrate import sqlalchemy_url, upgrade_database
from models import ImportJob, db

# With this status gunicorn gives up instead of starting the process again and again.
GUNICORN_BOOT_ERROR = 3
MAX_JSON_BYTES = 1_000_000
POOL_SIZE = 5
POOL_OVERFLOW = 15
STATIC_SECONDS = 300
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Json(DefaultJSONProvider):
    """JSON with its keys in the order of the code; nesting too deep to be read counts as a syntax error."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None


class Application(Flask):
    """Flask with uploads that go straight to their folder."""

    request_class = UploadRequest
    json_provider_class = Json


def create_app(settings: config.Settings | None = None) -> Flask:
    """Returns the web application; brings the database up to date first.

    Raises `SystemExit` with one line where a setting or the database does not allow a start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        settings = settings or config.load()
        url = settings.require_database_url()
        config.make_folder("UPLOAD_DIR", settings.upload_dir)
        secret_key = config.load_secret_key(settings)
        upgrade_database(url)
    except config.ConfigError as error:
        _cannot_start(str(error))
    except OperationalError as error:
        _cannot_start(f"DATABASE_URL: the database does not answer: {str(error.orig).strip().splitlines()[0]}")

    app = Application(__name__)
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=secret_key,
        SQLALCHEMY_DATABASE_URI=sqlalchemy_url(url),
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_size": POOL_SIZE,
            "max_overflow": POOL_OVERFLOW,
            "pool_pre_ping": True,
            "connect_args": {"connect_timeout": CONNECT_TIMEOUT_SECONDS, "application_name": Component.WEB.value},
        },
        MAX_CONTENT_LENGTH=MAX_JSON_BYTES,
        SEND_FILE_MAX_AGE_DEFAULT=STATIC_SECONDS,
        DEBUG=settings.flask_debug,
    )
    db.init_app(app)
    errors.register(app)
    routes.register(app)
    app.extensions["progress"] = Progress(
        lambda: connect(url, Component.STREAMS),
        lambda job_ids: _read_events(app, job_ids),
        max_streams=settings.max_streams,
        listen=not settings.transaction_pooler,
    )

    @app.after_request
    def _secure(response: Response) -> Response:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _cannot_start(reason: str) -> NoReturn:
    print(f"error: {reason}", file=sys.stderr)  # noqa: T201
    sys.exit(GUNICORN_BOOT_ERROR)


def _read_events(app: Flask, job_ids: Iterable[int]) -> dict[int, Event]:
    """Reads the jobs that the streams follow, one query for all of them."""
    with app.app_context(), Session(db.engine) as session:
        jobs_found = session.scalars(select(ImportJob).where(ImportJob.id.in_(list(job_ids))))
        return {job.id: event(job) for job in jobs_found}
