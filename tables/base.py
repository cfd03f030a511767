"""The base class of all tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    DateTime,
    MetaData,
    Text,
)
from sqlalchemy.orm import DeclarativeBase

# What clients say about where a job or an edit was started.
ORIGINS = ("page", "api")


class Base(DeclarativeBase):
    """The base class of all tables. Constraint names follow a convention, so migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_name)s_idx",
            "uq": "%(table_name)s_%(column_0_name)s_key",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: DateTime(timezone=True), int: BigInteger, str: Text}


def is_one_of(column: str, values: tuple[str, ...]) -> str:
    """Return an SQL condition that limits a column to the given words."""
    return f"{column} IN ({', '.join(map(repr, values))})"
