"""The schemas of the list of products that an import or a bulk change affected."""

from __future__ import annotations

from marshmallow import Schema

from api.products.schemas import ProductSchema
from api.request_fields import Choice
from api.response_fields import boolean, dictionary, integer, nested, nested_list, text
from api.schemas import PageQuerySchema, PaginationSchema

# What an import can do with a product, in the order of the list of affected products.
PRODUCT_CHANGES = ("created", "updated", "deactivated", "deleted", "left_out")


class AffectedProductQuerySchema(PageQuerySchema):
    """The filter and the page of a list of products that an import affected."""

    change = Choice(
        "Only products that the import created or updated; that it deactivated or deleted, because the file does not"
        " have them; or that it left out because of its mode.",
        *PRODUCT_CHANGES,
    )


class AffectedProductSchema(Schema):
    """A product that an import created, changed, deleted or left out."""

    change = text("What the import did with the product.", "created", enum=list(PRODUCT_CHANGES))
    id = integer("The id of the product; null if it was left out.", minimum=1, nullable=True)
    sku = text("The SKU; null if the product was deleted, unless this import deleted it.", "A-1", nullable=True)
    product = nested(ProductSchema, "The product as it is now; null if it does not exist.", nullable=True)
    before = dictionary(
        "The values before the change: of the fields that the import changed, or all if it deleted the product; null if"
        " it created the product or left it out.",
        nullable=True,
        examples=[{"name": "Blue lamp"}],
    )
    after = dictionary(
        "The present values of the fields that the import set; null if the product does not exist or was left out.",
        nullable=True,
        examples=[{"name": "Red lamp"}],
    )
    edited_since = boolean(
        "Whether the product was changed after the import, or the import was undone: `after` may have later values."
    )


class AffectedProductPageSchema(Schema):
    """A page of products that an import affected."""

    products = nested_list(AffectedProductSchema)
    pagination = nested(PaginationSchema)
