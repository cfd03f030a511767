"""The calls that tell the history of a product, and who changed it last."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, post_load

from api.openapi import INVALID_PARAMETER, Blueprint
from api.products.routes import PRODUCT_ID, PRODUCT_NOT_FOUND
from api.request_fields import PositiveInteger
from api.response_fields import EXAMPLE_TIME, boolean, dictionary, integer, nested, nested_list, text, timestamp, uuid
from api.schemas import QuerySchema
from catalogue.history import MAX_CHANGES, Author, Change, JobName, Walk
from catalogue.history_log import follow_history
from database.serializers import format_timestamp
from models import ACTOR_TYPES, JOB_KINDS, ORIGINS, db

blueprint = Blueprint("product_history", __name__, url_prefix="/api/products", tag="Products")

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 100
# `bulk` also stands for bulk changes from before they were jobs, which only the audit log knows.
WAYS = sorted({*ORIGINS, *JOB_KINDS, "bulk"})
EXAMPLE_TASK_ID = "c2f1e5a0-5c1f-4f4e-9f65-0a4f8a1d7f43"
EXAMPLE_AUTHOR = {"type": "user", "name": "Ada Lovelace"}
EXAMPLE_CHANGE = {
    "at": EXAMPLE_TIME,
    "how": "import",
    "by": EXAMPLE_AUTHOR,
    "import": {"task_id": EXAMPLE_TASK_ID, "filename": "products.csv"},
    "undone": None,
    "created": False,
    "changes": {"name": ["lamp", "Blue lamp"]},
}
EXAMPLE_HISTORY = {
    "history": [EXAMPLE_CHANGE],
    "complete": False,
    "pagination": {"page": 1, "per_page": DEFAULT_PER_PAGE, "next": 2},
}
HOW = (
    "How it was changed: by an edit on the page or through the API, by an import, a bulk change or an undo; null if"
    " that is not known."
)


class ChangedBySchema(Schema):
    """Who changed a product."""

    type = text(
        "A person, an API key or `local`; null for an import of an earlier version.",
        "user",
        nullable=True,
        enum=[*ACTOR_TYPES, None],
    )
    name = text("The name at that time; for an import of `local`, who started it.", "Ada Lovelace")


class LastChangeSchema(Schema):
    """The last change of a product."""

    at = timestamp("When the product last changed")
    by = nested(ChangedBySchema, "Who changed it; null if that is not known.", nullable=True)
    how = text(HOW, "page", nullable=True, enum=[*WAYS, None])
    import_ = uuid(
        "The `task_id` of the import, the bulk change or the undo; null for edits.", EXAMPLE_TASK_ID, nullable=True
    )
    import_.data_key = "import"


class ChangingJobSchema(Schema):
    """A job that changed a product."""

    task_id = uuid("The `task_id`.", EXAMPLE_TASK_ID)
    filename = text("The name of the file, or the title of the job.", "products.csv")


class ProductChangeSchema(Schema):
    """A change of a product."""

    at = timestamp("When it was made: the `updated_at` that the product got")
    how = text(HOW, "page", nullable=True, enum=[*WAYS, None])
    by = nested(ChangedBySchema, "Who made it; null if that is not known.", nullable=True)
    import_ = nested(ChangingJobSchema, "The job that made it; null for edits.", nullable=True)
    import_.data_key = "import"
    undone = nested(ChangingJobSchema, "For an undo: the job that it reversed; otherwise null.", nullable=True)
    created = boolean("Whether this change created the product.")
    changes = dictionary(
        "The values of the changed fields before and after, in full: `sku`, `name`, `description` and `active`. A value"
        " is null if there was none, or if it is not kept: what an import wrote is gone once it is undone. The object"
        " is null if nothing is known about the values.",
        nullable=True,
        additionalProperties={"type": "array", "items": {}, "minItems": 2, "maxItems": 2},
    )


class HistoryPaginationSchema(Schema):
    """The position of a page in a history."""

    page = integer("The page number.", minimum=1)
    per_page = integer("The number of changes per page.", minimum=1)
    next = integer("The number of the next page; null on the last page.", nullable=True, minimum=2)


class HistorySchema(Schema):
    """A page of the history of a product."""

    history = nested_list(ProductChangeSchema, "The changes, the newest first.")
    complete = boolean(
        "Whether this is the last page, and the history goes back to the creation of the product without a gap."
    )
    pagination = nested(HistoryPaginationSchema)


@dataclass(frozen=True)
class HistoryQuery:
    """A page of a history, counted from 1."""

    page: int
    per_page: int


class HistoryQuerySchema(QuerySchema):
    """A page of a history."""

    page = PositiveInteger("The page number, starting at 1.", MAX_CHANGES, 1)
    per_page = PositiveInteger("The number of changes per page.", MAX_PER_PAGE, DEFAULT_PER_PAGE)

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `HistoryQuery`."""
        return HistoryQuery(**data)


