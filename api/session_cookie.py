"""The cookie that holds the token of a session.

Scripts of a page cannot read it (`HttpOnly`), and browsers do not send it with requests that pages of other sites make
(`SameSite=Lax`). On HTTPS it is `Secure`, and its prefix `__Host-` keeps other hosts of the same domain from setting it
(RFC 6265bis, section 4.1.3).
"""

from __future__ import annotations

from flask import Response, request

COOKIE_NAME = "acme_session"
SECURE_COOKIE_NAME = f"__Host-{COOKIE_NAME}"


def cookie_name() -> str:
    """Return the name of the cookie for the scheme of the current request."""
    return SECURE_COOKIE_NAME if request.is_secure else COOKIE_NAME


def read_session_token() -> str:
    """Return the token in the cookie of the current request, or "" without one."""
    return request.cookies.get(cookie_name(), "")


def set_session_token(response: Response, token: str, *, max_age_seconds: int) -> None:
    """Let the browser keep the token of a session."""
    response.set_cookie(
        cookie_name(),
        token,
        max_age=max_age_seconds,
        path="/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def forget_session_token(response: Response) -> None:
    """Let the browser forget the token of its session."""
    response.delete_cookie(cookie_name(), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
