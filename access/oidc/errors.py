"""Why a sign-in through the provider failed."""

from __future__ import annotations

MAX_REASON_CHARACTERS = 300


class SignInFailed(Exception):
    """A sign-in that failed. `code` is for the page, which has a sentence for it; the text is for the log.

    The text can have parts that come from the provider, so it is one printable line.
    """

    code = ""

    def __init__(self, reason: str) -> None:
        printable = "".join(character if character.isprintable() else " " for character in reason)
        super().__init__(printable[:MAX_REASON_CHARACTERS])


class ProviderUnreachable(SignInFailed):
    """The provider does not answer, or says that it failed."""

    code = "oidc_unreachable"


class ProviderMisconfigured(SignInFailed):
    """The settings do not fit the provider, so every sign-in fails until somebody corrects them."""

    code = "oidc_misconfigured"


class InvalidAnswer(SignInFailed):
    """The provider sent something that is not valid or not meant for this sign-in."""

    code = "oidc_invalid_answer"


class StateExpired(SignInFailed):
    """The sign-in was not started in this browser, took too long, or has been completed already."""

    code = "oidc_state_expired"


class Denied(SignInFailed):
    """The person did not consent at the provider."""

    code = "oidc_denied"


class NoRole(SignInFailed):
    """The person has no role here."""

    code = "oidc_no_role"


class Disabled(SignInFailed):
    """The person is disabled here."""

    code = "oidc_disabled"


class NoEmail(SignInFailed):
    """The provider does not tell the person's email address."""

    code = "oidc_no_email"


class EmailInUse(SignInFailed):
    """Another account has the email address, and must not be taken over."""

    code = "oidc_email_taken"


class NotFirstAdministrator(SignInFailed):
    """Nobody has an account yet, and the first person must be an administrator."""

    code = "oidc_first_administrator"


class LastAdministratorStays(SignInFailed):
    """The provider gives the last administrator a smaller role."""

    code = "oidc_last_administrator"
