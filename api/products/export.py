"""The call that exports products as a CSV file."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg2
from flask import Response, current_app, request
from flask.blueprints import BlueprintSetupState
from marshmallow import post_load
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

import config
from access.audit import Target
from access.roles import Scope
from api.audit import record
from api.errors import ErrorType
from api.openapi import INVALID_PARAMETER, Blueprint
from api.products.changes import require_known_changes
from api.products.schemas import MAX_IDS, ProductFilterQuerySchema
from api.reading import connect_to_replica
from api.request_fields import Boolean, Choice, Date, Ids
from api.schemas import RequestSchema
from catalogue.export import Client, ClientDisconnected, Export, ExportLimits, ExportPool, exceeds
from catalogue.filters import Filter
from catalogue.selection import Selection, selected_ids
from database import clock
from database.connect import Component, connect
from models import db

blueprint = Blueprint("export", __name__, url_prefix="/api/products", tag="Products")

MAX_RUNNING_EXPORTS = 4

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "csv.gz": "application/gzip"}
EXPORT_TOO_LARGE = ErrorType(
    413,
    "export_too_large",
    "The export has more than 100,000,000 products, which is the limit. Filter them, and export them in several files.",
)
TOO_MANY_EXPORTS = ErrorType(503, "too_many_exports", "Too many exports are running. Try again in a few seconds.")

EXAMPLE_FILE = "sku,name,description,active\nA-1,Blue lamp,Matches the blue sofa.,true\n"
EXAMPLE_NAME = "products-2026-11-24.csv"
HEADERS = {
    "Content-Disposition": {
        "description": f"The name of the file with its date: `{EXAMPLE_NAME}` or `{EXAMPLE_NAME}.gz`.",
        "schema": {"type": "string", "examples": [f"attachment; filename={EXAMPLE_NAME}"]},
    }
}
FORMAT = "The format of the file: CSV, or CSV compressed with gzip."
GUARD = (
    "Whether to put an apostrophe before texts that a spreadsheet would run as formulas; `false` by default. Importing"
    " such a file removes these apostrophes."
)
FILE_DATE = "The date in the name of the file; by default that of today in UTC. The page sends the date of its browser."


@dataclass(frozen=True)
class ExportRequest:
    """The products to export, a key of `MEDIA_TYPES`, whether formulas are guarded, and the date in the file's name."""

    selection: Selection
    format: str
    guard: bool
    date: date


class ExportQuerySchema(ProductFilterQuerySchema):
    """The filter of the products to export, and the format of the file."""

    format = Choice(FORMAT, *MEDIA_TYPES, default="csv")
    guard = Boolean(GUARD, in_query=True)
    date = Date(FILE_DATE, in_query=True)

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `ExportRequest`."""
        options = {name: data.pop(name) for name in ("format", "guard", "date") if name in data}
        return _export_request(Filter(**data), **options)


class ExportBodySchema(RequestSchema):
    """The ids of the products to export, and the format of the file."""

    ids = Ids("products", MAX_IDS, required=True)
    format = Choice(FORMAT, *MEDIA_TYPES, default="csv")
    guard = Boolean(GUARD)
    date = Date(FILE_DATE)

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `ExportRequest`."""
        return _export_request(data.pop("ids"), **data)


def _export_request(selection: Selection, *, guard: bool = False, **options: Any) -> ExportRequest:
    return ExportRequest(selection, guard=guard, **{"date": clock.now().date(), **options})


@blueprint.record_once
def _create_export_pool(state: BlueprintSetupState) -> None:
    settings: config.Settings = state.app.config["SETTINGS"]
    url, limits = settings.require_database_url(), ExportLimits(total_seconds=settings.export_seconds)
    pool = ExportPool(lambda: connect(url, Component.EXPORT), max_running=MAX_RUNNING_EXPORTS, limits=limits)
    state.app.extensions["exports"] = pool


@blueprint.get("/export")
@blueprint.document(operationId="exportProducts")
@blueprint.accepts(ExportQuerySchema)
@blueprint.returns(200, {"type": "string"}, "The file.", content_type="text/csv", example=EXAMPLE_FILE, headers=HEADERS)
@blueprint.returns(200, {"type": "string", "format": "binary"}, "The file.", content_type=MEDIA_TYPES["csv.gz"])
@blueprint.raises(INVALID_PARAMETER, EXPORT_TOO_LARGE, TOO_MANY_EXPORTS)
def export_products(query: ExportRequest) -> Response:
    """Export products as a file

    Returns the products that match every given filter, sorted by id, as CSV (RFC 4180, UTF-8) with the columns `sku`,
    `name`, `description` and `active`. Importing the file again changes nothing. If an error cuts the file short, the
    connection is closed before the response is complete, so clients notice. The same happens if the export takes longer
    than the server's setting `EXPORT_SECONDS`, or if the client reads too slowly.

    The texts are exact copies. A spreadsheet runs those that begin with `=`, `+`, `-` or `@` as formulas, which does
    harm if someone else wrote them. For a spreadsheet, set `guard`.
    """
    return _respond(query)


