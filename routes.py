"""All routes: the calls of the API, in the order of the OpenAPI document, and the page."""

from __future__ import annotations

from flask import Flask, Response

from api import assets, change_streams, compression, docs, events, health, metrics, probes
from api.access import account, audit, keys, oidc, session, users
from api.bulk import routes as bulk
from api.imports import actions, duplicates, fixes, progress, rejects, resumable, rows, uploads
from api.imports import routes as imports
from api.pages import send_page
from api.products import edits as product_edits
from api.products import export, history
from api.products import routes as products
from api.views import routes as views
from api.webhooks import deliveries, resend, send_test
from api.webhooks import routes as webhooks


def register(app: Flask) -> None:
    """Register every route with the application, and add every call of the API to its OpenAPI document."""
    docs.create_document(app).add(
        products.blueprint,
        product_edits.blueprint,
        history.blueprint,
        bulk.blueprint,
        export.blueprint,
        views.blueprint,
        change_streams.blueprint,
        uploads.blueprint,
        resumable.blueprint,
        progress.blueprint,
        imports.blueprint,
        actions.blueprint,
        rows.blueprint,
        duplicates.blueprint,
        rejects.blueprint,
        fixes.blueprint,
        webhooks.blueprint,
        send_test.blueprint,
        deliveries.blueprint,
        resend.blueprint,
        change_streams.webhooks_blueprint,
        session.blueprint,
        oidc.blueprint,
        account.blueprint,
        users.blueprint,
        keys.blueprint,
        audit.blueprint,
        events.blueprint,
        health.blueprint,
        docs.blueprint,
    )

    @app.get("/")
    def page() -> Response:
        return send_page("index.html")

    assets.register(app)
    metrics.register(app)
    probes.register(app)
    compression.register(app)
