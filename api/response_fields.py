"""Fields of responses. They only describe the JSON. Views build it without schemas, which are slow for long lists.

All fields are always present, except those in `optional`. `extra` keywords are further keywords of JSON Schema;
`nullable` also allows null.
"""

from __future__ import annotations

from typing import Any, TypeVar

from marshmallow import Schema, fields

F = TypeVar("F", bound=fields.Field[Any])

EXAMPLE_TASK_ID = "5b0c6d1e-7f0a-4c52-9d6b-0f2a51f0f6a3"
EXAMPLE_TIME = "2026-11-24T04:00:00.123456Z"


def optional(field: F) -> F:
    """Return the field, which some responses do not have."""
    field.required = False
    return field


def text(description: str, example: str | None = None, *, nullable: bool = False, **extra: Any) -> fields.String:
    """Return the field of a string."""
    examples = {} if example is None else {"examples": [example]}
    return fields.String(required=True, allow_none=nullable, metadata={"description": description, **examples, **extra})


def integer(description: str, *, nullable: bool = False, **extra: Any) -> fields.Integer:
    """Return the field of a whole number that is not negative, unless `minimum` says otherwise."""
    metadata = {"description": description, "minimum": 0, **extra}
    return fields.Integer(required=True, allow_none=nullable, metadata=metadata)


def seconds(description: str, *, nullable: bool = False) -> fields.Float:
    """Return the field of a duration in seconds, with fractions."""
    return fields.Float(required=True, allow_none=nullable, metadata={"description": description, "minimum": 0})


def share(description: str) -> fields.Float:
    """Return the field of a number from 0 to 1."""
    return fields.Float(required=True, metadata={"description": description, "minimum": 0, "maximum": 1})


def boolean(description: str) -> fields.Boolean:
    """Return the field of a boolean."""
    return fields.Boolean(required=True, metadata={"description": description})


def timestamp(description: str, *, nullable: bool = False) -> fields.DateTime:
    """Return the field of a point in time. This appends the format to the description."""
    metadata = {"description": f"{description} (ISO 8601, UTC).", "examples": [EXAMPLE_TIME]}
    return fields.DateTime(required=True, allow_none=nullable, metadata=metadata)


def uuid(description: str, example: str | None = None, *, nullable: bool = False) -> fields.UUID:
    """Return the field of a UUID."""
    examples = {} if example is None else {"examples": [example]}
    return fields.UUID(required=True, allow_none=nullable, metadata={"description": description, **examples})


def strings(description: str) -> Any:
    """Return the field of a list of strings."""
    return fields.List(fields.String(), required=True, metadata={"description": description})


def dictionary(description: str, *, nullable: bool = False, **extra: Any) -> fields.Dict:
    """Return the field of an object whose keys are data."""
    return fields.Dict(required=True, allow_none=nullable, metadata={"description": description, **extra})


def nested(schema: type[Schema], description: str = "", *, nullable: bool = False) -> fields.Nested:
    """Return the field of an object. The description of a nullable one says what null means."""
    metadata = {"description": description} if description else {}
    return fields.Nested(schema, required=True, allow_none=nullable, metadata=metadata)


def nested_list(schema: type[Schema], description: str = "") -> Any:
    """Return the field of a list of objects."""
    return fields.List(
        fields.Nested(schema), required=True, metadata={"description": description} if description else {}
    )
