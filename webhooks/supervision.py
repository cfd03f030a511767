"""Threads that survive errors: one that fails is started again, and one that keeps failing ends the dispatcher."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

RESTART_SECONDS = 1
# A thread that fails this often within this time keeps failing, so the whole process must start over.
MAX_FAILURES = 5
FAILURE_WINDOW_SECONDS = 60


class Supervisor:
    """Runs the threads of a dispatcher.

    `on_give_up` is called if one of them keeps failing. It should end the dispatcher, so that its leases are released
    and other dispatchers take over.
    """

    def __init__(self, on_give_up: Callable[[], None]) -> None:
        self.has_given_up = False
        self._on_give_up = on_give_up

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Call `work` in a new thread, and again whenever it raises, until it returns."""
        thread = threading.Thread(target=self.run, args=(name, work), name=name, daemon=True)
        thread.start()
        return thread

    def run(self, name: str, work: Callable[[], None]) -> None:
        """Call `work`, and again whenever it raises, until it returns or keeps failing."""
        failed_at: deque[float] = deque(maxlen=MAX_FAILURES)
        while not self.has_given_up:
            try:
                work()
                return
            except BaseException:
                log.exception("Unexpected error; %s will retry", name)
            failed_at.append(time.monotonic())
            if len(failed_at) == MAX_FAILURES and failed_at[-1] - failed_at[0] < FAILURE_WINDOW_SECONDS:
                log.error("The webhook dispatcher ends because its thread %s has failed too often", name)
                self.has_given_up = True
                self._on_give_up()
                return
            time.sleep(RESTART_SECONDS)
