"""The commands `flask db …`: the migrations as a step of their own, before the processes of a new version start."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click
from sqlalchemy.exc import OperationalError

import config
from database.migrate import UnusableDatabase, newest_revision, read_schema, upgrade_database

db_group = click.Group("db", help="Apply the migrations of the database, and show its revision.")


@db_group.command("upgrade")
def upgrade() -> None:
    """Apply the migrations that the database lacks. Nothing happens if it lacks none."""
    with _errors() as url:
        upgrade_database(url)
        click.echo(f"The tables have the revision {read_schema(url).revision}.")


@db_group.command("current")
def show_current() -> None:
    """Show the revision of the tables and the one that this version needs; status 1 if this version cannot use them."""
    with _errors() as url:
        schema = read_schema(url)
        click.echo(f"The tables have the revision {schema.revision or 'none'}; this version needs {newest_revision()}.")
        if schema.lacks_migrations():
            raise click.ClickException("migrations are missing: run `flask --app app db upgrade`")


@contextlib.contextmanager
def _errors() -> Iterator[str]:
    """Give the block the URL of the database; end the command with one line if the database cannot be used."""
    try:
        yield config.load().require_database_url()
    except (config.ConfigError, UnusableDatabase) as error:
        raise click.ClickException(str(error)) from None
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise click.ClickException(f"DATABASE_URL: the database does not answer: {reason}") from None
