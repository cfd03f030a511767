"""Types of request fields. Each checks a value of the query, a form or a JSON body, and describes itself in OpenAPI.

The message for an invalid query parameter or form field names it (`page must be …`), because clients show that message
as the error. `Boolean` and `Text` leave the name out in a JSON body, because there the message appears next to the
field.
"""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, missing

# For JSON Schema: PostgreSQL cannot store a text that contains NUL.
NO_NUL_PATTERN = r"^[^\u0000]*$"
MAX_DIGITS = 15
REQUIRED_MESSAGE = "This field is required."
NOT_STRING_MESSAGE = "This must be a string."


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
            raise ValidationError(f"At most {self._max_characters} characters are allowed; this has {len(value)}.")
        if not is_storable(value):
            raise ValidationError("This contains characters that cannot be stored.")
        return value


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
