"""The commands `flask users …` and `flask keys …`, for those who can log in to the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import insert

import config
from access import keys, links, users
from access.actors import Actor
from access.audit import Origin, Target, entry_values
from access.roles import Role, Scope
from access.users import EmailTaken, FirstPersonNotAdministrator, InvalidEmail, LastAdministrator
from api.host_names import server_url
from models import ApiKey, AuditEntry, User, db

SERVER = Origin(Actor("system", "command line"))

users_group = AppGroup("users", help="Create, list and disable people, and reset their passwords.")
keys_group = AppGroup("keys", help="Create, list and revoke API keys.")


@users_group.command("create")
@click.argument("email")
@click.option("--name", help="The name; without it, the part of the address before the @.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True)
def create_user(email: str, name: str | None, role: str) -> None:
    """Create a person with this email address, and print a link with which they choose a password."""
    name = name or email.partition("@")[0]
    with _errors():
        user = users.create_user(db.session(), email=email, name=name, role=role)
    _record("user.created", Target("user", user.id, user.name), {"role": [None, role]})
    token = links.create_link(db.session(), links.INVITATION, user.id)
    db.session.commit()
    click.echo(f"Created {name} <{email}>, {role}.")
    _print_link(links.INVITATION, token)


@users_group.command("list")
def list_users() -> None:
    """List the people."""
    for user in users.list_users(db.session()):
        state = " (disabled)" if user.disabled_at else ""
        click.echo(f"{user.id}\t{user.email}\t{user.name}\t{user.role}{state}")


@users_group.command("reset-password")
@click.argument("email")
def reset_password(email: str) -> None:
    """Print a link with which the person chooses a new password."""
    user = _find_user(email)
    token = links.create_link(db.session(), links.RESET, user.id)
    _record("user.reset", Target("user", user.id, user.name))
    db.session.commit()
    _print_link(links.RESET, token)


@users_group.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Disable a person, which ends their sessions and API keys."""
    user = _find_user(email)
    with _errors():
        changes = users.change_user(db.session(), user, disabled=True)
    if changes:
        _record("user.updated", Target("user", user.id, user.name), changes)
    db.session.commit()
    click.echo(f"{user.email} is disabled.")


@keys_group.command("create")
@click.argument("email")
@click.argument("name")
@click.option("--scope", "scopes", type=click.Choice([scope.value for scope in Scope]), multiple=True, required=True)
@click.option("--days", type=click.IntRange(1, 3650), help="How long the key is valid; without it, until revoked.")
def create_key(email: str, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Create an API key of the person with this email address, and print it."""
    user = _find_user(email)
    key, secret = keys.create_key(db.session(), user_id=user.id, name=name, scopes=scopes, days=days)
    _record("key.created", Target("key", key.id, key.name), {"scopes": [None, key.scopes]})
    db.session.commit()
    click.echo(secret)


@keys_group.command("list")
def list_keys() -> None:
    """List the API keys, the newest one first."""
    for key in keys.list_keys(db.session()):
        state = " (revoked)" if key.revoked_at else ""
        shown = f"{key.prefix}…{key.last_four}"
        click.echo(f"{key.id}\t{shown}\t{key.name}\t{key.user.email}\t{','.join(key.scopes)}{state}")


@keys_group.command("revoke")
@click.argument("key_id", type=int)
def revoke_key(key_id: int) -> None:
    """Revoke the API key with this id."""
    key = db.session.get(ApiKey, key_id)
    if key is None:
        raise click.ClickException(f"There is no API key {key_id}. `flask keys list` shows them.")
    if keys.revoke_key(db.session(), key, revoked_by=SERVER.actor.name):
        _record("key.revoked", Target("key", key.id, key.name))
    db.session.commit()
    click.echo(f"The key {key.name} is revoked.")


def _find_user(email: str) -> User:
    user = users.find_by_email(db.session(), email)
    if user is None:
        raise click.ClickException(f"There is no person with the address {email}. `flask users list` shows them.")
    return user


def _print_link(purpose: str, token: str) -> None:
    """Print a link for a person. A server without a name in its settings may have another one for browsers."""
    settings: config.Settings = current_app.config["SETTINGS"]
    url = server_url(settings)
    hint = "" if url.startswith("https://") else f" If browsers open the page at another address, replace {url}."
    click.echo(f"Pass on this link.{hint}\n{url}/#/{purpose}/{token}")


def _record(action: str, target: Target, changes: dict[str, Any] | None = None) -> None:
    db.session.execute(insert(AuditEntry).values(**entry_values(SERVER, action, target, changes=changes)))


@contextmanager
def _errors() -> Iterator[None]:
    """Turn the errors of access/users.py into messages of the command."""
    try:
        yield
    except EmailTaken:
        raise click.ClickException("Another person has this email address.") from None
    except LastAdministrator:
        raise click.ClickException("Nobody else is an administrator who can sign in.") from None
    except FirstPersonNotAdministrator:
        raise click.ClickException("The first person must be an administrator: add --role admin.") from None
    except InvalidEmail as error:
        raise click.ClickException(str(error)) from None
