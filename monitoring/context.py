"""Which request and which job a thread works for. Each log line names them (monitoring/logs.py).

A new thread works for nobody. What starts a thread on behalf of a request or of a job passes the thread's function
through `carry`.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

REQUEST_ID_BYTES = 16
# What proxies use, from UUIDs to `Root=1-67891233-abcdef012345678912345678`. The id goes into headers and log lines.
REQUEST_ID_RE = re.compile(r"[A-Za-z0-9._:/+=@-]{1,100}")

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_task_id: ContextVar[str | None] = ContextVar("task_id", default=None)


def current_request_id() -> str | None:
    """Return the id of the request that this thread works for, or None."""
    return _request_id.get()


def current_task_id() -> str | None:
    """Return the task id of the job that this thread works on, or None."""
    return _task_id.get()


def set_request_id(request_id: str | None) -> None:
    """Work for a request from now on; None ends that."""
    _request_id.set(request_id)


def set_task_id(task_id: str | None) -> None:
    """Work on a job from now on; None ends that."""
    _task_id.set(task_id)


@contextlib.contextmanager
def working_on(task_id: str) -> Iterator[None]:
    """Work on a job in the block."""
    token = _task_id.set(task_id)
    try:
        yield
    finally:
        _task_id.reset(token)


def new_request_id() -> str:
    """Return a new id: 32 hexadecimal digits."""
    return secrets.token_hex(REQUEST_ID_BYTES)


def accept_request_id(given: object) -> str | None:
    """Return an id that another process has given if it is short and has no unusual characters, otherwise None."""
    return given if isinstance(given, str) and REQUEST_ID_RE.fullmatch(given) else None


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function as another thread must call it, once, to work for the request and the job of this thread."""
    context = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.run(function, *args, **kwargs)

    return run
