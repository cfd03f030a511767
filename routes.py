"""The URL map: which blueprint answers where, and the page."""

from __future__ import annotations

from flask import Flask, Response

from api import bulk, changes, deliveries, docs, export, health, imports, products, rejects, uploads, webhooks


def register(app: Flask) -> None:
    """Adds every route to the application, and every call of the API to its document."""
    # In the order in which the document shows them.
    docs.create_document(app).add(
        app,
        products.blueprint,
        bulk.blueprint,
        export.blueprint,
        changes.blueprint,
        uploads.blueprint,
        imports.blueprint,
        rejects.blueprint,
        webhooks.blueprint,
        deliveries.blueprint,
        changes.webhooks_blueprint,
        health.blueprint,
        docs.blueprint,
    )

    @app.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")
