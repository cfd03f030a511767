"""The products as a file."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg2
from flask import Response, current_app, jsonify, request
from flask.blueprints import BlueprintSetupState
from marshmallow import post_load

from api.errors import Failure
from api.openapi import INVALID_PARAMETER, Blueprint
from api.requests import Choice, FilterQuerySchema
from catalogue.export import Client, ClientDisconnected, ExportPool
from catalogue.filters import Filter
from database.connect import Component, connect

blueprint = Blueprint("export", __name__, url_prefix="/api/products", tag="Products")

EXPORTS_AT_ONCE = 4
RETRY_SECONDS = 10

MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "csv.gz": "application/gzip"}
TOO_MANY_EXPORTS = Failure(503, "too_many_exports", "Too many exports are running. Try again in a few seconds.")

EXAMPLE_FILE = "sku,name,description,active\nA-1,Blue lamp,Goes with the blue sofa.,true\n"
HEADERS = {
    "Content-Disposition": {
        "description": "The file's name: `products.csv` or `products.csv.gz`.",
        "schema": {"type": "string", "examples": ["attachment; filename=products.csv"]},
    }
}


@dataclass(frozen=True)
class ExportQuery:
    """Which products are to be exported, and how."""

    filter: Filter
    format: str


class ExportQuerySchema(FilterQuerySchema):
    """Filters and the format. Loads into an `ExportQuery`."""

    format = Choice("The format of the file: CSV, or CSV packed with gzip.", *MEDIA_TYPES, default="csv")

    @post_load
    def loaded(self, data: dict[str, Any], **_: Any) -> Any:
        """Makes the query."""
        return ExportQuery(format=data.pop("format", "csv"), filter=Filter(**data))


@blueprint.record_once
def _create_exports(state: BlueprintSetupState) -> None:
    url = state.app.config["SETTINGS"].require_database_url()
    state.app.extensions["exports"] = ExportPool(lambda: connect(url, Component.EXPORT), max_running=EXPORTS_AT_ONCE)


@blueprint.get("/export")
@blueprint.document(operationId="exportProducts")
@blueprint.takes(ExportQuerySchema)
@blueprint.answers(200, {"type": "string"}, "The file.", content_type="text/csv", example=EXAMPLE_FILE, headers=HEADERS)
@blueprint.answers(200, {"type": "string", "format": "binary"}, "The file.", content_type=MEDIA_TYPES["csv.gz"])
@blueprint.fails(INVALID_PARAMETER, TOO_MANY_EXPORTS)
def export_products(wanted: ExportQuery) -> Response:
    """Export products as a file

    The products that match every given filter, in the order of their ids, as CSV (RFC 4180, UTF-8) with the columns
    `sku`, `name`, `description` and `active`. Importing the file again changes nothing. A file that is cut off by an
    error ends the connection before the end of the answer. 503 has `Retry-After`.
    """
    exports: ExportPool = current_app.extensions["exports"]
    connection = request.environ.get("gunicorn.socket")
    export = exports.start(wanted.filter, _client(connection))
    if export is None:
        response = jsonify(TOO_MANY_EXPORTS.example())
        response.status_code = TOO_MANY_EXPORTS.status
        response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response
    blocks = export.read_gzip_blocks() if wanted.format == "csv.gz" else export.read_blocks()
    try:
        # What is wrong from the start is an error as any other.
        first = next(blocks)
    except ClientDisconnected:
        return Response(status=204)
    unchunked = connection if request.environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else None
    response = Response(_whole(first, blocks, unchunked), content_type=MEDIA_TYPES[wanted.format])
    response.call_on_close(export.close)
    response.headers["Content-Disposition"] = f"attachment; filename=products.{wanted.format}"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _whole(first: bytes, blocks: Iterator[bytes], unchunked: Any) -> Iterator[bytes]:
    """The file. When it breaks off, its last chunk is never sent; without chunks, the connection is reset.

    The end of the connection alone would look like the end of the file there: nginx asks in HTTP/1.0.
    """
    try:
        yield first
        yield from blocks
    except (psycopg2.Error, TimeoutError):
        if isinstance(unchunked, socket.socket):
            _reset(unchunked)
        raise


def _reset(connection: socket.socket) -> None:
    """Ends a connection by a reset; its owner goes on with one that is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    closed, other = socket.socketpair()
    os.dup2(closed.fileno(), connection.fileno())
    closed.close()
    other.close()


def _client(connection: Any) -> Client:
    """What gunicorn's socket tells of the client; nothing where there is TLS in between, or another server."""
    if type(connection) is not socket.socket:
        return Client()

    def is_gone() -> bool:
        try:
            return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def cut_off() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    return Client(is_gone, cut_off)
