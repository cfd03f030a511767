"""Settings of accounts: sessions, the OpenID Connect provider, mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from settings import values
from settings.setting import Setting


@dataclass(frozen=True)
class AccessSettings:
    """Who may sign in, and how."""

    auth: Annotated[
        str,
        Setting(
            "auto",
            "auto: as long as nobody has an account, this machine needs no sign-in; required: everyone signs in",
            values.parse_one_of("auto", "required"),
        ),
    ]
    session_idle_hours: Annotated[
        int, Setting("168", "hours without use after which a session ends", values.parse_integer(1, 8760))
    ]
    session_days: Annotated[
        int, Setting("30", "days after which a session ends, however often it is used", values.parse_integer(1, 365))
    ]
    audit_retention_days: Annotated[
        int,
        Setting(
            "365",
            "days after which entries of the audit log and edits in the history of products are deleted",
            values.parse_integer(1, 36_500),
        ),
    ]
    oidc_issuer: Annotated[
        str,
        Setting(
            "",
            "OpenID Connect provider that people may sign in with, exactly as it writes its own address",
            values.parse_issuer,
        ),
    ]
    oidc_name: Annotated[
        str, Setting("", "name of the provider on the page for signing in; if empty, the host of OIDC_ISSUER")
    ]
    oidc_client_id: Annotated[str, Setting("", "id of this product at the provider")]
    oidc_client_secret: Annotated[str, Setting("", "secret of this product at the provider")]
    oidc_scopes: Annotated[
        str, Setting("openid email profile", "scopes to request; some providers need one more for groups or roles")
    ]
    oidc_role_claim: Annotated[
        str, Setting("roles", "claim of the ID token that has a person's roles or groups, a text or a list")
    ]
    oidc_roles: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            "",
            "values of the claim for each role, such as admin=acme-admins,editor=acme-editors; if empty, "
            "administrators set the roles",
            values.parse_role_values,
        ),
    ]
    oidc_default_role: Annotated[
        str,
        Setting(
            "",
            "role of people who sign in through the provider without any other role; if empty, they are refused",
            values.parse_one_of("", *values.ROLE_NAMES),
        ),
    ]
    smtp_url: Annotated[
        str,
        Setting(
            "",
            "server that sends invitations and links for new passwords, as smtp://user:password@host:587 or smtps://…; "
            "if empty, administrators pass the links on",
            values.parse_smtp_url,
        ),
    ]
    mail_from: Annotated[
        str, Setting("", "sender of the mails, such as Acme <acme@example.com>", values.parse_mail_from)
    ]
