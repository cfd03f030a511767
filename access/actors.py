"""The actor of a request: the person, the API key, or the administrator "local"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from access.roles import ALL_SCOPES, ROLE_SCOPES, Needs, Requirement, Role, Scope

LOCAL_NAME = "local"


@dataclass(frozen=True)
class Actor:
    """Who makes a request, and what they may do.

    `type` is one of `models.ACTOR_TYPES`. `id` is that of the person or of the key. `user_id` is that of the person or
    of the key's owner, `session_id` that of the person's session.
    """

    type: str
    name: str
    scopes: frozenset[Scope] = frozenset()
    id: int | None = None
    role: Role | None = None
    user_id: int | None = None
    session_id: int | None = None

    def may(self, needs: Needs) -> bool:
        """Return whether the actor may make a call that needs this."""
        if needs is Requirement.NOTHING:
            return True
        if needs is Requirement.ANY_ACTOR:
            return self.type != ANONYMOUS.type
        if needs is Requirement.PERSON:
            return self.type == "user"
        if needs is Requirement.ADMINISTRATOR:
            return self.type == "user" and Scope.ADMIN in self.scopes
        return needs in self.scopes


LOCAL = Actor("local", LOCAL_NAME, ALL_SCOPES, role=Role.ADMIN)
ANONYMOUS = Actor("anonymous", "")


def person(user_id: int, name: str, role: str, *, session_id: int | None = None) -> Actor:
    """Return the actor for a person; their role decides what they may do."""
    return Actor("user", name, ROLE_SCOPES[Role(role)], user_id, Role(role), user_id, session_id)


def api_key(key_id: int, name: str, scopes: Iterable[str], *, owner_id: int, owner_role: str) -> Actor:
    """Return the actor for an API key, which may do what both its scopes and its owner's role allow."""
    given = set(scopes)
    allowed = frozenset(scope for scope in ROLE_SCOPES[Role(owner_role)] if scope in given)
    return Actor("key", name, allowed, key_id, Role(owner_role), owner_id)
