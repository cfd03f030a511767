"""The table of uploads that can be resumed."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from tables.base import Base


class ResumableUpload(Base):
    """A file that arrives in one or more requests. `id` becomes the task id of its import.

    `state` is what the storage returned at the last checkpoint, at which `offset_bytes` had arrived. `fence` belongs to
    the request that may write; a newer request replaces it. `options` are those of the import, and `metadata` is the
    header from which they were read. The row of a finished upload stays until it expires, so that a client that has
    lost the last response finds its import.
    """

    __tablename__ = "uploads"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    actor_type: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[int | None]
    filename: Mapped[str]
    metadata_: Mapped[str] = mapped_column("metadata")
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)
    length_bytes: Mapped[int]
    offset_bytes: Mapped[int] = mapped_column(server_default="0")
    state: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    fence: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("length_bytes > 0 AND offset_bytes BETWEEN 0 AND length_bytes", name="offset"),
        Index(None, "expires_at"),
    )
