"""Functions that run at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

JOIN_SECONDS = 120


class Threads:
    """Run functions in threads, which end before the block ends; then raise the first of their errors."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []

    def start(self, function: Callable[..., Any], *arguments: Any) -> threading.Thread:
        """Start a thread and return it."""

        def call() -> None:
            try:
                function(*arguments)
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for thread in self.threads:
            thread.join(JOIN_SECONDS)
            assert not thread.is_alive()
        if self.errors and kind is None:
            raise self.errors[0]
