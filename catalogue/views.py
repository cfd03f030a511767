"""Saved views of the products: which ones a person may open, and how many there may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from models import SavedView

# The menu of the page shows all views of a list.
MAX_VIEWS = 200


def find_views(session: Session, user_id: int | None) -> Sequence[SavedView]:
    """Return the views of everyone and those of a person, sorted by name."""
    return session.scalars(
        select(SavedView).where(_is_visible(user_id)).order_by(func.lower(SavedView.name), SavedView.id)
    ).all()


def find_locked_view(session: Session, view_id: int, user_id: int | None) -> SavedView | None:
    """Return a view with its row locked; None if there is none that the person may open."""
    statement = select(SavedView).where(SavedView.id == view_id, _is_visible(user_id)).with_for_update()
    return session.scalars(statement).one_or_none()


def is_full(session: Session, owner_id: int | None) -> bool:
    """Return whether a list has so many views that no further one may be saved."""
    in_list = SavedView.owner_id.is_not_distinct_from(owner_id)
    count = session.scalar(select(func.count()).select_from(SavedView).where(in_list))
    return (count or 0) >= MAX_VIEWS


def _is_visible(user_id: int | None) -> ColumnElement[Any]:
    return or_(SavedView.owner_id.is_(None), SavedView.owner_id == user_id)