@blueprint.get("/<int:product_id>/history", parameters=PRODUCT_ID)
@blueprint.document(operationId="getHistory")
@blueprint.accepts(HistoryQuerySchema)
@blueprint.returns(200, HistorySchema, "A page of the history.", example=EXAMPLE_HISTORY)
@blueprint.raises(INVALID_PARAMETER, PRODUCT_NOT_FOUND)
def show_history(query: HistoryQuery, product_id: int) -> Response:
    """Get the history of a product

    Lists what changed the product, the newest change first: edits on the page and through the API, imports, bulk
    changes and undos. To restore a value, send it with `PUT`; that is an edit, too.

    Edits are known for as long as the audit log is kept, imports and bulk changes for as long as they can be undone. A
    change that is not known any more has no `how` and no `changes`, and there may have been others before it; the list
    continues with the latest edit that is known. An import that was undone is missing if another import changed the
    product afterwards. The list has the latest 1,000 changes.
    """
    walk = _follow(product_id)
    offset = (query.page - 1) * query.per_page
    changes = list(islice(walk, offset, offset + query.per_page + 1))
    has_more = len(changes) > query.per_page
    pagination = {"page": query.page, "per_page": query.per_page, "next": query.page + 1 if has_more else None}
    return jsonify(
        history=[_change_json(change) for change in changes[: query.per_page]],
        complete=walk.is_complete and not has_more,
        pagination=pagination,
    )


@blueprint.get("/<int:product_id>/last-change", parameters=PRODUCT_ID)
@blueprint.document(operationId="getLastChange")
@blueprint.returns(
    200,
    LastChangeSchema,
    "The last change.",
    example={"at": EXAMPLE_TIME, "by": EXAMPLE_AUTHOR, "how": "page", "import": None},
)
@blueprint.raises(PRODUCT_NOT_FOUND)
def show_last_change(product_id: int) -> Response:
    """Get who changed a product last

    This is the first change of its history, without values.
    """
    change = next(iter(_follow(product_id)))
    return jsonify(
        {
            "at": format_timestamp(change.at),
            "by": _author_json(change.by),
            "how": change.how,
            "import": change.job.task_id if change.job else None,
        }
    )


def _follow(product_id: int) -> Walk:
    """Return a walk through the history of a product, or raise the 404."""
    connection: Any = db.session.connection().connection.driver_connection
    walk = follow_history(connection.cursor(), product_id)
    if walk is None:
        raise PRODUCT_NOT_FOUND.exception()
    return walk


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "at": format_timestamp(change.at),
        "how": change.how,
        "by": _author_json(change.by),
        "import": _job_json(change.job),
        "undone": _job_json(change.undone),
        "created": change.is_creation,
        "changes": change.values,
    }


def _author_json(author: Author | None) -> dict[str, Any] | None:
    return author._asdict() if author else None


def _job_json(job: JobName | None) -> dict[str, Any] | None:
    return job._asdict() if job else None
