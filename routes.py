"""The URL map: the order of the blueprints in the API document, and the page."""

from __future__ import annotations

from flask import Flask, Response

from api import change_streams, docs, health
from api.imports import rejects, uploads
from api.imports import routes as imports
from api.products import bulk, export
from api.products import routes as products
from api.webhooks import deliveries
from api.webhooks import routes as webhooks


def register(app: Flask) -> None:
    """Add every route to the application, and every API call to the OpenAPI document."""
    # The document lists the blueprints in this order.
    docs.create_document(app).add(
        app,
        products.blueprint,
        bulk.blueprint,
        export.blueprint,
        change_streams.blueprint,
        uploads.blueprint,
        imports.blueprint,
        rejects.blueprint,
        webhooks.blueprint,
        deliveries.blueprint,
        change_streams.webhooks_blueprint,
        health.blueprint,
        docs.blueprint,
    )

    @app.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")
