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
# Each change with its title: the action, or with the action `set`, what is set. `all` is "all " or nothing.
TITLES = {
    "activate": "Activate {all}products",
    "deactivate": "Deactivate {all}products",
    "delete": "Delete {all}products",
    "set_active": "Activate {all}products",
    "set_inactive": "Deactivate {all}products",
    "set_name": "Set the name of {all}products",
    "set_description": "Set the description of {all}products",
}
# What sentences say about products that had the new values already.
UNCHANGED = {
    "delete": "{count:,} no longer matched",
    "set_name": "{count:,} had this name already",
    "set_description": "{count:,} had this description already",
}
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
    def name(self) -> str:
        """What the change does: one of `TITLES`."""
        return name_change(self.action, self.field, self.value)

    @property
    def scope(self) -> str:
        """Whether the change applies to `all` products or to `some`, as `describe_title` takes it."""
        return "all" if self.selects_all else "some"

    @property
    def title(self) -> str:
        """The words that a list of jobs shows."""
        return describe_title(self.name, self.scope)

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

    def result(self, found: int, changed: int) -> dict[str, Any]:
        """Return the parameters of `describe_result`, from the numbers of products that were found and changed."""
        gone = max(0, len(self.ids) - found)
        return {"change": self.name, "changed": changed, "unchanged": found - changed, "gone": gone}


def name_change(action: str, field: str | None, value: str | bool | None) -> str:
    """Return what a bulk change does: one of `TITLES`."""
    if action != "set":
        return action
    if field == "active":
        return "set_active" if value else "set_inactive"
    return f"set_{field}"


def describe_title(change: str, selection: str) -> str:
    """Return the title of a bulk change. `change` is one of `TITLES`; `selection` is `all` or `some`."""
    return TITLES[change].format(all="all " if selection == "all" else "")


def describe_result(change: str, changed: int, unchanged: int, gone: int) -> str:
    """Return what a bulk change did. `change` is one of `TITLES`.

    The numbers are those of the products that it changed, that had the new value already, and that no longer exist.
    """
    participle = ACTIONS.get(change, ACTIONS["set"])
    sentence = f"{_count_were(changed, 'product')} {participle}" if changed else f"No product was {participle}"
    if unchanged:
        sentence += f", {_describe_unchanged(change, unchanged)}"
    if gone:
        sentence += f", {gone:,} no longer exist{'s' if gone == 1 else ''}"
    return f"{sentence}."


def _describe_unchanged(change: str, count: int) -> str:
    if change in UNCHANGED:
        return UNCHANGED[change].format(count=count)
    return f"{_count_were(count)} already {'active' if change in {'activate', 'set_active'} else 'inactive'}"


def _count_were(count: int, noun: str = "") -> str:
    """Return the start of a clause, such as "1 product was" or "1,200 were"."""
    counted = f"{count:,} {noun}{'' if count == 1 else 's'}" if noun else f"{count:,}"
    return f"{counted} {'was' if count == 1 else 'were'}"
