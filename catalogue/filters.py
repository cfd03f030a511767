"""The product filters of the API, and the SQL condition that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

from psycopg2 import sql

from catalogue.changes import JobChanges
from catalogue.search_terms import parse_field, parse_query
from catalogue.text_matches import IN_LOWER_CASE, TEXT_COLUMNS, TextMatch, indexed_condition, pairs_condition

CHANGED_SINCE_SQL = "updated_at >= {}::timestamptz"


@dataclass(frozen=True)
class Filter:
    """A filter of products: a product matches if it meets every given field. Empty texts and None match everything.

    `q` is a query whose terms may each be in any of the three text columns; the other texts have terms that must all be
    in their column (catalogue/search_terms.py). Terms are looked for anywhere in a text, ignoring case. A term that is
    looked for in SKUs is cleaned like a SKU.
    No text may hold a NUL or a lone surrogate, which PostgreSQL cannot store.

    `changed_by` is the task id of a job: a product matches if the job has created or updated it. `changed_since` is a
    timestamp in ISO 8601 with a time zone: a product matches if it was last changed then or later.
    """

    q: str = ""
    sku: str = ""
    name: str = ""
    description: str = ""
    active: bool | None = None
    changed_by: str = ""
    changed_since: str = ""

    @property
    def changes(self) -> JobChanges | None:
        """The products of `changed_by`, if it is given."""
        return JobChanges(self.changed_by) if self.changed_by else None

    @property
    def finds_changes(self) -> bool:
        """Whether the filter looks for products by their changes."""
        return bool(self.changed_by or self.changed_since)

    def earliest_change(self) -> sql.Composable:
        """Return the condition that a product was changed after the earliest change that the filter can find."""
        if self.changes is not None and not self.changed_since:
            return self.changes.lower_bound()
        return sql.SQL(CHANGED_SINCE_SQL).format(sql.Literal(self.changed_since))

    @property
    def has_text(self) -> bool:
        """Whether the filter looks for a text."""
        return bool(self.q or self.sku or self.name or self.description)

    @property
    def is_empty(self) -> bool:
        """Whether every product matches."""
        return not (self.has_text or self.changed_by or self.changed_since) and self.active is None

    @cached_property
    def matches(self) -> tuple[TextMatch, ...]:
        """What the texts demand. Long texts are first, because they are rarer, and excluded ones last."""
        matches = [TextMatch(term.text, excluded=term.excluded) for term in parse_query(self.q)]
        for column in TEXT_COLUMNS:
            matches += [TextMatch(term.text, (column,)) for term in parse_field(getattr(self, column))]
        return tuple(sorted(matches, key=lambda match: (match.excluded, -len(match.text))))

    @property
    def is_indexable(self) -> bool:
        """Whether the search index of texts can help to find the products."""
        return any(match.is_indexable for match in self.matches)

    @property
    def has_pair(self) -> bool:
        """Whether the search index of texts can help to find the products if they are few."""
        return any(match.is_pair for match in self.matches)

    def to_json(self) -> dict[str, Any]:
        """Return the given fields, as a JSON body has them."""
        return {name: value for name, value in asdict(self).items() if value not in {"", None}}

    def condition(self) -> sql.Composable:
        """Return the condition for a WHERE clause over `products`.

        The values are literals, not parameters, so the planner can estimate how many rows match them.
        """
        return self._combine(match.condition() for match in self.matches)

    def scan_condition(self) -> sql.Composable:
        """Return the condition for a query that finds the texts without an index."""
        return self._combine((match.scan_condition() for match in self.matches), in_scan=True)

    def indexed_condition(self, shares: Sequence[float] = (), *, enough: float = 0) -> sql.Composable:
        """Return the condition in a form that uses the search index of texts, if the filter `is_indexable`.

        `shares` are those of all products that meet each of the `matches`, if they are known. The index need not look
        for all texts if the first ones leave `enough` of all products.
        """
        return self._combine([indexed_condition(self.matches, shares, enough=enough)], in_scan=True)

    def pairs_condition(self) -> sql.Composable:
        """Return what the index of texts finds of a filter that `has_pair`: all matches except in mixed texts."""
        return pairs_condition(self.matches)

    def lower_case_condition(self) -> sql.Composable:
        """Return the condition for rows whose texts are in lower case."""
        return self._combine((match.condition(IN_LOWER_CASE) for match in self.matches), in_scan=True)

    def _combine(self, texts: Iterable[sql.Composable], *, in_scan: bool = False) -> sql.Composable:
        if any(one.contradicts(other) for one, other in product(self.matches, repeat=2)):
            return sql.SQL("false")
        conditions = list(texts)
        if self.active is not None:
            conditions.append(sql.SQL("active" if self.active else "NOT active"))
        if self.changed_since:
            conditions.append(sql.SQL(CHANGED_SINCE_SQL).format(sql.Literal(self.changed_since)))
        if self.changes is not None:
            conditions.append(self.changes.scan_condition() if in_scan else self.changes.condition())
        return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")
