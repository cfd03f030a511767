"""The errors of access control, and how those of the domain become errors of the API."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from access.passwords import WeakPassword, check_password
from access.users import EmailTaken, FirstPersonNotAdministrator, LastAdministrator, UserGone
from api.errors import ApiError, ErrorType

WRONG_CREDENTIALS = ErrorType(401, "wrong_credentials", "The email address or the password is wrong.")
TOO_MANY_ATTEMPTS = ErrorType(429, "too_many_requests", "Too many wrong passwords. Try again in 8 seconds.")
USER_NOT_FOUND = ErrorType(404, "user_not_found", "There is no person with this id.")
SESSION_NOT_FOUND = ErrorType(404, "session_not_found", "There is no session with this id.")
LINK_UNUSABLE = ErrorType(
    404, "link_unusable", "This link was used already or has expired. Ask an administrator for a new one."
)
EMAIL_TAKEN = ErrorType(409, "email_taken", "Another person has this email address.", ("email",))
LAST_ADMINISTRATOR = ErrorType(
    409, "last_administrator", "Nobody else is an administrator who can sign in. Make somebody else one first."
)
FIRST_ADMINISTRATOR = ErrorType(409, "first_administrator", "The first person must be an administrator.", ("role",))
INVALID_USER = ErrorType(
    400, "invalid_parameter", "This must be an email address, such as ada@example.com.", ("email",)
)
WEAK_PASSWORD = ErrorType(400, "weak_password", "The password needs at least 12 characters; this has 8.", ("password",))
WRONG_PASSWORD = ErrorType(403, "wrong_password", "The current password is wrong.", ("current_password",))
WRONG_CONFIRMATION = WRONG_PASSWORD._replace(fields=("password",))


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Raise the errors of access/users.py and access/passwords.py as errors of the API."""
    try:
        yield
    except EmailTaken:
        raise EMAIL_TAKEN.exception() from None
    except LastAdministrator:
        raise LAST_ADMINISTRATOR.exception() from None
    except UserGone:
        raise USER_NOT_FOUND.exception() from None
    except FirstPersonNotAdministrator:
        raise FIRST_ADMINISTRATOR.exception() from None
    except WeakPassword as error:
        raise WEAK_PASSWORD.exception(str(error), details=dict(error.details)) from None


def too_many_attempts(wait_seconds: int) -> ApiError:
    """Return the 429 for somebody who must wait before the next attempt."""
    wait = "1 second" if wait_seconds == 1 else f"{wait_seconds} seconds"
    message = f"Too many wrong passwords. Try again in {wait}."
    return TOO_MANY_ATTEMPTS.exception(message, retry_after_seconds=wait_seconds)


def require_strong_password(password: str, *known_texts: str) -> None:
    """Raise the 400 if a new password is not allowed."""
    with user_errors():
        check_password(password, *known_texts)
