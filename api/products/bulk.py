"""Calls that activate, deactivate or delete many products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify
from marshmallow import RAISE, ValidationError, post_load, validates_schema
from psycopg2.extensions import cursor as Cursor

from access.audit import Target
from access.roles import Scope
from api.audit import record
from api.authentication import require
from api.errors import ErrorType
from api.openapi import JSON, Blueprint
from api.products.schemas import ProductFilterSchema
from api.request_fields import Choice, Ids, NestedFilter
from api.response_fields import integer, text
from api.schemas import MessageSchema, RequestSchema
from catalogue import bulk
from catalogue.bulk import BulkResult, ImportRunning, Selection
from catalogue.filters import Filter
from database.serializers import format_timestamp
from database.statement_timeout import allow_long_statements
from models import db

blueprint = Blueprint("bulk", __name__, url_prefix="/api/products", tag="Products")

MAX_IDS = 10_000

# Each action with its past participle, for messages.
ACTIONS = {"activate": "activated", "deactivate": "deactivated", "delete": "deleted"}

INVALID_BULK = ErrorType(400, "invalid_bulk", "Send either ids or filter.", ("ids", "filter"))
IMPORT_RUNNING = ErrorType(
    409, "import_running", "The import of products.csv is not finished, so nothing was deleted. Wait until it ends."
)
DEACTIVATED_EXAMPLE = {"message": "12 products were deactivated.", "count": 12}
DELETED_EXAMPLE = {"message": "12 products were deleted.", "count": 12}


@dataclass(frozen=True)
class BulkRequest:
    """One of `ACTIONS`, and the products to apply it to."""

    action: str
    selection: Selection


class BulkRequestSchema(RequestSchema):
    """An action, and the products to apply it to: either `ids` or a `filter`. Unknown fields are errors."""

    class Meta:
        unknown = RAISE

    code = INVALID_BULK.code
    error_messages = {"unknown": "This field does not exist. Send action and either ids or filter."}  # noqa: RUF012

    action = Choice("What to do with the products.", *ACTIONS, required=True)
    ids = Ids("products", MAX_IDS)
    filter = NestedFilter(ProductFilterSchema, "products")

    @validates_schema
    def check_selection(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a body with both `ids` and `filter`, or with neither."""
        if ("ids" in data) == ("filter" in data):
            raise ValidationError({name: [INVALID_BULK.message] for name in INVALID_BULK.fields})

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `BulkRequest`."""
        return BulkRequest(data["action"], data["ids"] if "ids" in data else data["filter"])


class BulkResultSchema(MessageSchema):
    """The result of a bulk change."""

    message = text("One sentence that says what was done.", "12 products were deactivated.")
    count = integer("The number of products that were changed.", examples=[12])


# What `check_selection` checks, in JSON Schema.
EITHER_IDS_OR_FILTER = {
    "content": {
        JSON: {"schema": {"allOf": [BulkRequestSchema], "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}}
    }
}


@blueprint.post("/bulk")
@blueprint.document(operationId="changeProducts", requestBody=EITHER_IDS_OR_FILTER)
@blueprint.accepts(BulkRequestSchema, location="json", example={"action": "deactivate", "filter": {"name": "lamp"}})
@blueprint.returns(200, BulkResultSchema, "The products were changed.", example=DEACTIVATED_EXAMPLE)
@blueprint.raises(INVALID_BULK, IMPORT_RUNNING)
def change_products(body: BulkRequest) -> Response:
    """Change or delete many products

    Applies the action to the products with the given `ids`, or to all that match the `filter`. `count` is the number of
    products that changed. Products that already have the wanted state are not written, so their `updated_at` stays the
    same. Deleting with the empty filter is the same as `DELETE /api/products/bulk-delete`, and needs the same scope.
    """
    action, selection = body.action, body.selection
    if action != "delete":
        result = _run_transaction(
            lambda cursor: bulk.set_active(cursor, selection, action == "activate"), action, selection
        )
    elif isinstance(selection, Filter) and selection.is_empty:
        require(Scope.ADMIN)
        result = _run_transaction(bulk.delete_all, action, selection)
    else:
        result = _run_transaction(lambda cursor: bulk.delete(cursor, selection), action, selection)
    return _respond(action, result, None if isinstance(selection, Filter) else len(set(selection)))


@blueprint.delete("/bulk-delete")
@blueprint.document(operationId="deleteAllProducts")
@blueprint.needs(Scope.ADMIN)
@blueprint.returns(200, BulkResultSchema, "All products were deleted.", example=DELETED_EXAMPLE)
@blueprint.raises(IMPORT_RUNNING)
def delete_all_products() -> Response:
    """Delete all products

    Returns 409 while an import is waiting or running. A client that is reading at the same time, such as an export,
    still gets all products.
    """
    return _respond("delete", _run_transaction(bulk.delete_all, "delete", Filter()))


def _run_transaction(change: Callable[[Cursor], BulkResult], action: str, selection: Selection) -> BulkResult:
    """Run a change in a transaction, with its audit entry, and commit it. Raises the 409 if an import is not finished.

    The entry has the action, the filter or the number of ids, the number of changed products, and between which times
    they were changed: since then until the time of the entry.
    """
    connection: Any = db.session.connection().connection.driver_connection
    try:
        with connection.cursor() as cursor:
            allow_long_statements(cursor)
            cursor.execute("SELECT clock_timestamp()")
            (started_at,) = cursor.fetchone() or (None,)
            result = change(cursor)
    except ImportRunning as running:
        message = f"The import of {running.filename} is not finished, so nothing was deleted. Wait until it ends."
        raise IMPORT_RUNNING.exception(message) from None
    if result.changed:
        values = {"count": result.changed, "since": format_timestamp(started_at), **_describe(selection)}
        changes = {name: [None, value] for name, value in values.items()}
        record(f"products.{ACTIONS[action]}", Target("products"), changes=changes)
    db.session.commit()
    return result


def _describe(selection: Selection) -> dict[str, Any]:
    """Return a selection for an audit entry: the filter, or the number of ids."""
    return {"filter": selection.to_json()} if isinstance(selection, Filter) else {"ids": len(set(selection))}


def _respond(action: str, result: BulkResult, selected_ids: int | None = None) -> Response:
    """Return the response for a change; `selected_ids` is the number of ids that the client gave, if any."""
    changed, unchanged = result.changed, result.matched - result.changed
    message = f"{_count_were(changed, 'product')} {ACTIONS[action]}" if changed else f"No product was {ACTIONS[action]}"
    if unchanged:
        message += f", {_count_were(unchanged)} already {'active' if action == 'activate' else 'inactive'}"
    if selected_ids is not None and (missing := selected_ids - result.matched) > 0:
        message += f", {missing:,} no longer exist{'s' if missing == 1 else ''}"
    return jsonify(message=f"{message}.", count=changed)


def _count_were(count: int, noun: str = "") -> str:
    """Return the start of a clause, such as "1 product was" or "1,200 were"."""
    counted = f"{count:,} {noun}{'' if count == 1 else 's'}" if noun else f"{count:,}"
    return f"{counted} {'was' if count == 1 else 'were'}"
