"""Versions of objects as ETags, and the condition that a change makes with `If-Match`."""

from __future__ import annotations

from datetime import datetime

from flask import request

from database.serializers import format_timestamp


def version_of(updated_at: datetime) -> str:
    """Return the ETag of an object without its quotes: its `updated_at`, which lists also show."""
    return str(format_timestamp(updated_at))


def meets_if_match(version: str) -> bool:
    """Return whether `If-Match` names this version or is missing (RFC 9110, section 13.1.1).

    Unlike the RFC, a weak ETag matches too, because proxies that compress responses make ETags weak.
    """
    return "If-Match" not in request.headers or request.if_match.contains_weak(version)
