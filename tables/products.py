"""The tables of the catalogue.

SKUs are unique without regard to case. PostgreSQL's `lower()` decides which SKUs are equal, and queries that look up a
SKU compare `lower(sku) COLLATE "C"`, the expression of the unique index. Collation "C" compares bytes, so the index has
the same order in every database, and an import can merge its sorted rows with the index.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    String,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from tables.base import ORIGINS, Base, is_one_of

SKU_MAX_CHARACTERS = 255
NAME_MAX_CHARACTERS = 500
# The prefix of the indexes that the application creates at run time. They have no models.
SEARCH_INDEX_PREFIX = "products_search_"


class Product(Base):
    """A product in the catalogue."""

    __tablename__ = "products"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    sku: Mapped[str] = mapped_column(String(SKU_MAX_CHARACTERS))
    name: Mapped[str] = mapped_column(String(NAME_MAX_CHARACTERS), server_default="")
    description: Mapped[str] = mapped_column(server_default="")
    active: Mapped[bool] = mapped_column(server_default=true())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # An undo sets two timestamps: the `updated_at` of the version that it restored, and the time of the restoration.
    # See importer/pipeline/undo.py.
    restored: Mapped[list[datetime] | None] = mapped_column(ARRAY(DateTime(timezone=True)), deferred=True)

    __table_args__ = (
        Index("products_sku_key", text('lower(sku) COLLATE "C"'), unique=True),
        # Every write updates this index. The indexes of the other sort orders are built in the background, see
        # catalogue/search_indexes.py.
        Index("products_updated_at_idx", "updated_at", "id"),
    )


class ProductEdit(Base):
    """A change of a single product by the page or by a script, written in the transaction of the change.

    `at` is the `updated_at` that the edit gave the product, and `previous_at` the one before; it is NULL if the edit
    created the product. If an undo had made the version before, `restored_version` is the version that it brought back.
    `changes` holds the full values before and after: `{"name": ["lamp", "Lamp"]}`. There is no foreign key: a product
    that was deleted may be restored by an undo, with its id.
    """

    __tablename__ = "product_edits"

    product_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    previous_at: Mapped[datetime | None]
    restored_version: Mapped[datetime | None]
    changes: Mapped[dict[str, Any]] = mapped_column(JSON)
    started_from: Mapped[str] = mapped_column(String(16))
    # The actor as in the audit log.
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_name: Mapped[str]

    __table_args__ = (
        CheckConstraint(is_one_of("started_from", ORIGINS), name="started_from"),
        # For the reaper, which removes old edits.
        Index(None, "at"),
    )


class SearchIndexBuild(Base):
    """The builds of one kind of search index since its last success; see catalogue/search_index_builds.py."""

    __tablename__ = "search_index_builds"

    kind: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    attempted_at: Mapped[datetime]
    error: Mapped[str | None]


class ProductCount(Base):
    """By how many products a transaction has changed their number; the sum of all entries is the number of products.

    An entry is NULL if that is unknown, and then the number is unknown as well; see catalogue/product_count.py.
    """

    __tablename__ = "product_counts"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    change: Mapped[int | None]
