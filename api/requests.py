"""What the API takes, as marshmallow schemas: they check requests, and the OpenAPI document is made of them.

What it answers is in api/answers.py; how a blueprint ties schemas to its calls is in api/openapi.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load, pre_load

from api.pagination import DEFAULT_PER_PAGE, GIVEN_TWICE, MAX_PAGE, MAX_PER_PAGE, read_whole_number
from catalogue.filters import Filter
from catalogue.sorting import SORT_KEYS, Sorting
from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS

# A regular expression for JSON Schema: PostgreSQL has no text with a NUL in it.
NO_NUL = r"^[^\u0000]*$"


def is_text(value: str) -> bool:
    """Whether PostgreSQL can hold it: no NUL and no lone surrogate, which JSON has a way to write."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


class RequestSchema(Schema):
    """What a client sends. `code` and `sentence` are those of the 400 that names the fields to blame.

    Where `sentence` is empty, the error says the first field's sentence. Fields that are unknown are ignored.
    """

    code = "invalid_parameter"
    sentence = ""

    class Meta:
        unknown = EXCLUDE


class QuerySchema(RequestSchema):
    """Query parameters. One that is empty, as forms and address bars have them, counts as not given."""

    @pre_load
    def read(self, data: Any, **_: Any) -> dict[str, str]:
        """Takes each once, and drops those that say nothing."""
        given = {name: values for name in self.fields if (values := data.getlist(name))}
        if twice := {name: [GIVEN_TWICE.format(name)] for name, values in given.items() if len(values) > 1}:
            raise ValidationError(twice)
        return {name: values[0] for name, values in given.items() if values[0]}


class FormSchema(QuerySchema):
    """Fields of a form, which are read as query parameters are."""


# Fields of requests.


class FilterText(fields.String):
    """What a text must contain, spaces around it taken off; empty: anything."""

    def __init__(self, description: str, example: str) -> None:
        metadata = {"description": description, "examples": [example], "pattern": NO_NUL}
        super().__init__(metadata=metadata, error_messages={"null": "This must be a text."})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"{attr} must be a text.")
        if not is_text(value):
            raise ValidationError(f"{attr} must not contain NUL or other characters that are no text.")
        return value.strip()


class Switch(fields.Boolean):
    """true or false; in a query in any case, in JSON nothing but the two."""

    def __init__(self, description: str, *, in_query: bool = False) -> None:
        super().__init__(metadata={"description": description}, error_messages={"null": "This must be true or false."})
        self._in_query = in_query

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if self._in_query:
            value = {"true": True, "false": False}.get(value.lower())
        if not isinstance(value, bool):
            raise ValidationError(f"{attr} must be true or false." if self._in_query else "This must be true or false.")
        return value


class WholeNumber(fields.Integer):
    """A query parameter from 1 to `high`."""

    def __init__(self, description: str, high: int, default: int) -> None:
        metadata = {"description": description, "minimum": 1, "maximum": high, "default": default}
        super().__init__(metadata=metadata)
        self._high = high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            return read_whole_number(str(attr), value, self._high)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Choice(fields.String):
    """A query parameter that is one of a few words."""

    def __init__(self, description: str, *words: str, default: str | None = None) -> None:
        metadata = {"description": description, "enum": list(words), **({"default": default} if default else {})}
        super().__init__(metadata=metadata)
        self._words = words

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if value not in self._words:
            one_of = " or ".join(self._words) if len(self._words) < 3 else f"one of {', '.join(self._words)}"
            raise ValidationError(f"{attr} must be {one_of}.")
        return str(value)


class ProductText(fields.String):
    """A text of a product, at most `limit` characters."""

    def __init__(self, description: str, example: str, limit: int | None = None, *, required: bool = False) -> None:
        metadata: dict[str, Any] = {"description": description, "examples": [example], "pattern": NO_NUL}
        super().__init__(
            required=required,
            metadata={**metadata, "maxLength": limit} if limit else metadata,
            error_messages={"null": "This must be a text.", "required": "This field is required."},
        )
        self._limit = limit

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("This must be a text.")
        if self._limit and len(value) > self._limit:
            raise ValidationError(f"At most {self._limit} characters are allowed, these are {len(value)}.")
        if not is_text(value):
            raise ValidationError("This contains characters that are no text.")
        return value


