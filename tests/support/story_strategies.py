"""Hypothesis strategies for `test_story.py`: files, options, edits of products, and interruptions of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from support.story_jobs import Values

TOO_LONG_NAME = "x" * 501
TOO_LONG_SKU = "x" * 256

# SKUs whose lower case differs between PostgreSQL and Python, and different SKUs with the same lower case.
SKUS = ["a", "A", "b", "c", "ß", "ẞ", "SS", "ss", "İ", "i̇", "k", "K", "Σς", "σσ"]
TEXTS = ["", "n", "N", "m, m"]
# The values of the column `active`, and what they mean. An empty cell leaves a product as it is.
ACTIVE = {"": None, "yes": True, "NO": False}
UNUSABLE_ACTIVE = "maybe"
# A few cells are unusable, so that their rows are rejected.
CELLS = {
    "sku": st.sampled_from([*SKUS, *SKUS, TOO_LONG_SKU]),
    "name": st.sampled_from([*TEXTS * 5, TOO_LONG_NAME]),
    "description": st.sampled_from(TEXTS),
    "active": st.sampled_from([*[*ACTIVE] * 5, UNUSABLE_ACTIVE]),
}
FULL_HEADER = ["sku", "name", "description", "active"]
HEADERS = [FULL_HEADER, ["name", "sku"], ["active", "sku"], ["description", "sku"], ["sku"]]

# A header and its rows.
Table = tuple[list[str], list[list[str]]]


def _rows_below(header: list[str]) -> st.SearchStrategy[list[list[str]]]:
    row = st.tuples(*(CELLS[name] for name in header)).map(list)
    long_table = st.lists(row, min_size=4, max_size=12)
    short_table = st.lists(row | row.map(lambda row: [*row, "surplus cell"]), max_size=4)
    return st.one_of(long_table, long_table, long_table, short_table)


def is_accepted(header: list[str], row: list[str]) -> bool:
    """Return whether the importer accepts a row."""
    return len(row) == len(header) and not {TOO_LONG_NAME, TOO_LONG_SKU, UNUSABLE_ACTIVE} & set(row)


def find_skus(header: list[str], row: list[str]) -> list[str]:
    """Return the SKUs that a rejected row may have: any of its cells if it has a wrong number of them."""
    cells = [row[header.index("sku")]] if len(row) == len(header) else row
    return [cell for cell in cells if cell in SKUS]


TABLES: st.SearchStrategy[Table] = st.sampled_from(HEADERS).flatmap(
    lambda header: st.tuples(st.just(header), _rows_below(header))
)
MODES = st.sampled_from(["upsert", "upsert", "upsert", "create", "update"])
REJECT_POLICIES = st.sampled_from(["skip", "skip", "skip", "skip", "fail"])
PREVIEW = st.sampled_from([False, False, True])
# What happens to products that are not in the file, and the largest share of the catalogue to which it may happen.
MISSING = st.sampled_from(["keep", "keep", "deactivate", "delete"])
MISSING_LIMITS = st.sampled_from([1, 1, 0.5, 0.29])
RETRY_OPTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "preview": st.booleans(),
        "mode": MODES,
        "on_reject": REJECT_POLICIES,
        "missing": MISSING,
        "missing_limit": MISSING_LIMITS,
    },
) | st.just({})
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "sku": st.sampled_from(SKUS),
        "name": st.sampled_from(TEXTS),
        "description": st.sampled_from(TEXTS),
        "active": st.booleans(),
    },
)
# Chooses one of the jobs or products that a rule applies to.
CHOICES = st.integers(0, 6)

# The kind of an edit, which product it starts with, and the new values.
Edit = tuple[str, int, Values]
EDIT_KINDS = ["put", "create", "delete", "ids", "filter", "delete ids", "delete filter", "delete all"]
EDITS: st.SearchStrategy[Edit] = st.tuples(st.sampled_from(EDIT_KINDS), CHOICES, VALUES)


@dataclass(frozen=True)
class Plan:
    """What happens to a worker at one of its steps, counted from 1.

    A worker with `stops_early` stops cleanly after each slice and continues with another message.
    """

    interruption: str = "nothing"
    at_step: int = 1
    stops_early: bool = False
    edit: Edit = ("put", 0, {})


def _plans(*, last_step: int) -> st.SearchStrategy[Plan]:
    interruption = st.sampled_from(["nothing", "nothing", "kill", "kill before commit", "cancel", "edit"])
    return st.builds(Plan, interruption, st.integers(1, last_step), st.sampled_from([False, False, True]), EDITS)


# None leaves the job to a later worker.
PLANS = _plans(last_step=5)
PLANS_OR_NONE = st.one_of(PLANS, PLANS, PLANS, st.none())
UNDO_PLANS_OR_NONE = st.one_of(*[_plans(last_step=2)] * 3, st.none())
