"""Many products at once: activate, deactivate or delete them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify
from marshmallow import RAISE, ValidationError, fields, post_load, validates_schema
from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from api.errors import Failure
from api.openapi import JSON, Blueprint
from api.requests import Choice, FilterSchema, RequestSchema
from api.responses import CountSchema
from catalogue import bulk
from catalogue.bulk import BulkResult, ImportRunning, Selection
from catalogue.filters import Filter
from database.retry import TRANSIENT_ERRORS, retry
from models import db

blueprint = Blueprint("bulk", __name__, url_prefix="/api/products", tag="Products")

MAX_IDS = 10_000
MAX_ATTEMPTS = 6
RETRY_DELAY_SECONDS = 0.05
LOCKED_ERRORS: tuple[type[Exception], ...] = (errors.LockNotAvailable, *TRANSIENT_ERRORS)

DONE = {"activate": "activated", "deactivate": "deactivated", "delete": "deleted"}

INVALID_BULK = Failure(400, "invalid_bulk", "Send either ids or filter.", ("ids", "filter"))
IMPORT_RUNNING = Failure(
    409, "import_running", "The import of products.csv is not finished, so nothing was deleted. Wait until it is."
)
BUSY = Failure(503, "busy", "Someone else keeps changing these products. Nothing was changed; try again later.")
EXAMPLE = {"message": "12 products were deactivated.", "count": 12}


class Action(Choice):
    """What to do with the products."""

    def __init__(self) -> None:
        super().__init__("What to do with the products.", *DONE)
        self.required = True
        self.error_messages |= {"required": "This field is required.", "null": "This field is required."}


class Ids(fields.List[Any]):
    """Ids of products."""

    def __init__(self) -> None:
        description = f"The products, at most {MAX_IDS:,}. Ids that come twice or do not exist do no harm."
        metadata = {"description": description, "minItems": 1, "maxItems": MAX_IDS, "examples": [[1, 2]]}
        super().__init__(fields.Integer(), metadata=metadata, error_messages={"null": "This must be a list of ids."})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list) or not {type(item) for item in value} <= {int}:
            raise ValidationError("This must be a list of whole numbers.")
        if not value:
            raise ValidationError("Name at least one product.")
        if len(value) > MAX_IDS:
            raise ValidationError(f"At most {MAX_IDS:,} ids are allowed, these are {len(value):,}. Use a filter.")
        return value


class Matching(fields.Nested):
    """The products that match a filter."""

    def __init__(self) -> None:
        metadata = {"description": "The products that match every given part; all products if there is none."}
        super().__init__(FilterSchema, metadata=metadata, error_messages={"null": "This must be an object."})

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("This must be an object.")
        return super()._deserialize(value, attr, data, partial, **kwargs)


@dataclass(frozen=True)
class BulkChange:
    """What to do, and with which products."""

    action: str
    selection: Selection


class BulkSchema(RequestSchema):
    """What to do, and with which products: either those with the given ids or those that match a filter. The empty
    filter `{}` means all products. Unknown keys are errors."""

    class Meta:
        unknown = RAISE

    code = INVALID_BULK.code
    error_messages = {"unknown": "There is no such key. Send action and either ids or filter."}  # noqa: RUF012

    action = Action()
    ids = Ids()
    filter = Matching()

    @validates_schema
    def one_of_both(self, data: dict[str, Any], **_: Any) -> None:
        """Refuses a call that could be meant in two ways."""
        if ("ids" in data) == ("filter" in data):
            raise ValidationError({name: [INVALID_BULK.sentence] for name in INVALID_BULK.fields})

    @post_load
    def loaded(self, data: dict[str, Any], **_: Any) -> Any:
        """Makes the change."""
        return BulkChange(data["action"], data["ids"] if "ids" in data else data["filter"])


# In JSON Schema what `one_of_both` checks.
ONE_OF_BOTH = {
    "content": {JSON: {"schema": {"allOf": [BulkSchema], "oneOf": [{"required": ["ids"]}, {"required": ["filter"]}]}}}
}


@blueprint.post("/bulk")
@blueprint.document(operationId="changeProducts", requestBody=ONE_OF_BOTH)
@blueprint.takes(BulkSchema, location="json", example={"action": "deactivate", "filter": {"name": "lamp"}})
@blueprint.answers(
    200, CountSchema, "What was done.", example={"message": "12 products were deactivated.", "count": 12}
)
@blueprint.fails(INVALID_BULK, IMPORT_RUNNING, BUSY)
def change_products(wanted: BulkChange) -> Response:
    """Change or delete many products

    Either the products with the given `ids`, or all that match the `filter`. `count` is how many were changed: those
    that are as wanted already stay as they are, `updated_at` too. Deleting with the empty filter is the same as
    `DELETE /api/products/bulk-delete`.
    """
    selection, deleting = wanted.selection, wanted.action == "delete"
    if not deleting:
        outcome = _in_transaction(lambda cursor: bulk.set_active(cursor, selection, wanted.action == "activate"))
    elif isinstance(selection, Filter) and selection.is_empty:
        outcome = _in_transaction(bulk.delete_all)
    else:
        outcome = _in_transaction(lambda cursor: bulk.delete(cursor, selection))
    return _answer(wanted.action, outcome, len(set(selection)) if not isinstance(selection, Filter) else None)


@blueprint.delete("/bulk-delete")
@blueprint.document(operationId="deleteAllProducts")
@blueprint.answers(200, CountSchema, "They are gone.", example={"message": "12 products were deleted.", "count": 12})
@blueprint.fails(IMPORT_RUNNING, BUSY)
def delete_all_products() -> Response:
    """Delete all products

    Refused while an import is waiting or running. Whoever reads meanwhile, such as an export, gets all that was there.
    """
    return _answer("delete", _in_transaction(bulk.delete_all))


def _in_transaction(change: Callable[[Cursor], BulkResult]) -> BulkResult:
    """Makes a change, again where PostgreSQL chose it to end a deadlock."""

    def transaction() -> BulkResult:
        connection: Any = db.session.connection().connection.driver_connection
        with connection.cursor() as cursor:
            outcome = change(cursor)
        db.session.commit()
        return outcome

    try:
        return retry(
            transaction,
            attempts=MAX_ATTEMPTS,
            delay_seconds=lambda attempt, error: RETRY_DELAY_SECONDS * attempt,
            roll_back=db.session.rollback,
        )
    except LOCKED_ERRORS:
        raise BUSY.error() from None
    except ImportRunning as running:
        sentence = f"The import of {running.filename} is not finished, so nothing was deleted. Wait until it is."
        raise IMPORT_RUNNING.error(sentence) from None


def _answer(action: str, outcome: BulkResult, named: int | None = None) -> Response:
    """Says what was done; `named` is how many products were named by their ids."""
    count, already = outcome.changed, outcome.matched - outcome.changed
    sentence = f"{_were(count, 'product')} {DONE[action]}" if count else f"No product was {DONE[action]}"
    if already:
        sentence += f", {_were(already)} {'active' if action == 'activate' else 'inactive'} already"
    if named is not None and (missing := named - outcome.matched) > 0:
        sentence += f", {_were(missing)} not there any more"
    return jsonify(message=f"{sentence}.", count=count)


def _were(count: int, noun: str = "") -> str:
    things = f" {noun}{'s' if count != 1 else ''}" if noun else ""
    return f"{count:,}{things} {'was' if count == 1 else 'were'}"
