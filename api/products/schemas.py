"""The schemas of products: filters, single products, and pages of the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load
from marshmallow.validate import Length

from api.field_problems import FieldProblem
from api.pagination import DEFAULT_PER_PAGE, MAX_PAGE, MAX_PER_PAGE
from api.request_fields import (
    NO_NUL_PATTERN,
    NOT_STRING_MESSAGE,
    REQUIRED_MESSAGE,
    Boolean,
    Choice,
    PositiveInteger,
    TaskId,
    Text,
    TimeOrDate,
    is_storable,
)
from api.response_fields import EXAMPLE_TIME, boolean, integer, nested, nested_list, text, timestamp
from api.schemas import ErrorSchema, MessageSchema, PaginationSchema, QuerySchema, RequestSchema
from catalogue.filters import Filter
from catalogue.search_terms import MAX_TERMS, Term, parse_field, parse_query
from catalogue.sorting import SORT_KEYS, Sorting
from database.skus import INVISIBLE_CHARACTERS, clean_sku
from models import NAME_MAX_CHARACTERS, ORIGINS, SKU_MAX_CHARACTERS

# The largest number of ids that a call accepts.
MAX_IDS = 10_000
EXAMPLE_PRODUCT = {
    "id": 42,
    "sku": "A-1",
    "name": "Blue lamp",
    "description": "Matches the blue sofa.",
    "active": True,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
}
# For JSON Schema: no NUL, and at least one character that is visible.
SKU_PATTERN = rf"^[^\u0000]*[^\u0000\s{INVISIBLE_CHARACTERS.encode('ascii', 'backslashreplace').decode()}][^\u0000]*$"
STARTED_FROM = (
    "Where the edit is made, for the history of the product: on the page, or by another client. By default this is"
    " `page` for a person who is signed in, otherwise `api`."
)
MAX_EDITS = MAX_PER_PAGE
ACTIVE_FILTER = "`true` finds only active products, `false` only inactive ones."


class FilterText(fields.String):
    """Words that products must contain; surrounding spaces are removed, and an empty text matches everything."""

    def __init__(self, description: str, example: str, parse: Callable[[str], tuple[Term, ...]] = parse_field) -> None:
        metadata = {"description": description, "examples": [example], "pattern": NO_NUL_PATTERN}
        super().__init__(metadata=metadata, error_messages={"null": NOT_STRING_MESSAGE})
        self._parse = parse

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"{attr} must be a string.")
        if not is_storable(value):
            raise ValidationError(f"{attr} contains characters that no product can contain.")
        text = value.strip()
        if (count := len(self._parse(text))) > MAX_TERMS:
            raise ValidationError(
                f"{attr} has {count:,} words and quoted texts; at most {MAX_TERMS} are allowed. Leave some out, or put"
                " words that follow each other in quotes."
            )
        return text


class ProductFilterSchema(RequestSchema):
    """A filter in a JSON body. A product matches if it meets every given field; all products match `{}`.

    An unknown field is an error, because a misspelled one would select more products than intended.
    """

    class Meta:
        unknown = RAISE

    error_messages = {  # noqa: RUF012
        "unknown": "This filter does not exist. Use q, sku, name, description, active, changed_by or changed_since."
    }

    q = FilterText(
        f"Finds products that contain each of these words, at most {MAX_TERMS}, anywhere in the SKU, the name or the"
        ' description, in any order and ignoring case. `"blue lamp"` in quotes is one text with its spaces. `-wood` and'
        ' `-"dark wood"` leave out products that contain it. All other characters are ordinary ones.',
        'lamp "dark blue" -wood',
        parse_query,
    )
    sku = FilterText(
        "The SKU contains each of these words, ignoring case and invisible characters. Quotes as in `q`; a minus is an"
        " ordinary character.",
        "A-1",
    )
    name = FilterText("The name contains each of these words, ignoring case. Quotes and minus as in `sku`.", "blue")
    description = FilterText(
        "The description contains each of these words, ignoring case. Quotes and minus as in `sku`.", "cotton"
    )
    active = Boolean(ACTIVE_FILTER)
    changed_by = TaskId(
        "Only products that the import or bulk change with this `task_id` has created or updated, also if they were"
        " changed again since. Products that it deleted are not found. The call is refused if there is no such job, and"
        " once its change log has expired (UNDO_DAYS)."
    )
    changed_since = TimeOrDate(
        "Only products that were created or last changed at this time or later. A time needs a time zone, such as `Z`"
        " or `+02:00`; a date means its beginning in UTC."
    )

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `Filter`."""
        return Filter(**data)


class ProductFilterQuerySchema(QuerySchema, ProductFilterSchema):
    """A filter as query parameters. Unknown parameters are ignored."""

    class Meta:
        unknown = EXCLUDE

    active = Boolean(ACTIVE_FILTER, in_query=True)


@dataclass(frozen=True)
class ProductQuery:
    """The query of a page of products; `after` is a page token of `catalogue.sorting`."""

    filter: Filter
    sorting: Sorting
    page: int
    per_page: int
    after: str | None
    exact_total: bool


