"""What a client selects: the products that match a filter, or those with the given ids."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg2 import sql

from catalogue.filters import Filter

MAX_ID = 2**63 - 1

Selection = Filter | Sequence[int]


def selected_ids(selection: Selection) -> list[int]:
    """Return the given ids, sorted and each once; empty if a filter selects the products."""
    return [] if isinstance(selection, Filter) else sorted(set(selection))


def selection_condition(selection: Selection) -> sql.Composable:
    """Return the condition for a WHERE clause over `products`, whose columns have no prefix in it."""
    if isinstance(selection, Filter):
        return selection.condition()
    # Clients may send numbers outside the range of bigint; no product has such an id.
    ids = [number for number in selected_ids(selection) if 0 < number <= MAX_ID]
    return sql.SQL("id = ANY ({}::bigint[])").format(sql.Literal(ids))
