"""The link with which the first administrator is created, where nobody is the administrator "local"."""

from __future__ import annotations

from flask import Flask
from sqlalchemy.orm import Session

import config
from access import credentials, links
from api.host_names import is_loopback, server_url
from database.pooled_connections import autocommitting
from models import db


def offer(app: Flask) -> None:
    """Print the link if nobody has an account and everyone must sign in. It is valid for one hour, once.

    The token is in the fragment of the URL, which browsers do not send, so no log of a proxy has it.
    """
    settings: config.Settings = app.config["SETTINGS"]
    if settings.auth == "auto" and is_loopback(settings.host):
        return
    with app.app_context(), Session(db.engine) as session:
        with autocommitting(db.engine) as cursor:
            if credentials.is_claimed(cursor):
                return
        token = links.create_link(session, links.SETUP)
        session.commit()
    # The output of the start, next to its other lines, not a log.
    print(f"Create the first administrator, within one hour: {server_url(settings)}/#/setup/{token}", flush=True)  # noqa: T201
