"""A deadline for calls of libraries that only have a timeout for each step, which a slow server never exceeds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def run_within(seconds: float, function: Callable[[], R]) -> R:
    """Return what a function returns, or raise what it raises; raise `TimeoutError` if it takes longer.

    A function that takes longer continues in a thread of its own, which does not keep the process from ending.
    """
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"it took longer than {seconds} s")
    return results[0]
