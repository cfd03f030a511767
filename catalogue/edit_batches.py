"""Edits of several products in one transaction: each is made, makes no difference, or is refused for a reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from access.audit import Origin
from catalogue.edits import EditedProduct, record_edits
from catalogue.page_reader import ProductRow
from catalogue.selection import MAX_ID
from database.serializers import format_timestamp
from monitoring.context import current_request_id
from webhook_service import INSERT_UPDATED_SQL

Refusal = Literal["not_found", "changed_since", "duplicate_sku", "repeated_id"]

PRODUCT_COLUMNS = ", ".join(ProductRow._fields)
# The order of the locks is that of all writers, so they do not deadlock.
LOCK_PRODUCTS_SQL = f"""
SELECT {PRODUCT_COLUMNS}, restored FROM products WHERE id = ANY (%s::bigint[])
ORDER BY lower(sku) COLLATE "C" FOR UPDATE
"""
READ_CLOCK_SQL = "SELECT clock_timestamp()"
# The product that has a wanted SKU, if it is another one, and whether the edit gives the old SKU away.
FIND_HOLDERS_SQL = """
SELECT w.id, w.key, holder.id, lower(product.sku) COLLATE "C" <> w.key
FROM (
    SELECT id, lower(sku) COLLATE "C" AS key FROM unnest(%(ids)s::bigint[], %(skus)s::text[]) AS u (id, sku)
) w
JOIN products product ON product.id = w.id
LEFT JOIN products holder ON lower(holder.sku) COLLATE "C" = w.key AND holder.id <> w.id
"""
# The unique index compares after each row, so products that pass their SKUs on first get SKUs that nobody else has.
SET_ASIDE_SKUS_SQL = "UPDATE products SET sku = gen_random_uuid()::text, updated_at = %(at)s WHERE id = ANY (%(ids)s)"
UPDATE_PRODUCTS_SQL = f"""
WITH edits AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(edits)s) AS e (id bigint, sku text, name text, description text, active boolean)
), updated AS (
    UPDATE products p SET sku = e.sku, name = e.name, description = e.description, active = e.active,
        updated_at = %(at)s
    FROM edits e WHERE p.id = e.id
    RETURNING p.id, p.sku, p.name, p.description, p.active, p.created_at, p.updated_at
){INSERT_UPDATED_SQL.format(request_id="%(request_id)s")}
SELECT {PRODUCT_COLUMNS} FROM updated
"""


@dataclass(frozen=True)
class ProductEdit:
    """An edit of one product: the fields to set, and the version of the product that the client knows, if it matters.

    The version is the `updated_at` of the product, as the API shows it.
    """

    id: int
    values: dict[str, Any]
    version: str | None = None


@dataclass
class EditResult:
    """What became of an edit: the product as it is now, if it exists, and why it was refused, if it was."""

    edit: ProductEdit
    product: ProductRow | None = None
    refusal: Refusal | None = None
    is_changed: bool = False


class _Claim(NamedTuple):
    """The wish of a product for a SKU with this key, which another product may hold now."""

    id: int
    key: str
    holder: int | None
    gives_away: bool


def edit_products(
    cursor: Cursor, origin: Origin, edits: Sequence[ProductEdit], *, started_from: str
) -> list[EditResult]:
    """Make edits with their events, history and audit entries, in the caller's transaction; return what became of each.

    An edit that is refused does not hinder the others. Products may exchange their SKUs. Raises psycopg2's
    `UniqueViolation` if another client takes a SKU at the same time.
    """
    cursor.execute(LOCK_PRODUCTS_SQL, [sorted({edit.id for edit in edits if 0 < edit.id <= MAX_ID})])
    rows = cursor.fetchall()
    products = {row[0]: ProductRow(*row[:-1]) for row in rows}
    restored = {row[0]: row[-1] for row in rows}
    results = _judge(edits, products)
    wanted = {result.edit.id: result for result in results if result.is_changed}
    passed_on = _refuse_taken_skus(cursor, wanted)
    changed = {product_id: result for product_id, result in wanted.items() if result.is_changed}
    if not changed:
        return results
    at = _read_clock(cursor)
    records = []
    for after in _write(cursor, changed, passed_on, at):
        before, result = products[after.id], changed[after.id]
        result.product = after
        edited = EditedProduct(after.id, after.sku, at, before.updated_at, restored[after.id])
        records.append((edited, _changes(before, result.edit)))
    record_edits(cursor, origin, "product.updated", records, started_from=started_from)
    return results


def _judge(edits: Sequence[ProductEdit], products: dict[int, ProductRow]) -> list[EditResult]:
    """Return the results as far as the products themselves decide; `is_changed` says that an edit is to be made."""
    results, seen = [], set[int]()
    for edit in edits:
        product = products.get(edit.id)
        result = EditResult(edit, product)
        if edit.id in seen:
            result.refusal = "repeated_id"
        elif product is None:
            result.refusal = "not_found"
        elif all(getattr(product, name) == value for name, value in edit.values.items()):
            # A client that repeats a call after a lost connection finds its edits made.
            pass
        elif edit.version not in {None, format_timestamp(product.updated_at)}:
            result.refusal = "changed_since"
        else:
            result.is_changed = True
        seen.add(edit.id)
        results.append(result)
    return results


def _refuse_taken_skus(cursor: Cursor, wanted: dict[int, EditResult]) -> list[int]:
    """Refuse the edits whose SKUs other products keep; return the ids of the products that pass on their SKUs."""
    skus = {
        product_id: result.edit.values["sku"]
        for product_id, result in wanted.items()
        if result.product and result.edit.values.get("sku", result.product.sku) != result.product.sku
    }
    if not skus:
        return []
    cursor.execute(FIND_HOLDERS_SQL, {"ids": list(skus), "skus": list(skus.values())})
    found = {claim.id: claim for claim in (_Claim(*row) for row in cursor.fetchall())}
    # In the order of the request, so that the first of two equal SKUs wins.
    claims = [found[product_id] for product_id in skus]
    while refused := _find_refused(claims):
        for product_id in refused:
            wanted[product_id].refusal = "duplicate_sku"
            wanted[product_id].is_changed = False
        # A product that keeps its SKU may hold what another one wants.
        claims = [claim for claim in claims if claim.id not in refused]
    return [claim.holder for claim in claims if claim.holder is not None]


def _find_refused(claims: Collection[_Claim]) -> set[int]:
    """Return the products that cannot get their SKUs while the other claims stand."""
    leaving = {claim.id for claim in claims if claim.gives_away}
    refused, keys = set(), set()
    for claim in claims:
        if claim.key in keys or (claim.holder is not None and claim.holder not in leaving):
            refused.add(claim.id)
        keys.add(claim.key)
    return refused


def _read_clock(cursor: Cursor) -> datetime:
    cursor.execute(READ_CLOCK_SQL)
    at: datetime = (cursor.fetchone() or ())[0]
    return at


def _write(cursor: Cursor, changed: dict[int, EditResult], passed_on: list[int], at: datetime) -> list[ProductRow]:
    """Write the products and their events; return the new versions."""
    if passed_on:
        cursor.execute(SET_ASIDE_SKUS_SQL, {"ids": passed_on, "at": at})
    edits = [
        {
            name: result.edit.values.get(name, getattr(result.product, name))
            for name in ("id", "sku", "name", "description", "active")
        }
        for result in changed.values()
    ]
    cursor.execute(UPDATE_PRODUCTS_SQL, {"edits": Json(edits), "at": at, "request_id": current_request_id()})
    return [ProductRow(*row) for row in cursor.fetchall()]


def _changes(before: ProductRow, edit: ProductEdit) -> dict[str, list[Any]]:
    """Return the values before and after of the fields that an edit changes."""
    values = {name: [getattr(before, name), value] for name, value in edit.values.items()}
    return {name: [old, new] for name, (old, new) in values.items() if old != new}
