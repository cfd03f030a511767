"""Types of request fields. Each checks a value of the query, a form or a JSON body, and describes itself in OpenAPI.

The message for an invalid query parameter or form field names it (`page must be …`), because clients show that message
as the error. `Boolean`, `Text`, `Date` and `Timestamp` leave the name out in a JSON body, because there the message
appears next to the field.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from datetime import UTC, date, datetime
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing

from api.field_problems import FieldProblem
from api.response_fields import EXAMPLE_TASK_ID, EXAMPLE_TIME

# For JSON Schema: PostgreSQL cannot store a text that contains NUL.
NO_NUL_PATTERN = r"^[^\u0000]*$"
MAX_DIGITS = 15
NAME_MAX_CHARACTERS = 200
REQUIRED_MESSAGE = FieldProblem("required", "This field is required.")
NOT_STRING_MESSAGE = "This must be a string."
NOT_DATE_MESSAGE = "This must be a date such as 2026-11-24."
NOT_TIMESTAMP_MESSAGE = "This must be a timestamp with a time zone, such as 2026-11-24T04:00:00Z."


DATE_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
TIME_PATTERN = re.compile(DATE_PATTERN.pattern + r"[T ]\d{2}:\d{2}", re.ASCII)


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can store a text. It cannot store NUL or lone surrogates, such as `\\ud800` in JSON."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


class Boolean(fields.Boolean):
    """A boolean: the word true or false, ignoring case, in a query or form; JSON's `true` or `false` in a JSON body."""

    def __init__(self, description: str, *, in_query: bool = False) -> None:
        super().__init__(metadata={"description": description}, error_messages={"null": "This must be true or false."})
        self._in_query = in_query

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if self._in_query:
            value = {"true": True, "false": False}.get(value.lower())
        if not isinstance(value, bool):
            raise ValidationError(f"{attr} must be true or false." if self._in_query else "This must be true or false.")
        return value


class PositiveInteger(fields.Integer):
    """A query parameter: a whole number from 1 to `maximum`, in ASCII digits."""

    def __init__(self, description: str, maximum: int, default: int) -> None:
        metadata = {"description": description, "minimum": 1, "maximum": maximum}
        super().__init__(load_default=default, metadata=metadata)
        self._maximum = maximum

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        # `int` also accepts spaces, signs, underscores and the digits of other scripts.
        if value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS and 1 <= int(value) <= self._maximum:
            return int(value)
        raise ValidationError(f"{attr} must be a whole number from 1 to {self._maximum}.")


class Choice(fields.String):
    """One of a few words."""

    def __init__(self, description: str, *words: str, default: str | None = None, required: bool = False) -> None:
        super().__init__(
            required=required,
            load_default=default or missing,
            metadata={"description": description, "enum": list(words)},
            error_messages={"required": REQUIRED_MESSAGE, **({"null": REQUIRED_MESSAGE} if required else {})},
        )
        self._words = words

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value not in self._words:
            words = " or ".join(self._words) if len(self._words) < 3 else f"one of {', '.join(self._words)}"
            raise ValidationError(f"{attr} must be {words}.")
        return str(value)


class Text(fields.String):
    """A string of a JSON body, with at most `max_characters` if given."""

    def __init__(
        self, description: str, example: str, max_characters: int | None = None, *, required: bool = False
    ) -> None:
        metadata: dict[str, Any] = {"description": description, "examples": [example], "pattern": NO_NUL_PATTERN}
        super().__init__(
            required=required,
            metadata={**metadata, "maxLength": max_characters} if max_characters else metadata,
            error_messages={"null": NOT_STRING_MESSAGE, "required": REQUIRED_MESSAGE},
        )
        self._max_characters = max_characters

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(NOT_STRING_MESSAGE)
        if self._max_characters and len(value) > self._max_characters:
            message = f"At most {self._max_characters} characters are allowed; this has {len(value)}."
            details = {"limit": self._max_characters, "characters": len(value)}
            raise ValidationError(FieldProblem("too_long", message, **details))
        if not is_storable(value):
            raise ValidationError(FieldProblem("unstorable", "This contains characters that cannot be stored."))
        return value