# A stream that has begun cannot run twice.
@blueprint.post("/export", repeats=False)
@blueprint.document(operationId="exportChosenProducts")
@blueprint.needs(Scope.PRODUCTS_READ)
@blueprint.accepts(ExportBodySchema, location="json", example={"ids": [1, 2], "format": "csv"})
@blueprint.returns(200, {"type": "string"}, "The file.", content_type="text/csv", example=EXAMPLE_FILE, headers=HEADERS)
@blueprint.returns(200, {"type": "string", "format": "binary"}, "The file.", content_type=MEDIA_TYPES["csv.gz"])
@blueprint.raises(INVALID_PARAMETER, TOO_MANY_EXPORTS)
def export_chosen_products(body: ExportRequest) -> Response:
    """Export chosen products as a file

    Returns the products with the given ids, in the same form as `GET /api/products/export` returns those that match a
    filter. Products that do not exist are left out. This changes nothing; it is a `POST` because an address cannot hold
    many ids.
    """
    return _respond(body)


def _respond(wanted: ExportRequest) -> Response:
    """Start an export and return the response that streams its file; raise the 503 if too many are running."""
    if isinstance(wanted.selection, Filter):
        connection: Any = db.session.connection().connection.driver_connection
        limit = current_app.config["SETTINGS"].max_export_rows
        with connection.cursor() as cursor:
            require_known_changes(cursor, wanted.selection, INVALID_PARAMETER)
            if exceeds(cursor, wanted.selection, limit):
                raise EXPORT_TOO_LARGE.exception(
                    f"The export has more than {limit:,} products, which is the limit. Filter them, and export them in"
                    " several files.",
                    details={"limit": limit},
                )
        # The export has a connection of its own.
        db.session.remove()
    exports: ExportPool = current_app.extensions["exports"]
    socket_of_client = request.environ.get("gunicorn.socket")
    client = _client_of(socket_of_client)
    try:
        started = _begin(exports, wanted, client, connect_to_replica())
    except ClientDisconnected:
        return Response(status=204)
    export, first_block, blocks = started
    try:
        _record_start(wanted)
    except BaseException:
        export.close()
        raise
    unchunked_connection = socket_of_client if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else None
    body = _stream_file(first_block, blocks, unchunked_connection)
    response = Response(body, content_type=MEDIA_TYPES[wanted.format])
    response.call_on_close(export.close)
    response.headers["Content-Disposition"] = f"attachment; filename=products-{wanted.date}.{wanted.format}"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _begin(
    exports: ExportPool, wanted: ExportRequest, client: Client, replica: Connection | None
) -> tuple[Export, bytes, Iterator[bytes]]:
    """Start an export and wait for its first block, so that an error before it is an ordinary error response.

    If `replica`, a connection to the read replica, fails before that block, the export starts again on the primary.
    """
    export = exports.start(wanted.selection, client, guard=wanted.guard, connection=replica)
    if export is None:
        raise TOO_MANY_EXPORTS.exception()
    blocks = export.read_gzip_blocks() if wanted.format == "csv.gz" else export.read_blocks()
    try:
        return export, next(blocks), blocks
    except psycopg2.Error as error:
        if replica is None or isinstance(error, errors.QueryCanceled):
            raise
    return _begin(exports, wanted, client, None)


def _record_start(started: ExportRequest) -> None:
    """Record in the audit log that an export has started. Nothing is sent before that is committed."""
    selection = started.selection
    chosen = {"filter": selection.to_json()} if isinstance(selection, Filter) else {"ids": len(selected_ids(selection))}
    changes = {name: [None, value] for name, value in {**chosen, "format": started.format}.items()}
    record("products.exported", Target("products"), changes=changes)
    db.session.commit()


def _stream_file(first_block: bytes, blocks: Iterator[bytes], unchunked_connection: Any) -> Iterator[bytes]:
    """Yield the file. If it is cut short, its client must notice.

    In HTTP/1.1 the last chunk is then missing. HTTP/1.0, which nginx speaks to servers behind it, has no chunks, and a
    closed connection looks like the end of the file. So `unchunked_connection` is reset instead.
    """
    try:
        yield first_block
        yield from blocks
    except (psycopg2.Error, TimeoutError):
        if isinstance(unchunked_connection, socket.socket):
            _reset(unchunked_connection)
        raise


def _reset(connection: socket.socket) -> None:
    """Reset a TCP connection. Its owner, gunicorn, keeps a file descriptor that it can close as usual."""
    _reset_on_close(connection)
    closed, other = socket.socketpair()
    os.dup2(closed.fileno(), connection.fileno())
    closed.close()
    other.close()


def _reset_on_close(connection: socket.socket) -> None:
    """Make the end of a TCP connection a reset: a lingering time of 0 makes close() send RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _client_of(connection: Any) -> Client:
    """Return the client at the other end of gunicorn's socket.

    With TLS or another server the socket says nothing about the client, which then never counts as disconnected.
    """
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return Client()

    def is_disconnected() -> bool:
        try:
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def disconnect() -> None:
        with contextlib.suppress(OSError):
            # The sender wakes up and closes the connection. That resets it, so the bytes that are still buffered do not
            # look like the end of the file to the client.
            _reset_on_close(connection)
            connection.shutdown(socket.SHUT_RDWR)

    return Client(is_disconnected, disconnect)
