"""Page tokens: what `encode` writes, `decode` reads; anything else is refused before it reaches PostgreSQL."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg2 import sql

from catalogue.sorting import MAX_BIGINT, MAX_TOKEN_CHARACTERS, SORT_KEYS, InvalidPageToken, PageToken, Sorting
from models import NAME_MAX_CHARACTERS, SKU_MAX_CHARACTERS

TIMESTAMP = datetime(2026, 11, 28, 4, 5, 6, 789, tzinfo=UTC)
VALUES = {"id": 7, "sku": "a-1", "name": "straße 🧦", "active": True, "created_at": TIMESTAMP, "updated_at": TIMESTAMP}


def encode(fields: Any) -> str:
    """Return fields in the form of a page token, without any check."""
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


@pytest.mark.parametrize("by", list(SORT_KEYS))
@pytest.mark.parametrize("descending", [False, True])
def test_a_token_survives_its_journey_through_a_client(by: str, descending: bool) -> None:
    sorting = Sorting(by, descending)
    token = PageToken(sorting, 3, VALUES[by], 7)
    text = token.encode()
    assert PageToken.decode(text, sorting) == token
    assert text.replace("-", "").replace("_", "").isalnum(), "URL-safe"


@pytest.mark.parametrize("letter", ["x", "茶", "🧦", "\x01", '"'])
@pytest.mark.parametrize(("by", "length"), [("sku", SKU_MAX_CHARACTERS), ("name", NAME_MAX_CHARACTERS)])
def test_a_token_holds_the_longest_value(by: str, length: int, letter: str) -> None:
    token = PageToken(Sorting(by), 3, letter * length, 7)
    assert PageToken.decode(token.encode(), Sorting(by)) == token


@pytest.mark.parametrize(
    ("sorting", "fields"),
    [
        (Sorting("id"), ["sku", 0, 1, 7, 7]),
        (Sorting("id"), ["id", 1, 1, 7, 7]),
        (Sorting("id", descending=True), ["id", 0, 1, 7, 7]),
        (Sorting("id"), ["id", False, 1, 7, 7]),
        (Sorting("id"), ["id", 0, -1, 7, 7]),
        (Sorting("id"), ["id", 0, 1.0, 7, 7]),
        (Sorting("id"), ["id", 0, 1, 7, MAX_BIGINT + 1]),
        (Sorting("id"), ["id", 0, 1, "7", 7]),
        (Sorting("id"), ["id", 0, 1, True, 7]),
        (Sorting("id"), ["id", 0, 1, -MAX_BIGINT - 1, 7]),
        (Sorting("id"), ["id", 0, 1, MAX_BIGINT + 1, 7]),
        (Sorting("id"), ["id", 0, 1, None, 7]),
        (Sorting("id"), ["id", 0, 1, 7]),
        (Sorting("id"), ["id", 0, 1, 7, 7, 7]),
        (Sorting("id"), {"id": 7}),
        (Sorting("id"), 7),
        (Sorting("id"), None),
        (Sorting("active"), ["active", 0, 1, 1, 7]),
        (Sorting("sku"), ["sku", 0, 1, "a\0", 7]),
        (Sorting("sku"), ["sku", 0, 1, "\ud800", 7]),
        (Sorting("sku"), ["sku", 0, 1, 7, 7]),
        (Sorting("created_at"), ["created_at", 0, 1, "2026-11-28T04:05:06", 7]),
        (Sorting("created_at"), ["created_at", 0, 1, "yesterday", 7]),
        (Sorting("created_at"), ["created_at", 0, 1, 7, 7]),
    ],
)
def test_a_token_with_other_fields_is_refused(sorting: Sorting, fields: Any) -> None:
    with pytest.raises(InvalidPageToken):
        PageToken.decode(encode(fields), sorting)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "ä",
        "a",
        base64.urlsafe_b64encode(b"\xff").decode(),
        base64.urlsafe_b64encode(b"[").decode(),
        base64.urlsafe_b64encode(b"[" * 5_000).decode(),
        encode(["id", 0, 1, 7, 7]) + " " * MAX_TOKEN_CHARACTERS,
    ],
)
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidPageToken):
        PageToken.decode(text, Sorting())


def test_a_unique_key_needs_no_id_to_find_the_next_row() -> None:
    assert PageToken(Sorting("id", descending=True), 1, 7, 7).follows("id") == sql.SQL("id < {}").format(sql.Literal(7))
    after = sql.SQL("(key, id) > ({}, {})").format(sql.Literal(True), sql.Literal(7))
    assert PageToken(Sorting("active"), 1, True, 7).follows("key") == after
