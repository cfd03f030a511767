"""The schemas of people, their sessions and links."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError

from access.actors import Actor
from access.roles import Role, Scope
from access.users import EMAIL_PATTERN, InvalidEmail, normalise_email
from api.field_problems import FieldProblem
from api.request_fields import Boolean, Choice, Name, Text
from api.response_fields import EXAMPLE_TIME, boolean, integer, nested, strings, text, timestamp
from api.schemas import RequestSchema
from database.serializers import format_timestamp
from models import ACTOR_TYPES, ROLES, SIGN_IN_METHODS, User, UserSession

EMAIL_MAX_CHARACTERS = 254
STATUSES = ("active", "invited", "disabled")

EXAMPLE_EMAIL = "ada@example.com"
EXAMPLE_NAME = "Ada Lovelace"
EXAMPLE_PASSWORD = "correct horse battery staple"  # noqa: S105
EXAMPLE_LINK = "https://shop.example.com/#/invitation/bGV0IG1lIGluLCBJIGFtIG5ldyBoZXJlLCBwbGVhc2U"
EXAMPLE_TOKEN = "bGV0IG1lIGluLCBJIGFtIG5ldyBoZXJlLCBwbGVhc2U"  # noqa: S105


class Email(Text):
    """An email address; it becomes lower case, and surrounding spaces are removed."""

    def __init__(self, *, required: bool = False) -> None:
        super().__init__("The email address.", EXAMPLE_EMAIL, EMAIL_MAX_CHARACTERS, required=required)
        metadata: Any = self.metadata
        metadata["pattern"] = rf"^\s*{EMAIL_PATTERN}\s*$"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return normalise_email(super()._deserialize(value, attr, data, **kwargs))
        except InvalidEmail:
            message = "This must be an email address, such as ada@example.com."
            raise ValidationError(FieldProblem("not_email", message)) from None


def password_field(description: str) -> Text:
    """Return the field of a password; access/passwords.py decides which new passwords are allowed."""
    return Text(description, EXAMPLE_PASSWORD, 1000, required=True)


class CredentialsSchema(RequestSchema):
    """The email address and the password of a person."""

    email = Text("The email address.", EXAMPLE_EMAIL, EMAIL_MAX_CHARACTERS, required=True)
    password = password_field("The password.")


class SetupSchema(RequestSchema):
    """The first administrator."""

    token = Text("The token of the link that the start of the server prints; not needed by `local`.", EXAMPLE_TOKEN)
    email = Email(required=True)
    name = Name(required=True)
    password = password_field("The password: at least 12 characters, and none of the most common ones.")


class NewUserSchema(RequestSchema):
    """A person to invite."""

    email = Email(required=True)
    name = Name(required=True)
    role = Choice("The role.", *ROLES, required=True)


class UserUpdateSchema(RequestSchema):
    """The values of a person to change."""

    email = Email()
    name = Name()
    role = Choice("The role. A change ends the person's sessions.", *ROLES)
    disabled = Boolean("Whether the person may not sign in, nor use API keys. Disabling ends the person's sessions.")


class PasswordChangeSchema(RequestSchema):
    """A new password for oneself."""

    current_password = password_field("The current password.")
    password = password_field("The new password: at least 12 characters, and none of the most common ones.")


class ConfirmationSchema(RequestSchema):
    """The password of the person who is signed in."""

    password = password_field("The password.")


class ConfirmedSchema(Schema):
    """Until when the password counts as confirmed."""

    confirmed_until = timestamp("Until when this session can see secrets")


class LinkSchema(RequestSchema):
    """The token of an invitation or of a link for a new password."""

    token = Text("The token at the end of the link.", EXAMPLE_TOKEN, required=True)


class LinkPasswordSchema(LinkSchema):
    """A password, and the link that allows to set it."""

    password = password_field("The new password: at least 12 characters, and none of the most common ones.")


class ActorSchema(Schema):
    """Who made the request."""

    type = text("A person, an API key, or `local`.", "user", enum=[*ACTOR_TYPES])
    id = integer("The id of the person or the key; null for `local`.", nullable=True)
    name = text("The name.", EXAMPLE_NAME)
    role = text("The role; for a key that of its owner.", "admin", enum=[*ROLES])


class WhoSchema(Schema):
    """Who made the request, and what they may do."""

    actor = nested(ActorSchema)
    scopes = strings("What the actor may do: `products:read`, `products:write`, `imports:read` and so on.")


class ProviderSchema(Schema):
    """An OpenID Connect provider."""

    name = text("Its name, for people.", "Acme Login")


class MethodsSchema(Schema):
    """The ways to sign in."""

    password = boolean("Whether people may sign in with a password.")
    oidc = nested(ProviderSchema, "The OpenID Connect provider; null without one.", nullable=True)
    setup = boolean("Whether nobody has an account yet, so that the first administrator must be created.")


class UserSchema(Schema):
    """A person."""

    id = integer("The id.", minimum=1)
    email = text("The email address.", EXAMPLE_EMAIL)
    name = text("The name.", EXAMPLE_NAME)
    role = text("The role.", "editor", enum=[*ROLES])
    status = text("`invited` until the person has a password.", "active", enum=[*STATUSES])
    created_at = timestamp("When the person was invited")
    last_signed_in_at = timestamp("When the person last signed in", nullable=True)


class LinkResultSchema(Schema):
    """A link that can be used once."""

    link = text("The link. It is shown only now; give it to the person.", EXAMPLE_LINK)
    expires_at = timestamp("Until when it can be used")
    mailed = boolean("Whether it was also sent to the person by email.")


class InvitedUserSchema(UserSchema):
    """A person who was invited, and the link for them."""

    invitation = nested(LinkResultSchema)


class LinkDetailsSchema(Schema):
    """What a link is for."""

    purpose = text("`invitation` or `reset`.", "invitation", enum=["invitation", "reset"])
    email = text("The email address of the person.", EXAMPLE_EMAIL)
    name = text("The name of the person.", EXAMPLE_NAME)


class SessionSchema(Schema):
    """A session of a person."""

    id = integer("The id.", minimum=1)
    current = boolean("Whether it is the session of this request.")
    method = text("How the person signed in.", "password", enum=[*SIGN_IN_METHODS])
    address = text("The address from which the person signed in.", "192.0.2.7")
    user_agent = text("The browser, as it describes itself.", "Mozilla/5.0 …")
    created_at = timestamp("When the person signed in")
    seen_at = timestamp("When the session was last used, to the minute")
    expires_at = timestamp("When it ends at the latest")


EXAMPLE_USER = {
    "id": 2,
    "email": EXAMPLE_EMAIL,
    "name": EXAMPLE_NAME,
    "role": "editor",
    "status": "active",
    "created_at": EXAMPLE_TIME,
    "last_signed_in_at": EXAMPLE_TIME,
}
EXAMPLE_METHODS = {"password": True, "oidc": {"name": "Acme Login"}, "setup": False}
EXAMPLE_WHO = {
    "actor": {"type": "user", "id": 2, "name": EXAMPLE_NAME, "role": str(Role.EDITOR)},
    "scopes": [
        str(scope) for scope in (Scope.IMPORTS_READ, Scope.IMPORTS_WRITE, Scope.PRODUCTS_READ, Scope.PRODUCTS_WRITE)
    ],
}


def actor_json(actor: Actor) -> dict[str, Any]:
    """Return an actor and what they may do, as `WhoSchema` describes."""
    return {
        "actor": {
            "type": actor.type,
            "id": actor.id,
            "name": actor.name,
            "role": str(actor.role) if actor.role else None,
        },
        "scopes": sorted(str(scope) for scope in actor.scopes),
    }


def user_json(user: User) -> dict[str, Any]:
    """Return a person as `UserSchema` describes."""
    is_invited = user.password_hash is None and user.subject is None
    return {
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "status": "disabled" if user.disabled_at else "invited" if is_invited else "active",
        "created_at": format_timestamp(user.created_at),
        "last_signed_in_at": format_timestamp(user.last_signed_in_at),
    }


def session_json(session: UserSession, current_id: int | None) -> dict[str, Any]:
    """Return a session as `SessionSchema` describes."""
    return {
        "id": session.id,
        "current": session.id == current_id,
        "method": session.method,
        "address": session.address,
        "user_agent": session.user_agent,
        "created_at": format_timestamp(session.created_at),
        "seen_at": format_timestamp(session.seen_at),
        "expires_at": format_timestamp(session.expires_at),
    }
