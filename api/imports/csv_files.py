"""Files that a browser downloads: lists of an import as CSV (RFC 4180, UTF-8), sent while they are read."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from flask import Response

from api.imports.file_names import (
    ARCHIVE_SUFFIX,
    COMPRESSION_SUFFIXES,
    TEXT_SUFFIXES,
    WORKBOOK_SUFFIXES,
    clean_filename,
)


def describe_file_name(list_name: str) -> dict[str, Any]:
    """Return the description of the header that names a file, for the OpenAPI document."""
    return {
        "Content-Disposition": {
            "description": f"The name of the file: that of the imported file, followed by `-{list_name}.csv`.",
            "schema": {"type": "string", "examples": [f"attachment; filename=products-{list_name}.csv"]},
        }
    }


def send_csv(blocks: Iterable[bytes], imported_name: str, list_name: str) -> Response:
    """Return the response with a file, whose name is that of the imported file with the name of the list behind."""
    response = Response(blocks, content_type="text/csv; charset=utf-8")
    filename = f"{_stem(imported_name)}-{list_name}.csv"
    response.headers.set("Content-Disposition", "attachment", **_filename_parameters(filename))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def encode_rows(
    header: Sequence[str], batches: Iterable[Iterable[Sequence[Any]]], *, byte_order_mark: bool
) -> Iterator[bytes]:
    """Yield rows as CSV, one block per batch; booleans are `true` and `false`, and None is an empty cell.

    With `byte_order_mark`, spreadsheets recognise UTF-8.
    """
    yield _encode([header]).encode("utf-8-sig" if byte_order_mark else "utf-8")
    for batch in batches:
        yield _encode([[_to_cell(value) for value in row] for row in batch]).encode()


def _encode(rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()


def _to_cell(value: Any) -> Any:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else value


def _stem(filename: str) -> str:
    """Return a file name without its suffixes and without invisible characters, which earlier versions kept."""
    name = clean_filename(PurePath(filename).name)
    for suffix in (*COMPRESSION_SUFFIXES, ARCHIVE_SUFFIX, *TEXT_SUFFIXES, *WORKBOOK_SUFFIXES):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name or "products"


def _filename_parameters(filename: str) -> dict[str, str]:
    """Return the parameters of Content-Disposition (RFC 6266): `filename` in ASCII, and `filename*` for other names."""
    ascii_name = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    parameters = {"filename": ascii_name}
    if ascii_name != filename:
        parameters["filename*"] = f"UTF-8''{quote(filename)}"
    return parameters
