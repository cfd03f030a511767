"""The URL map: which blueprint answers where, and the page."""

from __future__ import annotations

from flask import Flask, Response

from api import health, imports, products


def register(app: Flask) -> None:
    """Adds every route to the application."""
    app.register_blueprint(imports.blueprint)
    app.register_blueprint(products.blueprint)
    app.register_blueprint(health.blueprint)

    @app.get("/")
    def page() -> Response:
        return app.send_static_file("index.html")
