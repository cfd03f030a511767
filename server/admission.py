"""Which requests run, which wait for a thread, and which are refused because too many wait already."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeVar

from server.request_classes import QUEUE_SECONDS, RequestClass

T = TypeVar("T")


class Decision(Enum):
    """What happens to a request that has arrived."""

    START = auto()
    WAIT = auto()
    REFUSE = auto()


class _Waiting(NamedTuple, Generic[T]):
    request: T
    deadline: float


class _Lane(Generic[T]):
    """The requests of one class."""

    def __init__(self, request_class: RequestClass) -> None:
        self.request_class = request_class
        self.running = 0
        self.waiting: deque[_Waiting[T]] = deque()


class Admission(Generic[T]):
    """The running and waiting requests of a process. Only the thread of the event loop may use it."""

    def __init__(self, classes: Iterable[RequestClass]) -> None:
        self._lanes: dict[str, _Lane[T]] = {request_class.name: _Lane(request_class) for request_class in classes}

    @property
    def threads(self) -> int:
        """The number of threads that all classes together need."""
        return sum(lane.request_class.threads for lane in self._lanes.values())

    def admit(self, request: T, request_class: RequestClass, now: float) -> Decision:
        """Decide about a request, and remember it unless it is refused."""
        lane = self._lanes[request_class.name]
        if lane.running < request_class.threads:
            lane.running += 1
            return Decision.START
        if len(lane.waiting) >= request_class.queue_length:
            return Decision.REFUSE
        lane.waiting.append(_Waiting(request, now + QUEUE_SECONDS))
        return Decision.WAIT

    def finish(self, request_class: RequestClass) -> T | None:
        """Record that a request of the class has ended; return the next one, which counts as running now."""
        lane = self._lanes[request_class.name]
        lane.running -= 1
        if not lane.waiting:
            return None
        lane.running += 1
        return lane.waiting.popleft().request

    def take_expired(self, now: float) -> list[T]:
        """Remove and return the requests that have waited for too long."""
        expired = []
        for lane in self._lanes.values():
            while lane.waiting and lane.waiting[0].deadline <= now:
                expired.append(lane.waiting.popleft().request)
        return expired
