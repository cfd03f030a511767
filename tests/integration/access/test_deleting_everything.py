"""Deleting everything is for administrators, however the filter spells it."""

from __future__ import annotations

import pytest
from flask import Flask

from support.api import read_error, read_json
from support.database import execute
from support.sign_in import create_session, create_user


@pytest.mark.parametrize("product_filter", [{}, {"q": ""}, {"sku": " "}, {"name": "\u3000"}, {"active": None}])
def test_an_editor_cannot_delete_with_a_filter_that_selects_everything(
    app: Flask, database_url: str, product_filter: dict[str, object]
) -> None:
    editor = app.test_client()
    editor.set_cookie("acme_session", create_session(database_url, create_user(database_url, "editor")))
    execute(database_url, "INSERT INTO products (sku) VALUES ('A'), ('B')")
    response = editor.post("/api/products/bulk", json={"action": "delete", "filter": product_filter})
    assert response.status_code in {400, 403}
    assert len(execute(database_url, "SELECT sku FROM products")) == 2


@pytest.mark.parametrize("field", ["q", "sku", "name", "description"])
def test_a_text_of_invisible_characters_does_not_select_everything(app: Flask, database_url: str, field: str) -> None:
    editor = app.test_client()
    editor.set_cookie("acme_session", create_session(database_url, create_user(database_url, "editor")))
    execute(database_url, "INSERT INTO products (sku) VALUES ('A'), ('B')")
    body = {"action": "delete", "filter": {field: "\u200b"}}
    assert read_json(editor.post("/api/products/bulk", json=body))["count"] == 0
    assert len(execute(database_url, "SELECT sku FROM products")) == 2
    read_error(editor.delete("/api/products/bulk-delete"), 403, "forbidden")
