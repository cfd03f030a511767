"""Prints the OpenAPI document of the API: `python -m tests.support.print_openapi`. It needs no database."""

from __future__ import annotations

import json

import config
import routes
from app import Application


def main() -> None:
    """Register the routes on an application that never serves a request, and print its document."""
    application = Application("app")
    # Routes read the settings, but nothing connects to this database.
    application.config["SETTINGS"] = config.load({"DATABASE_URL": "postgresql://localhost/unused"})
    routes.register(application)
    # Sorted keys keep the generated JavaScript types independent of the order of the routes.
    print(json.dumps(json.loads(application.extensions["openapi"].as_json()), sort_keys=True))


if __name__ == "__main__":
    main()