class Name(Text):
    """The name of something, in a JSON body; surrounding spaces are removed, and something must remain."""

    def __init__(
        self,
        description: str = "The name.",
        example: str = "Ada Lovelace",
        max_characters: int = NAME_MAX_CHARACTERS,
        *,
        required: bool = False,
    ) -> None:
        super().__init__(description, example, max_characters, required=required)
        metadata: Any = self.metadata
        metadata |= {"minLength": 1, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = " ".join(super()._deserialize(value, attr, data, **kwargs).split())
        if not name:
            raise ValidationError(FieldProblem("no_name", "Give a name."))
        return name


class ShortText(fields.String):
    """A string with at most `max_characters`, in a query, a form or a JSON body; surrounding spaces are removed."""

    def __init__(self, description: str, example: str, max_characters: int) -> None:
        metadata = {
            "description": description,
            "examples": [example],
            "maxLength": max_characters,
            "pattern": NO_NUL_PATTERN,
        }
        super().__init__(metadata=metadata)
        self._max_characters = max_characters

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or len(value) > self._max_characters or not is_storable(value):
            raise ValidationError(f"{attr} must be a string of at most {self._max_characters} characters.")
        return value.strip()


class Timestamp(fields.DateTime):
    """A timestamp in ISO 8601 with a time zone, in a query or a JSON body; loads as UTC."""

    def __init__(self, description: str, *, in_query: bool = False) -> None:
        super().__init__(
            metadata={"description": description, "examples": [EXAMPLE_TIME]},
            error_messages={"null": NOT_TIMESTAMP_MESSAGE},
        )
        self._in_query = in_query

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            timestamp: datetime = super()._deserialize(value, attr, data, **kwargs)
            if timestamp.tzinfo is not None:
                # PostgreSQL accepts no offset of 16 hours or more.
                return timestamp.astimezone(UTC)
        except (ValidationError, TypeError, ValueError, OverflowError):
            pass
        message = NOT_TIMESTAMP_MESSAGE
        raise ValidationError(message.replace("This", str(attr), 1) if self._in_query else message)


class Date(fields.Date):
    """A date, such as 2026-11-24, in a query or a JSON body."""

    def __init__(self, description: str, *, in_query: bool = False) -> None:
        super().__init__(
            metadata={"description": description, "examples": [EXAMPLE_TIME[:10]]},
            error_messages={"null": NOT_DATE_MESSAGE},
        )
        self._in_query = in_query

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        # `date.fromisoformat` also accepts other forms, such as 20261124 and 2026-W48-2.
        if isinstance(value, str) and DATE_PATTERN.fullmatch(value):
            with contextlib.suppress(ValueError):
                return date.fromisoformat(value)
        raise ValidationError(NOT_DATE_MESSAGE.replace("This", str(attr), 1) if self._in_query else NOT_DATE_MESSAGE)


class TaskId(fields.String):
    """The task id of a job, a UUID in its usual form; loads as a string in lower case."""

    def __init__(self, description: str) -> None:
        metadata = {"description": description, "format": "uuid", "examples": [EXAMPLE_TASK_ID]}
        super().__init__(metadata=metadata, error_messages={"null": NOT_STRING_MESSAGE})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            # `UUID` also reads forms with braces and without hyphens.
            if isinstance(value, str) and str(task_id := uuid.UUID(value)) == value.lower():
                return str(task_id)
        except ValueError:
            pass
        raise ValidationError(
            f"{attr} must be the task_id of an import or of a bulk change, such as {EXAMPLE_TASK_ID}."
        )


class TimeOrDate(fields.String):
    """A timestamp in ISO 8601 with a time zone, or a date, which is its beginning in UTC; loads as ISO 8601."""

    def __init__(self, description: str) -> None:
        metadata = {
            "description": description,
            "examples": [EXAMPLE_TIME, "2026-11-24"],
            "anyOf": [{"format": "date-time"}, {"format": "date"}],
        }
        super().__init__(metadata=metadata, error_messages={"null": NOT_STRING_MESSAGE})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            if DATE_PATTERN.fullmatch(value):
                return datetime.fromisoformat(value).replace(tzinfo=UTC).isoformat()
            # RFC 3339 allows small letters.
            value = value.upper()
            time = datetime.fromisoformat(value)
            if TIME_PATTERN.match(value) and time.tzinfo is not None:
                return time.astimezone(UTC).isoformat()
        except (AttributeError, TypeError, ValueError, OverflowError):
            pass
        raise ValidationError(
            f"{attr} must be a date such as 2026-11-24, or a time with a time zone such as 2026-11-24T04:00:00Z. In an"
            " address, write the plus sign of a time zone as %2B."
        )


class Ids(fields.List[Any]):
    """A list of the ids of objects in a JSON body, at most `max_ids`."""

    def __init__(self, noun: str, max_ids: int, *, required: bool = False) -> None:
        description = f"The ids of the {noun}, at most {max_ids:,}. Repeated and unknown ids are ignored."
        metadata = {"description": description, "minItems": 1, "maxItems": max_ids, "examples": [[1, 2]]}
        super().__init__(
            fields.Integer(),
            required=required,
            metadata=metadata,
            error_messages={"null": "This must be a list of ids.", "required": REQUIRED_MESSAGE},
        )
        self._max_ids = max_ids

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list) or not {type(item) for item in value} <= {int}:
            raise ValidationError("This must be a list of whole numbers.")
        if not value:
            raise ValidationError("Give at least one id.")
        if len(value) > self._max_ids:
            raise ValidationError(f"At most {self._max_ids:,} ids are allowed; these are {len(value):,}. Use a filter.")
        return value


class NestedFilter(fields.Nested):
    """A filter as a field of a JSON body; `noun` names the objects that it selects."""

    def __init__(self, schema: type[Schema], noun: str) -> None:
        description = f"Selects the {noun} that meet every given field; `{{}}` selects all {noun}."
        super().__init__(
            schema, metadata={"description": description}, error_messages={"null": "This must be an object."}
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("This must be an object.")
        return super()._deserialize(value, attr, data, partial, **kwargs)
