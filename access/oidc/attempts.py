"""Sign-ins that are at the provider. Each belongs to one browser, ends within ten minutes, and is completed once.

PostgreSQL has them, so any web process can complete what another one started.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from access.oidc.errors import StateExpired
from access.tokens import create_token, hash_token
from models import OidcAttempt

VALID_SECONDS = 600


@dataclass(frozen=True)
class Started:
    """A sign-in to redirect to the provider. The secrets tie the provider's response to it."""

    state: str
    nonce: str
    code_verifier: str
    redirect_uri: str


def start(session: Session, browser_token: str, redirect_uri: str) -> Started:
    """Start a sign-in of the browser that has this token in a cookie."""
    ended = select(OidcAttempt.state_hash).where(OidcAttempt.expires_at <= func.clock_timestamp())
    session.execute(
        delete(OidcAttempt).where(OidcAttempt.state_hash.in_(ended.with_for_update(skip_locked=True))),
        execution_options={"synchronize_session": False},
    )
    started = Started(create_token(), create_token(), create_token(), redirect_uri)
    session.add(
        OidcAttempt(
            state_hash=hash_token(started.state),
            browser_hash=hash_token(browser_token),
            nonce=started.nonce,
            code_verifier=started.code_verifier,
            redirect_uri=redirect_uri,
            expires_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, VALID_SECONDS),
        )
    )
    session.flush()
    return started


def finish(session: Session, browser_token: str, state: str) -> Started:
    """Take the sign-in with this state. Of two requests at the same time one gets it; raises `StateExpired`."""
    found = session.execute(
        delete(OidcAttempt)
        .where(
            OidcAttempt.state_hash == hash_token(state),
            OidcAttempt.browser_hash == hash_token(browser_token),
            OidcAttempt.expires_at > func.clock_timestamp(),
        )
        .returning(OidcAttempt.nonce, OidcAttempt.code_verifier, OidcAttempt.redirect_uri)
    ).first()
    if found is None:
        raise StateExpired("its state is unknown, of another browser, used already, or older than ten minutes")
    return Started(state, found.nonce, found.code_verifier, found.redirect_uri)
