"""Bulk changes: one change of many products, as JSON, as SQL and in words.

The web layer creates a job for each of them, and `importer.pipeline.bulk` does the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from catalogue.selection import Selection, selected_ids, selection_condition

# A list of jobs has the value that a bulk change sets. A description may have a million characters.
MAX_SHOWN_CHARACTERS = 1000

# Each action with its past participle, for sentences.
ACTIONS = {"activate": "activated", "deactivate": "deactivated", "delete": "deleted", "set": "changed"}
# The fields of a product that the action `set` can set.
FIELDS = ("name", "description", "active")

COUNT_SQL = "SELECT count(*), count(*) FILTER (WHERE {difference}) FROM products WHERE {condition}"


@dataclass(frozen=True)
class BulkChange:
    """One of `ACTIONS`, and the products that it applies to: those that match a filter or have one of the given ids.

    With the action `set`, `field` is one of `FIELDS` and `value` its new value.
    """

    action: str
    selection: Selection
    field: str | None = None
    value: str | bool | None = None

    @classmethod
    def from_json(cls, bulk: Mapping[str, Any], bulk_input: Mapping[str, Any]) -> BulkChange:
        """Return the change that `to_json` and `input_json` describe."""
        selection = bulk_input["ids"] if bulk["selection"] == "ids" else Filter(**(bulk["filter"] or {}))
        return cls(bulk["action"], selection, bulk["field"], bulk_input["value"])

    def to_json(self) -> dict[str, Any]:
        """Return the change as clients see it: with the number of ids, and with at most the start of a long value."""
        value = self.value
        if isinstance(value, str) and len(value) > MAX_SHOWN_CHARACTERS:
            value = f"{value[:MAX_SHOWN_CHARACTERS]}…"
        by_filter = isinstance(self.selection, Filter)
        return {
            "action": self.action,
            "field": self.field,
            "value": value,
            "selection": "all" if self.selects_all else "filter" if by_filter else "ids",
            "filter": self.selection.to_json() if isinstance(self.selection, Filter) and not self.selects_all else None,
            "ids": None if by_filter else len(self.ids),
        }

    def input_json(self) -> dict[str, Any]:
        """Return what `to_json` leaves out or shortens."""
        return {"ids": self.ids, "value": self.value}

    @property
    def ids(self) -> list[int]:
        """The given ids, each once; empty if a filter selects the products."""
        return selected_ids(self.selection)

    @property
    def selects_all(self) -> bool:
        """Whether the change applies to every product."""
        return isinstance(self.selection, Filter) and self.selection.is_empty

    @property
    def deletes(self) -> bool:
        """Whether the change deletes products."""
        return self.action == "delete"

    @property
    def deletes_all(self) -> bool:
        """Whether the change deletes every product."""
        return self.deletes and self.selects_all

    @property
    def column(self) -> str:
        """The column of `products` that the change sets, if it does not delete."""
        return self.field if self.action == "set" and self.field else "active"

    @property
    def new_value(self) -> str | bool | None:
        """The new value of `column`."""
        return self.value if self.action == "set" else self.action == "activate"

    @property
    def title(self) -> str:
        """The words that a list of jobs shows."""
        if self.action != "set":
            return f"{self.action.capitalize()} {'all ' if self.selects_all else ''}products"
        if self.field == "active":
            return f"{'Activate' if self.value else 'Deactivate'} {'all ' if self.selects_all else ''}products"
        return f"Set the {self.field} of {'all ' if self.selects_all else ''}products"

    def condition(self) -> sql.Composable:
        """Return the condition that the change applies to a row of `products`, whose columns have no prefix in it."""
        return selection_condition(self.selection)

    def difference(self) -> sql.Composable:
        """Return the condition that the change makes a difference to a row of `products`."""
        if self.deletes:
            return sql.SQL("true")
        return sql.SQL("{} <> {}").format(sql.Identifier(self.column), sql.Literal(self.new_value))

    def count(self, cursor: Cursor) -> tuple[int, int]:
        """Return how many products the change applies to now, and how many of them it would change or delete."""
        cursor.execute(sql.SQL(COUNT_SQL).format(difference=self.difference(), condition=self.condition()))
        found, changed = cursor.fetchone() or (0, 0)
        return found, changed

    def describe_plan(self, found: int, changed: int) -> str:
        """Return the sentence that says what the change would do; the numbers are those of `count`."""
        products = "product" if found == 1 else "products"
        return f"{changed:,} of {found:,} {products} would be {ACTIONS[self.action]}."

    def describe_result(self, found: int, changed: int) -> str:
        """Return the sentence that says what the change did: how many products it found, and how many it changed."""
        participle, unchanged = ACTIONS[self.action], found - changed
        sentence = f"{_count_were(changed, 'product')} {participle}" if changed else f"No product was {participle}"
        if unchanged:
            sentence += f", {self._describe_unchanged(unchanged)}"
        missing = len(self.ids) - found
        if missing > 0:
            sentence += f", {missing:,} no longer exist{'s' if missing == 1 else ''}"
        return f"{sentence}."

    def _describe_unchanged(self, count: int) -> str:
        if self.deletes:
            return f"{count:,} no longer matched"
        if self.column == "active":
            return f"{_count_were(count)} already {'active' if self.new_value else 'inactive'}"
        return f"{count:,} had this {self.column} already"


def _count_were(count: int, noun: str = "") -> str:
    """Return the start of a clause, such as "1 product was" or "1,200 were"."""
    counted = f"{count:,} {noun}{'' if count == 1 else 's'}" if noun else f"{count:,}"
    return f"{counted} {'was' if count == 1 else 'were'}"
