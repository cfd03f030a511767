"""Which responses of the API are compressed."""

from __future__ import annotations

import gzip
import json

from flask.testing import FlaskClient

from support.api import create_product

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def test_long_lists_are_compressed_for_clients_that_accept_it(client: FlaskClient) -> None:
    for number in range(10):
        create_product(client, f"LAMP-{number}", name="A long name of a lamp")
    plain = client.get("/api/products")
    compressed = client.get("/api/products", headers=GZIP)
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert len(compressed.data) < len(plain.data) / 2
    assert json.loads(gzip.decompress(compressed.data)) == plain.get_json()
    assert int(compressed.headers["Content-Length"]) == len(compressed.data)
    assert compressed.headers["Cache-Control"] == plain.headers["Cache-Control"]
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"
    for refused in ("identity", "gzip;q=0", "br"):
        assert client.get("/api/products", headers={"Accept-Encoding": refused}).data == plain.data
    head = client.head("/api/products", headers=GZIP)
    assert (head.status_code, head.data) == (200, b"")


def test_nothing_else_of_the_api_is_compressed(client: FlaskClient) -> None:
    product = create_product(client, "A", description="x" * 5_000)
    secret = client.post(
        "/api/webhooks", json={"url": f"https://example.com/{'x' * 1_500}", "event_type": "*", "secret": "y" * 50}
    ).get_json()
    paths = {
        # It has an ETag, which clients send back.
        f"/api/products/{product['id']}": 200,
        # They may contain secrets.
        f"/api/webhooks/{secret['id']}": 200,
        "/api/webhooks": 200,
        "/api/session": 200,
        f"/api/products?q={'x' * 1_500}&per_page=0": 400,
    }
    for path, status in paths.items():
        response = client.get(path, headers=GZIP)
        assert response.status_code == status, path
        assert "Content-Encoding" not in response.headers, path
    with client.get("/api/products/changes", headers=GZIP, buffered=False) as stream:
        assert stream.mimetype == "text/event-stream"
        assert "Content-Encoding" not in stream.headers
    with client.get("/api/products/export", headers=GZIP) as export:
        assert "Content-Encoding" not in export.headers


def test_an_etag_from_a_compressed_response_still_allows_a_change(client: FlaskClient) -> None:
    product = create_product(client, "A", description="x" * 5_000)
    path = f"/api/products/{product['id']}"
    etag = client.get(path, headers=GZIP).headers["ETag"]
    assert client.put(path, json={"name": "B"}, headers={**GZIP, "If-Match": etag}).status_code == 200
    assert client.put(path, json={"name": "C"}, headers={**GZIP, "If-Match": etag}).status_code == 412
