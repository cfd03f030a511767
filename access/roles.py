"""Roles of people, scopes of API keys, and what a call of the API needs."""

from __future__ import annotations

from enum import Enum, StrEnum


class Role(StrEnum):
    """The role of a person. Each role may do all that the one before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a call needs: the scope of an API key, which a role has or lacks as well."""

    PRODUCTS_READ = "products:read"
    PRODUCTS_WRITE = "products:write"
    IMPORTS_READ = "imports:read"
    IMPORTS_WRITE = "imports:write"
    WEBHOOKS = "webhooks"
    ADMIN = "admin"


class Requirement(Enum):
    """What a call needs if it does not need a scope."""

    NOTHING = "nothing"
    ANY_ACTOR = "any actor"
    # A person who is signed in: an API key and the administrator "local" will not do.
    PERSON = "person"
    # The same, with the role admin: what a key could use to become a person.
    ADMINISTRATOR = "administrator"


Needs = Scope | Requirement

ALL_SCOPES = frozenset(Scope)
READING_SCOPES = frozenset({Scope.PRODUCTS_READ, Scope.IMPORTS_READ})
ROLE_SCOPES = {
    Role.VIEWER: READING_SCOPES,
    Role.EDITOR: READING_SCOPES | {Scope.PRODUCTS_WRITE, Scope.IMPORTS_WRITE},
    Role.ADMIN: ALL_SCOPES,
}
# The lowest role that has each scope, for messages.
ROLE_OF_SCOPE = {scope: next(role for role in Role if scope in ROLE_SCOPES[role]) for scope in Scope}
