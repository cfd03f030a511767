"""Calls that list, create and revoke API keys: one's own, or for administrators everybody's."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from marshmallow import Schema, ValidationError, fields
from sqlalchemy.orm import joinedload

from access import keys, users
from access.audit import Target
from access.roles import Requirement, Scope
from api.audit import record
from api.authentication import current_actor
from api.errors import UNAUTHENTICATED, ErrorType
from api.field_problems import FieldProblem
from api.openapi import INVALID_PARAMETER, Blueprint
from api.request_fields import REQUIRED_MESSAGE, Name
from api.response_fields import EXAMPLE_TIME, integer, strings, text, timestamp
from api.schemas import MessageSchema, RequestSchema
from database.serializers import format_timestamp
from models import ApiKey, db

blueprint = Blueprint("keys", __name__, url_prefix="/api/keys", tag="Access")

KEY_ID = [
    {
        "in": "path",
        "name": "key_id",
        "required": True,
        "description": "The id of the key.",
        "schema": {"type": "integer", "minimum": 1},
    }
]
MAX_DAYS = 3650
KEY_NOT_FOUND = ErrorType(404, "key_not_found", "There is no API key with this id.")
SCOPES_NOT_ALLOWED = ErrorType(
    403, "forbidden", "Your role, viewer, does not have the scope `products:write`.", ("scopes",)
)
EXAMPLE_KEY = "acme_7hJ2kLm9QwErTy4UiOpAsDfGhJkLzXcV1a2B3c"


class Scopes(fields.List[Any]):
    """The scopes of a key: at least one."""

    def __init__(self) -> None:
        words = [str(scope) for scope in Scope]
        metadata = {
            "description": "What the key may do; it may never do more than its owner.",
            "minItems": 1,
            "uniqueItems": True,
            "examples": [["products:read", "imports:write"]],
        }
        super().__init__(
            fields.String(metadata={"enum": words}),
            required=True,
            metadata=metadata,
            error_messages={"required": REQUIRED_MESSAGE, "null": REQUIRED_MESSAGE},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise ValidationError(FieldProblem("no_scope", "This must be a list of at least one scope."))
        if unknown := [item for item in value if item not in list(Scope)]:
            raise ValidationError(f"There is no scope {unknown[0][:50]!r}. The scopes are {', '.join(Scope)}.")
        if len(set(value)) < len(value):
            raise ValidationError("Name each scope once.")
        return [scope for scope in Scope if str(scope) in value]


class Days(fields.Integer):
    """The number of days for which a key is valid."""

    def __init__(self) -> None:
        description = "The number of days for which the key is valid; without it, the key does not expire."
        super().__init__(
            allow_none=True, metadata={"description": description, "minimum": 1, "maximum": MAX_DAYS, "examples": [90]}
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int or not 1 <= value <= MAX_DAYS:
            message = f"This must be a whole number from 1 to {MAX_DAYS}."
            raise ValidationError(FieldProblem("out_of_range", message, least=1, most=MAX_DAYS))
        return value


class NewKeySchema(RequestSchema):
    """An API key to create."""

    name = Name("What the key is for.", "Nightly import", required=True)
    scopes = Scopes()
    expires_in_days = Days()


class KeySchema(Schema):
    """An API key, without its text."""

    id = integer("The id.", minimum=1)
    name = text("What the key is for.", "Nightly import")
    prefix = text("How the key begins.", EXAMPLE_KEY[:9])
    last_four = text("How the key ends.", EXAMPLE_KEY[-4:])
    scopes = strings("What the key may do.")
    expires_at = timestamp("Until when the key is valid; null if it does not expire", nullable=True)
    last_used_at = timestamp("When the key was last used, to the minute", nullable=True)
    created_by = text("The name of its owner.", "Ada Lovelace")
    created_at = timestamp("When the key was created")
    revoked_at = timestamp("When the key was revoked", nullable=True)
    revoked_by = text("Who revoked it.", nullable=True)


class NewKeyResultSchema(KeySchema):
    """An API key with its text, which is shown only once."""

    key = text("The key. It is shown only now.", EXAMPLE_KEY)


EXAMPLE = {
    "id": 4,
    "name": "Nightly import",
    "prefix": EXAMPLE_KEY[:9],
    "last_four": EXAMPLE_KEY[-4:],
    "scopes": ["products:read", "imports:write"],
    "expires_at": None,
    "last_used_at": EXAMPLE_TIME,
    "created_by": "Ada Lovelace",
    "created_at": EXAMPLE_TIME,
    "revoked_at": None,
    "revoked_by": None,
}


@blueprint.get("")
@blueprint.document(operationId="listKeys")
@blueprint.needs(Requirement.PERSON)
@blueprint.returns(200, KeySchema(many=True), "The keys, the newest one first.", example=[EXAMPLE])
def list_keys() -> Response:
    """List the API keys

    Administrators see everybody's keys, others their own.
    """
    actor = current_actor()
    owner_id = None if actor.may(Scope.ADMIN) else actor.user_id
    found = keys.list_keys(db.session(), owner_id)
    return jsonify([_key_json(key) for key in found])


@blueprint.post("")
@blueprint.document(operationId="createKey")
@blueprint.needs(Requirement.PERSON)
@blueprint.accepts(
    NewKeySchema,
    location="json",
    example={"name": "Nightly import", "scopes": ["products:read", "imports:write"], "expires_in_days": 90},
)
@blueprint.returns(201, NewKeyResultSchema, "The key.", example={**EXAMPLE, "key": EXAMPLE_KEY})
@blueprint.raises(INVALID_PARAMETER, SCOPES_NOT_ALLOWED)
def create_key(values: dict[str, Any]) -> tuple[Response, int]:
    """Create an API key

    The response has the text of the key, which cannot be shown again. A key may do what both its scopes and the role of
    its owner allow, so it loses rights when its owner does.
    """
    actor = current_actor()
    if actor.user_id is None or users.lock_user(db.session(), actor.user_id) is None:
        # The person was removed meanwhile.
        raise UNAUTHENTICATED.exception()
    for scope in values["scopes"]:
        if not actor.may(scope):
            raise SCOPES_NOT_ALLOWED.exception(f"Your role, {actor.role}, does not have the scope `{scope}`.")
    key, secret = keys.create_key(
        db.session(),
        user_id=actor.user_id,
        name=values["name"],
        scopes=[str(scope) for scope in values["scopes"]],
        days=values.get("expires_in_days"),
    )
    record("key.created", Target("key", key.id, key.name), changes={"scopes": [None, key.scopes]})
    body = {**_key_json(key), "key": secret}
    db.session.commit()
    return jsonify(body), 201


@blueprint.delete("/<int:key_id>", parameters=KEY_ID)
@blueprint.document(operationId="revokeKey")
@blueprint.needs(Requirement.PERSON)
@blueprint.returns(200, MessageSchema, "The key is revoked.", example={"message": "The key Nightly import is revoked."})
@blueprint.raises(KEY_NOT_FOUND)
def revoke_key(key_id: int) -> Response:
    """Revoke an API key

    The key stops working at once, and its open streams end. It stays in the list. Administrators revoke anybody's key,
    others their own.
    """
    actor = current_actor()
    key = db.session.get(ApiKey, key_id, options=[joinedload(ApiKey.user)])
    if key is None or (key.user_id != actor.user_id and not actor.may(Scope.ADMIN)):
        raise KEY_NOT_FOUND.exception()
    if keys.revoke_key(db.session(), key, revoked_by=actor.name):
        record("key.revoked", Target("key", key.id, key.name))
    message = f"The key {key.name} is revoked."
    db.session.commit()
    return jsonify(message=message)


def _key_json(key: ApiKey) -> dict[str, Any]:
    """Return a key as `KeySchema` describes."""
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "last_four": key.last_four,
        "scopes": key.scopes,
        "expires_at": format_timestamp(key.expires_at),
        "last_used_at": format_timestamp(key.last_used_at),
        "created_by": key.user.name,
        "created_at": format_timestamp(key.created_at),
        "revoked_at": format_timestamp(key.revoked_at),
        "revoked_by": key.revoked_by,
    }
