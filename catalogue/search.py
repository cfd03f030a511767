"""One page of the products that match a filter, in any sorting, fast at any size of the catalogue.

A search has two strategies. If few products match, it fetches all matches through the search indexes
(catalogue/search_indexes.py) and sorts them. If many match, it scans the products in the wanted order until the page is
full. A sample of the table decides which. Counting many matches would take longer than everything else, so the total is
then an estimate from the sample and marked as such.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as Cursor

from catalogue.counting import count
from catalogue.filters import Filter
from catalogue.page_reader import ProductRow
from catalogue.page_search import PageSearch
from catalogue.search_thresholds import DEFAULT_THRESHOLDS, Thresholds
from catalogue.sorting import PageToken, Sorting


@dataclass(frozen=True)
class ProductPage:
    """A page of products. `total` counts the matches on all pages; `next` is the token of the next page, if any."""

    products: list[ProductRow]
    page: int
    total: int
    total_is_estimate: bool
    next: str | None


def find_page(
    cursor: Cursor,
    product_filter: Filter,
    sorting: Sorting,
    *,
    page: int = 1,
    per_page: int = 50,
    after: str | None = None,
    exact_total: bool = False,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> ProductPage:
    """Return the page with the number `page`, counted from 1, or the one that follows the page token `after`.

    `after` is the `next` of another page with the same filter and sorting. Raises `sorting.InvalidPageToken` if `after`
    is no page token or has another sorting. With `exact_total` the total is counted, however long that takes. Changes
    settings of the planner in the caller's transaction (`SET LOCAL`).
    """
    token = PageToken.decode(after, sorting) if after else None
    page = token.page + 1 if token else page
    # One product more than the page holds shows whether there is a next page.
    offset, limit = 0 if token else (page - 1) * per_page, per_page + 1
    search = PageSearch(cursor, product_filter, sorting, token, offset, limit, thresholds)
    rows = search.run()
    if search.estimated and not token and (rows or page == 1) and len(rows) <= per_page:
        # This is the last page, so its offset and length give the total.
        search.total, search.estimated = offset + len(rows), False
    if search.estimated and exact_total:
        search.total, search.estimated = count(cursor, product_filter, search.generations), False
    next_token = None
    if len(rows) > per_page:
        rows = rows[:per_page]
        next_token = PageToken(sorting, page, rows[-1][-1], rows[-1][0]).encode()
    return ProductPage([ProductRow(*row[:-1]) for row in rows], page, search.total, search.estimated, next_token)
