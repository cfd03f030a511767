"""Calls that list, save, change and delete the saved views of the products."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError

from access.actors import Actor
from access.audit import Target
from access.roles import Scope
from api.audit import record
from api.authentication import current_actor, require
from api.errors import ErrorType
from api.etags import meets_if_match, version_of
from api.openapi import INVALID_PARAMETER, Blueprint
from api.products.schemas import ProductFilterSchema
from api.response_fields import EXAMPLE_TIME
from api.schemas import MessageSchema
from api.views.schemas import EXAMPLE_BODY, EXAMPLE_VIEW, NewViewSchema, ViewChangesSchema, ViewListSchema, ViewSchema
from catalogue.views import MAX_VIEWS, find_locked_view, find_views, is_full
from database.serializers import format_timestamp
from models import SavedView, db

blueprint = Blueprint("views", __name__, url_prefix="/api/views", tag="Products")

VIEW_ID = [
    {
        "in": "path",
        "name": "view_id",
        "required": True,
        "description": "The id of the view.",
        "schema": {"type": "integer", "minimum": 1},
    }
]
VIEW_NOT_FOUND = ErrorType(404, "view_not_found", "There is no view with this id. Somebody may have deleted it.")
DUPLICATE_NAME = ErrorType(
    409, "duplicate_name", "There is already a view with the name Lamps. Choose another name.", ("name",)
)
TOO_MANY_VIEWS = ErrorType(
    409, "too_many_views", f"There are already {MAX_VIEWS} views in this list. Delete one that nobody needs."
)
VIEW_CHANGED = ErrorType(
    412,
    "precondition_failed",
    "Someone else changed this view, so your change was not saved. Load the views again and repeat your change.",
)
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "description": "The ETag of the view as you know it, which is its `updated_at` in double quotes. If the view has"
    " changed since, the call returns 412 and changes nothing. Without this header, the last change wins.",
    "schema": {"type": "string"},
    "examples": {"version": {"value": f'"{EXAMPLE_TIME}"'}},
}
# What a new view has if the client does not say otherwise.
DEFAULTS: dict[str, Any] = {"filter": {}, "sort_by": "id", "sort_order": "asc", "columns": None, "widths": {}}


@blueprint.get("")
@blueprint.document(operationId="listViews")
@blueprint.returns(200, ViewListSchema, "The views, sorted by name.", example={"views": [EXAMPLE_VIEW]})
def list_views() -> Response:
    """List the saved views

    A saved view is a filter, a sorting, and the columns that the page shows. Returns those that are shared with
    everyone, and one's own. Those of an API key are those of its owner.
    """
    found = find_views(db.session(), current_actor().user_id)
    return jsonify(views=[_view_json(view) for view in found])


@blueprint.post("")
@blueprint.document(operationId="createView")
@blueprint.needs(Scope.PRODUCTS_READ)
@blueprint.accepts(NewViewSchema, location="json", example=EXAMPLE_BODY)
@blueprint.returns(201, ViewSchema, "The new view.", example=EXAMPLE_VIEW)
@blueprint.raises(INVALID_PARAMETER, DUPLICATE_NAME, TOO_MANY_VIEWS)
def create_view(values: dict[str, Any]) -> tuple[Response, int]:
    """Save a view

    Everyone may save views of their own. Shared views and API keys need the scope `products:write`. If several requests
    save the same name in a list at the same time, exactly one succeeds.
    """
    actor = current_actor()
    owner_id = _owner_id(actor, shared=values.pop("shared", False))
    _require_change(actor, owner_id)
    if is_full(db.session(), owner_id):
        raise TOO_MANY_VIEWS.exception(details={"limit": MAX_VIEWS})
    view = SavedView(owner_id=owner_id, created_by=actor.name, **{**DEFAULTS, **values})
    db.session.add(view)
    _flush(view.name)
    record("view.created", _target(view), changes={**_changes({}, values), "shared": [None, owner_id is None]})
    response = jsonify(_view_json(view))
    db.session.commit()
    return response, 201


@blueprint.put("/<int:view_id>", parameters=VIEW_ID)
@blueprint.document(operationId="changeView", parameters=[IF_MATCH])
@blueprint.needs(Scope.PRODUCTS_READ)
@blueprint.accepts(ViewChangesSchema, location="json", example={"name": "Lamps", "filter": {"q": "lamp"}})
@blueprint.returns(200, ViewSchema, "The changed view.", example=EXAMPLE_VIEW)
@blueprint.raises(INVALID_PARAMETER, VIEW_NOT_FOUND, DUPLICATE_NAME, TOO_MANY_VIEWS, VIEW_CHANGED)
def change_view(values: dict[str, Any], view_id: int) -> Response:
    """Change a saved view

    Changes only the given fields; a filter is replaced as a whole. Shared views and API keys need the scope
    `products:write`, also to share a view, or to make a shared one one's own.
    """
    actor = current_actor()
    view = _find_locked(view_id, actor)
    _require_change(actor, view.owner_id)
    if not meets_if_match(version_of(view.updated_at)):
        db.session.rollback()
        raise VIEW_CHANGED.exception()
    owner_id = _owner_id(actor, shared=values.pop("shared", view.owner_id is None))
    before = {name: getattr(view, name) for name in values}
    changes = _changes(before, values)
    if owner_id != view.owner_id:
        _require_change(actor, owner_id)
        if is_full(db.session(), owner_id):
            raise TOO_MANY_VIEWS.exception(details={"limit": MAX_VIEWS})
        changes["shared"] = [view.owner_id is None, owner_id is None]
    if changes:
        view.owner_id = owner_id
        for name, value in values.items():
            setattr(view, name, value)
        view.updated_at = func.clock_timestamp()
        _flush(view.name)
        record("view.updated", _target(view), changes=changes)
    response = jsonify(_view_json(view))
    db.session.commit()
    return response


@blueprint.delete("/<int:view_id>", parameters=VIEW_ID)
@blueprint.document(operationId="deleteView")
@blueprint.needs(Scope.PRODUCTS_READ)
@blueprint.returns(200, MessageSchema, "The view was deleted.", example={"message": "The view Lamps was deleted."})
@blueprint.raises(VIEW_NOT_FOUND)
def delete_view(view_id: int) -> Response:
    """Delete a saved view

    Shared views and API keys need the scope `products:write`. No product changes.
    """
    actor = current_actor()
    view = _find_locked(view_id, actor)
    _require_change(actor, view.owner_id)
    db.session.delete(view)
    record("view.deleted", _target(view))
    db.session.commit()
    return jsonify(message=f"The view {view.name} was deleted.")


def _find_locked(view_id: int, actor: Actor) -> SavedView:
    """Return a view with its row locked; raise the 404 if there is none that the actor may open."""
    view = find_locked_view(db.session(), view_id, actor.user_id)
    if view is None:
        raise VIEW_NOT_FOUND.exception()
    return view


def _owner_id(actor: Actor, *, shared: bool) -> int | None:
    """Return the owner of a view; None for everyone. The administrator "local" has no list of their own."""
    return None if shared else actor.user_id


def _require_change(actor: Actor, owner_id: int | None) -> None:
    """Raise the 403 if the actor may not change a view of this owner. People may change what is only theirs."""
    if owner_id is None or actor.type != "user":
        require(Scope.PRODUCTS_WRITE)


def _flush(name: str) -> None:
    """Write a view; raise the 409 if another one in its list has its name."""
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        message = f"There is already a view with the name {name}. Choose another name."
        raise DUPLICATE_NAME.exception(message, details={"name": name}) from None


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the values that differ, before and after."""
    return {name: [before.get(name), value] for name, value in after.items() if before.get(name) != value}


def _target(view: SavedView) -> Target:
    return Target("view", view.id, view.name)


def _view_json(view: SavedView) -> dict[str, Any]:
    """Return a view as `ViewSchema` describes."""
    return {
        "id": view.id,
        "name": view.name,
        "shared": view.owner_id is None,
        "filter": view.filter,
        "problem": _find_problem(view.filter),
        "sort_by": view.sort_by,
        "sort_order": view.sort_order,
        "columns": view.columns,
        "widths": view.widths,
        "created_by": view.created_by,
        "created_at": format_timestamp(view.created_at),
        "updated_at": format_timestamp(view.updated_at),
    }


def _find_problem(stored: dict[str, Any]) -> str | None:
    """Return why the filter of a view is not valid any more; None if it is. Versions know different filters."""
    errors = ProductFilterSchema().validate(stored)
    return f"{', '.join(sorted(map(str, errors)))}: {next(iter(errors.values()))[0]}" if errors else None
