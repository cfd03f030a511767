"""The table of saved views of the products."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from tables.base import Base

VIEW_NAME_MAX_CHARACTERS = 100


class SavedView(Base):
    """A saved view of the products: a filter, a sorting, the columns that are shown and their widths, under a name.

    The view of a person is deleted with the person; a view without an owner belongs to everyone. A name is unique in
    the list of its owner, and in that of everyone. `filter` is what the client sent: a later version of the product may
    not know one of its fields any more. `columns` is NULL if all are shown.
    """

    __tablename__ = "saved_views"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(VIEW_NAME_MAX_CHARACTERS))
    filter: Mapped[dict[str, Any]] = mapped_column(JSON)
    sort_by: Mapped[str] = mapped_column(String(16))
    sort_order: Mapped[str] = mapped_column(String(4))
    columns: Mapped[list[str] | None] = mapped_column(ARRAY(String(16)))
    widths: Mapped[dict[str, int]] = mapped_column(JSON)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        CheckConstraint("sort_order IN ('asc', 'desc')", name="sort_order"),
        Index("saved_views_name_key", "owner_id", text("lower(name)"), unique=True, postgresql_nulls_not_distinct=True),
    )