class Sku(ProductText):
    """A product's SKU, spaces around it taken off."""

    def __init__(self, *, required: bool = False) -> None:
        description = "The key of the product, unique without regard to case. Spaces around it are taken off."
        super().__init__(description, "A-1", SKU_MAX_CHARACTERS, required=required)
        self.metadata = {**self.metadata, "minLength": 1, "pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value.strip() if isinstance(value, str) else value, attr, data)
        if not text:
            raise ValidationError("The SKU must not be empty.")
        return text


# Requests.


class PageQuerySchema(QuerySchema):
    """A page of a list."""

    page = WholeNumber("The number of the page.", MAX_PAGE, 1)
    per_page = WholeNumber("How many a page has.", MAX_PER_PAGE, DEFAULT_PER_PAGE)


class FilterSchema(RequestSchema):
    """Which products are meant, as JSON. Loads into a `catalogue.filters.Filter`; an unknown key is an error, since a
    misspelt filter would mean more products than its author thinks."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "There is no such filter. Use q, sku, name, description or active."}  # noqa: RUF012

    q = FilterText("SKU, name or description contains this, in any case.", "lamp")
    sku = FilterText("The SKU contains this, in any case.", "A-1")
    name = FilterText("The name contains this, in any case. `%` and `_` are plain characters.", "blue")
    description = FilterText("The description contains this, in any case.", "cotton")
    active = Switch("Only products that are active, or only those that are not.")

    @post_load
    def loaded(self, data: dict[str, Any], **_: Any) -> Any:
        """Makes the filter."""
        return Filter(**data)


class FilterQuerySchema(QuerySchema, FilterSchema):
    """The same as query parameters."""

    class Meta:
        unknown = EXCLUDE

    active = Switch("Only products that are active, or only those that are not.", in_query=True)


@dataclass(frozen=True)
class ListQuery:
    """A page of products as it is asked for."""

    filter: Filter
    sorting: Sorting
    page: int
    per_page: int
    after: str | None
    exact_total: bool


class ProductsQuerySchema(FilterQuerySchema):
    """Filters, order and page. Loads into a `ListQuery`."""

    page = WholeNumber("The number of the page. Ignored beside `after`.", MAX_PAGE, 1)
    per_page = WholeNumber("Products a page.", MAX_PER_PAGE, DEFAULT_PER_PAGE)
    after = fields.String(
        metadata={
            "description": "The page behind another one: what that one gave as `pagination.next`. Send the same filters"
            " and the same order with it. Unlike a page's number it neither skips nor repeats products when others come"
            " or go, and it is as fast on the last page as on the first.",
        }
    )
    sort_by = Choice(
        "What the products are sorted by; those that are alike come in the order of their ids.",
        *SORT_KEYS,
        default="id",
    )
    sort_order = Choice("The direction of the order.", "asc", "desc", default="asc")
    total = Choice("`exact` forces an exact total, which may take longer on a large catalogue.", "exact")

    @post_load
    def loaded(self, data: dict[str, Any], **_: Any) -> Any:
        """Makes the query."""
        return ListQuery(
            sorting=Sorting(data.pop("sort_by", "id"), data.pop("sort_order", "asc") == "desc"),
            page=data.pop("page", 1),
            per_page=data.pop("per_page", DEFAULT_PER_PAGE),
            after=data.pop("after", None),
            exact_total=bool(data.pop("total", None)),
            filter=Filter(**data),
        )


class ProductChangeSchema(RequestSchema):
    """The fields of a product that a client may change: those that are given are."""

    code = "invalid_product"
    sentence = "The product has unusable values: see fields."

    sku = Sku()
    name = ProductText("The name of the product.", "Blue lamp", NAME_MAX_CHARACTERS)
    description = ProductText("Any text.", "Goes with the blue sofa.")
    active = Switch("Whether the product is on sale.")


class NewProductSchema(ProductChangeSchema):
    """A product to create. Without them, name and description are empty and the product is active."""

    sku = Sku(required=True)
