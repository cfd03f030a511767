"""Errors that end `run.py`. Each message is one line for the user and says what to do."""

from __future__ import annotations


class LaunchError(RuntimeError):
    """The product cannot run on this machine."""


class EmbeddedPostgresError(LaunchError):
    """The embedded PostgreSQL cannot run."""
