"""The API through Flask's test client: check responses and errors, and work with products."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def read_json(response: TestResponse, status: int = 200) -> Any:
    """Return the body of a response, which must have this status."""
    assert response.status_code == status, response.text
    return response.json


def read_error(response: TestResponse, status: int, code: str, *fields: str) -> str:
    """Return the message of an error, which must have this status, this code and exactly these invalid fields.

    Also checks the shape that all errors share.
    """
    assert (response.status_code, response.mimetype) == (status, "application/json"), response.text
    body = response.json
    assert body is not None
    assert set(body) - {"details", "field_problems"} == {"error", "code", "status", *(["fields"] if fields else [])}
    assert body.get("details", True)
    assert (body["status"], body["code"]) == (status, code)
    assert body["error"].endswith(".")
    assert "Traceback" not in response.text
    messages_by_field = body.get("fields", {})
    assert list(messages_by_field) == list(fields)
    for messages in messages_by_field.values():
        assert messages
        assert all(message.endswith(".") for message in messages)
    for name, problems in body.get("field_problems", {}).items():
        assert len(problems) == len(messages_by_field[name])
    return str(body["error"])


def create_product(client: FlaskClient, sku: str, **values: Any) -> Any:
    """Create a product and return it."""
    return read_json(client.post("/api/products", json={"sku": sku, **values}), 201)


def list_skus(client: FlaskClient, **parameters: Any) -> list[str]:
    """Return the SKUs on a page of the list of products, in their order."""
    body = read_json(client.get("/api/products", query_string=parameters))
    return [product["sku"] for product in body["products"]]
