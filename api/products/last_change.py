"""The call that tells who changed a product last: from the audit log, or from the change log of jobs.

`updated_at` identifies the last change. The change log of an import has the same timestamp, an undo stores it with the
product, and the audit entry of an edit is a little newer, because it is written right after the product while its row
is still locked. A change whose records have expired is unknown.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, fields
from sqlalchemy import Row, text

from api.openapi import Blueprint
from api.products.routes import PRODUCT_ID, PRODUCT_NOT_FOUND
from api.response_fields import EXAMPLE_TIME, nested, timestamp
from api.response_fields import text as text_field
from database.serializers import format_timestamp
from models import ACTOR_TYPES, db

blueprint = Blueprint("last_change", __name__, url_prefix="/api/products", tag="Products")

WAYS = ("page", "api", "import", "bulk", "undo")
# Nobody knows whether the page or a script made a request of "local".
WAY_OF_ACTOR = {"user": "page", "key": "api"}
EXAMPLE = {
    "at": EXAMPLE_TIME,
    "by": {"type": "user", "name": "Ada Lovelace"},
    "how": "page",
    "import": None,
}

READ_PRODUCT_SQL = text("""
SELECT updated_at, active, coalesce(restored[2] = updated_at, false) AS is_restored FROM products WHERE id = :id
""")
FIND_IMPORT_SQL = text("""
SELECT j.task_id::text, j.started_by, j.kind FROM import_changes c JOIN import_jobs j ON j.id = c.job_id
WHERE c.at = :at AND (:id = ANY (c.created) OR :id = ANY (c.updated)) LIMIT 1
""")
# Several undos may run at the same time. Then it is not known which one it was.
FIND_UNDOS_SQL = text("""
SELECT task_id::text, undo_of::text, started_by FROM import_jobs
WHERE kind = 'undo' AND started_at <= :at AND coalesce(finished_at >= :at, true) LIMIT 2
""")
# The entry of a bulk change has the target `products`; there is one for each job.
FIND_STARTER_SQL = text("""
SELECT actor_type, actor_name FROM audit_entries
WHERE target_id = :import AND (target_type = 'import' AND action = :action OR target_type = 'products')
    AND coalesce(changes -> 'undo' ->> 1 = :undo, true)
ORDER BY at DESC, id DESC LIMIT 1
""")
FIND_EDIT_SQL = text("""
SELECT actor_type, actor_name FROM audit_entries
WHERE target_type = 'product' AND target_id = :id AND at >= :at AND action IN ('product.created', 'product.updated')
ORDER BY at DESC, id DESC LIMIT 1
""")
# Bulk changes of version 1.1, which may overlap in time: their entries say when they began.
FIND_BULK_CHANGES_SQL = text("""
SELECT actor_type, actor_name FROM audit_entries
WHERE action = :action AND at >= :at AND (changes -> 'since' ->> 1)::timestamptz <= :at LIMIT 2
""")


class ChangedBySchema(Schema):
    """Who changed a product."""

    type = text_field(
        "A person, an API key or `local`; null for an import of an earlier version.",
        "user",
        nullable=True,
        enum=[*ACTOR_TYPES, None],
    )
    name = text_field("The name at that time; for an import of `local`, who started it.", "Ada Lovelace")


class LastChangeSchema(Schema):
    """The last change of a product."""

    at = timestamp("When the product last changed")
    by = nested(ChangedBySchema, "Who changed it; null if that is not known.", nullable=True)
    how = text_field(
        "How it was changed; null if that is not known. For edits of `local` it is not known whether the page or a"
        " script made them.",
        "page",
        nullable=True,
        enum=[*WAYS, None],
    )
    import_ = fields.UUID(
        required=True,
        allow_none=True,
        data_key="import",
        metadata={"description": "The `task_id` of the import, the bulk change or the undo; null for other changes."},
    )


@blueprint.get("/<int:product_id>/last-change", parameters=PRODUCT_ID)
@blueprint.document(operationId="getLastChange")
@blueprint.returns(200, LastChangeSchema, "The last change.", example=EXAMPLE)
@blueprint.raises(PRODUCT_NOT_FOUND)
def show_last_change(product_id: int) -> Response:
    """Get who changed a product last

    Edits are known for as long as the audit log is kept, and imports for as long as they can be undone.
    """
    product = db.session.execute(READ_PRODUCT_SQL, {"id": product_id}).first()
    if product is None:
        raise PRODUCT_NOT_FOUND.exception()
    change = _find_undo(product) if product.is_restored else _find_change(product_id, product)
    return jsonify({"at": format_timestamp(product.updated_at), "by": None, "how": None, "import": None, **change})


def _find_change(product_id: int, product: Row[Any]) -> dict[str, Any]:
    """Return what is known of the last change, unless an undo made it."""
    values = {"id": product_id, "at": product.updated_at}
    if job := db.session.execute(FIND_IMPORT_SQL, values).first():
        by = _find_starter(job.task_id, "import.started", job.started_by)
        return {"by": by, "how": job.kind, "import": job.task_id}
    if edit := db.session.execute(FIND_EDIT_SQL, {**values, "id": str(product_id)}).first():
        return {"by": _actor_json(edit), "how": WAY_OF_ACTOR.get(edit.actor_type)}
    action = "products.activated" if product.active else "products.deactivated"
    bulk_changes = db.session.execute(FIND_BULK_CHANGES_SQL, {"action": action, "at": product.updated_at}).all()
    if len(bulk_changes) == 1:
        return {"by": _actor_json(bulk_changes[0]), "how": "bulk"}
    return {}


def _find_undo(product: Row[Any]) -> dict[str, Any]:
    """Return what is known of the undo that restored a product."""
    undos = db.session.execute(FIND_UNDOS_SQL, {"at": product.updated_at}).all()
    if len(undos) != 1:
        return {"how": "undo"}
    undo = undos[0]
    by = _find_starter(undo.undo_of, "import.undone", undo.started_by, undo=undo.task_id)
    return {"by": by, "how": "undo", "import": undo.task_id}


def _find_starter(task_id: str, action: str, started_by: str, *, undo: str | None = None) -> dict[str, Any]:
    """Return who started an import or its undo; "local" stands for many, so then it is the name in the history."""
    starter = db.session.execute(FIND_STARTER_SQL, {"import": task_id, "action": action, "undo": undo}).first()
    if starter is None or starter.actor_type == "local":
        return {"type": starter.actor_type if starter else None, "name": started_by}
    return _actor_json(starter)


def _actor_json(entry: Row[Any]) -> dict[str, Any]:
    return {"type": entry.actor_type, "name": entry.actor_name}
