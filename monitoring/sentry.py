"""Sends unexpected errors to Sentry, if SENTRY_DSN is set and the package sentry-sdk is installed."""

from __future__ import annotations

import logging
from typing import Any

from monitoring import context

log = logging.getLogger(__name__)

SENT_OF_REQUEST = {"method", "url"}


def start(dsn: str, *, release: str, environment: str) -> None:
    """Send each log record of the level ERROR or above to the project of a DSN from now on; without one, do nothing.

    A process that was forked must call it again. No values of variables, bodies, queries, headers and addresses are
    sent.
    """
    if not dsn:
        return
    try:
        import sentry_sdk
    except ImportError:
        log.warning(
            "SENTRY_DSN is set, but errors are not sent: install the package that does it, pip install sentry-sdk"
        )
        return
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        before_send=_add_context,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        # Breadcrumbs have earlier log lines and statements. What is in them was not meant to leave the server.
        max_breadcrumbs=0,
    )


def _add_context(event: Any, _hint: dict[str, Any]) -> Any:
    """Name the request and the job of an error, and leave out what a query or a header may tell."""
    if "request" in event:
        event["request"] = {name: value for name, value in event["request"].items() if name in SENT_OF_REQUEST}
    tags = event.setdefault("tags", {})
    ids = {"request_id": context.current_request_id(), "task_id": context.current_task_id()}
    tags.update({name: id for name, id in ids.items() if id})
    return event