class ProductQuerySchema(ProductFilterQuerySchema):
    """The filter, the sorting and the page of a list of products."""

    page = PositiveInteger("The page number, starting at 1. Ignored if `after` is given.", MAX_PAGE, 1)
    per_page = PositiveInteger("The number of products per page.", MAX_PER_PAGE, DEFAULT_PER_PAGE)
    after = fields.String(
        metadata={
            "description": "The page token from `pagination.next` of the previous page. Send it with the same filters"
            " and sorting. Unlike page numbers, page tokens neither skip nor repeat products when others are created or"
            " deleted meanwhile, and the last page is as fast as the first.",
        }
    )
    sort_by = Choice("The field to sort by. Products with equal values are sorted by id.", *SORT_KEYS, default="id")
    sort_order = Choice("Ascending or descending.", "asc", "desc", default="asc")
    total = Choice("`exact` forces an exact total, which can take longer in a large catalogue.", "exact")

    @post_load
    def create(self, data: dict[str, Any], **_: Any) -> Any:
        """Return the `ProductQuery`."""
        return ProductQuery(
            sorting=Sorting(data.pop("sort_by"), data.pop("sort_order") == "desc"),
            page=data.pop("page"),
            per_page=data.pop("per_page"),
            after=data.pop("after", None),
            exact_total=bool(data.pop("total", None)),
            filter=Filter(**data),
        )


class Sku(Text):
    """The SKU of a product; surrounding spaces and invisible characters are removed."""

    def __init__(self, *, required: bool = False) -> None:
        description = (
            "The key of the product, unique regardless of case. Surrounding spaces and invisible characters, such as"
            " zero-width spaces, are removed, and it is normalised to NFC."
        )
        super().__init__(description, "A-1", SKU_MAX_CHARACTERS, required=required)
        self.metadata = {**self.metadata, "minLength": 1, "pattern": SKU_PATTERN}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        sku = super()._deserialize(clean_sku(value) if isinstance(value, str) else value, attr, data)
        if not sku:
            raise ValidationError(FieldProblem("no_sku", "The SKU must not be empty."))
        return sku


class ProductUpdateSchema(RequestSchema):
    """The fields of a product to change. Fields that are not given keep their values."""

    code = "invalid_product"
    message = "The product has invalid values; see `fields`."

    sku = Sku()
    name = Text("The name of the product.", "Blue lamp", NAME_MAX_CHARACTERS)
    description = Text("Any text.", "Matches the blue sofa.")
    active = Boolean("Whether the product is for sale.")
    started_from = Choice(STARTED_FROM, *ORIGINS)


class ProductSchema(Schema):
    """A product."""

    id = integer("The id of the product; it never changes.", minimum=1, examples=[42])
    sku = text("The key, unique regardless of case.", "A-1", minLength=1, maxLength=SKU_MAX_CHARACTERS)
    name = text("The name.", "Blue lamp", maxLength=NAME_MAX_CHARACTERS)
    description = text("Any text.", "Matches the blue sofa.")
    active = boolean("Whether the product is for sale.")
    created_at = timestamp("When the product was created")
    updated_at = timestamp("When the product last changed; in double quotes this is its ETag")


class ProductEditSchema(ProductUpdateSchema):
    """An edit of one of several products. Fields that are not given keep their values."""

    class Meta:
        unknown = EXCLUDE
        exclude = ("started_from",)

    id = fields.Integer(
        required=True,
        strict=True,
        metadata={"description": "The id of the product.", "examples": [42]},
        error_messages={
            "required": REQUIRED_MESSAGE,
            "null": REQUIRED_MESSAGE,
            "invalid": "This must be a whole number.",
        },
    )
    if_match = Text(
        "The version of the product as you know it: its ETag or its `updated_at`. If the product has changed since,"
        " this edit is refused. Without it, the last change wins.",
        EXAMPLE_TIME,
    )


class ProductEditsSchema(RequestSchema):
    """Edits of several products."""

    code = "invalid_edits"
    message = "Some of the edits are invalid, so nothing was changed; see `fields`."

    edits = fields.List(
        fields.Nested(ProductEditSchema),
        required=True,
        validate=Length(1, MAX_EDITS, error=f"Send 1 to {MAX_EDITS} edits."),
        metadata={"description": f"The edits, 1 to {MAX_EDITS}.", "minItems": 1, "maxItems": MAX_EDITS},
        error_messages={"required": REQUIRED_MESSAGE, "null": "This must be a list of edits."},
    )
    started_from = Choice(STARTED_FROM, *ORIGINS)


class EditOutcomeSchema(Schema):
    """What became of an edit."""

    id = fields.Integer(required=True, metadata={"description": "The id in the edit."})
    outcome = text(
        "`changed`; `unchanged`, if the product had the wanted values already; or `refused`.",
        "changed",
        enum=["changed", "unchanged", "refused"],
    )
    product = nested(ProductSchema, "The product as it is now; null if it does not exist.", nullable=True)
    error = nested(
        ErrorSchema,
        "Why the edit was refused: the error that changing this product alone would have had. Null if it was not.",
        nullable=True,
    )


class EditOutcomesSchema(MessageSchema):
    """What became of each edit, in the order of the request."""

    message = text("One sentence that says what was done.", "28 products were changed, 2 edits were refused.")
    count = integer("The number of products that were changed.", examples=[28])
    outcomes = nested_list(EditOutcomeSchema)


class NewProductSchema(ProductUpdateSchema):
    """A product to create. By default, its name and description are empty and it is active."""

    sku = Sku(required=True)


class ProductPaginationSchema(PaginationSchema):
    """The position of a page in the list of products."""

    next = text("The page token of the next page, to send as `after`; null on the last page.", nullable=True)
    total_is_estimate = boolean("Whether `total` and `pages` are estimates. Send `total=exact` for exact ones.")


class ProductPageSchema(Schema):
    """A page of products."""

    products = nested_list(ProductSchema)
    pagination = nested(ProductPaginationSchema)
