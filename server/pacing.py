"""How slow a client may be: the limits, and the memory for data that waits for slow clients."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class PaceLimits:
    """A client must move a byte every `stall_seconds`, and on average `bytes_per_second` over twice that time."""

    stall_seconds: float
    bytes_per_second: int


class TooSlowError(TimeoutError):
    """A client sent or received its data too slowly."""


class Pace:
    """The progress of one client in one direction. Only the time in which the server waits for the client counts."""

    def __init__(self, limits: PaceLimits) -> None:
        self._limits = limits
        self._stalled_seconds = 0.0
        self._window_seconds = 0.0
        self._window_bytes = 0

    def record(self, waited_seconds: float, moved_bytes: int) -> None:
        """Record that the client moved this many bytes while the server waited; raises `TooSlowError`."""
        limits = self._limits
        self._stalled_seconds = 0.0 if moved_bytes else self._stalled_seconds + waited_seconds
        self._window_seconds += waited_seconds
        self._window_bytes += moved_bytes
        if self._stalled_seconds >= limits.stall_seconds:
            raise TooSlowError("the client has made no progress")
        # Check the average only when bytes arrive: in the middle of a pause even a fast client looks slow.
        if moved_bytes and self._window_seconds >= 2 * limits.stall_seconds:
            if self._window_bytes < self._window_seconds * limits.bytes_per_second:
                raise TooSlowError("the client is too slow")
            self._window_seconds, self._window_bytes = 0.0, 0


class Memory:
    """A limit on the bytes that all connections of the process buffer together. Threads may share it."""

    def __init__(self, max_bytes: int) -> None:
        self._free_bytes = max_bytes
        self._lock = threading.Lock()

    def reserve(self, count: int) -> bool:
        """Reserve this many bytes; return False, and reserve nothing, if fewer are free."""
        with self._lock:
            if count > self._free_bytes:
                return False
            self._free_bytes -= count
            return True

    def release(self, count: int) -> None:
        """Release reserved bytes."""
        with self._lock:
            self._free_bytes += count


class ResponseMemory(Memory):
    """The memory for responses. When it is used up, some threads may wait for slow clients: `waiting_senders`."""

    def __init__(self, max_bytes: int, max_waiting_senders: int) -> None:
        super().__init__(max_bytes)
        self.waiting_senders = threading.BoundedSemaphore(max_waiting_senders)
