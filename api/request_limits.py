"""Limits the requests per minute of each API key, of each session, and of each address without one of these.

A key or a session that is not known yet counts for its address, until it has turned out to be valid. So nobody escapes
the limit with keys that do not exist, and nobody who shares an address with others has to share their limit, too.
Clients on this machine have no limit; neither do the files of the page.
"""

from __future__ import annotations

from flask import Flask, Response, after_this_request, g, request

from access.networks import network_of
from access.request_counts import RequestCounts
from access.tokens import hash_token
from api.authentication import BEARER
from api.errors import TOO_MANY_REQUESTS, is_api_path
from api.host_names import is_loopback
from api.session_cookie import read_session_token

# Enough of a SHA-256 to tell keys and sessions apart.
CLIENT_HASH_BYTES = 12
MAX_ADDRESS_CHARACTERS = 100


def register(app: Flask, counts: RequestCounts) -> None:
    """Count every call of the API and refuse those beyond the limit. Run this before the authentication."""

    @app.before_request
    def _limit() -> None:
        address = request.remote_addr or ""
        if not is_api_path() or is_loopback(address):
            return
        credential = _credential()
        client = credential if credential and counts.knows(credential) else network_of(address)[:MAX_ADDRESS_CHARACTERS]
        wait = counts.add(client)
        if wait is not None:
            seconds = "1 second" if wait == 1 else f"{wait} seconds"
            message = f"You sent too many requests. Try again in {seconds}."
            raise TOO_MANY_REQUESTS.exception(message, retry_after_seconds=wait)
        if credential and client != credential:

            @after_this_request
            def _learn(response: Response) -> Response:
                actor = g.get("actor")
                if actor is not None and (actor.type == "key" or actor.session_id):
                    counts.move(client, credential)
                return response


def _credential() -> str:
    """Return the name under which the API key or the session of the request is counted; "" without one."""
    authorization = request.headers.get("Authorization", "")
    if authorization.lower().startswith(BEARER):
        return f"key {_hash(authorization[len(BEARER) :].strip())}"
    token = read_session_token()
    return f"session {_hash(token)}" if token and not authorization else ""


def _hash(token: str) -> str:
    return hash_token(token)[:CLIENT_HASH_BYTES].hex()
