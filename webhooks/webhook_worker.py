"""A lane: the requests to one webhook, started in order, a few at a time, out of every other webhook's way."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime

import webhook_service
from webhooks.outbox import Attempt, Delivery, Receiver
from webhooks.retry_policy import judge
from webhooks.sender import Answer, Sender

log = logging.getLogger(__name__)

IDLE_SECONDS = 5
# How long a request that is out has the receiver for itself. One that answers within this time gets its requests one
# after the other, in order beyond doubt; for a slower one several are under way.
HEAD_START_SECONDS = 0.02


class Lane:
    """The deliveries of one webhook that are in hand, and the threads that make requests of them.

    A webhook that is in trouble gets one request at a time.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        new_sender: Callable[[], Sender],
        done: Callable[[Attempt], None],
        schedule: Sequence[float],
        concurrency: int,
    ) -> None:
        self.receiver = receiver
        # Set by the deliverer: whether there may be more in the database, and since when there has been nothing to do.
        self.hungry = True
        self.idle_since: float | None = None
        self._new_sender = new_sender
        self._done = done
        self._schedule = schedule
        self._concurrency = concurrency
        self._waiting: deque[Delivery] = deque()
        self._in_hand: set[int] = set()
        self._changed = threading.Condition()
        self._lease_until = 0.0
        self._threads = 0
        self._busy = 0
        # When the next request may be started: infinity while one is being sent.
        self._next_start = 0.0
        self._in_trouble = False
        self._closed = False

    @property
    def in_hand(self) -> set[int]:
        """The deliveries whose result is not written yet."""
        with self._changed:
            return set(self._in_hand)

    @property
    def waiting(self) -> int:
        """How many deliveries wait for their request."""
        return len(self._waiting)

    def add(self, deliveries: Collection[Delivery]) -> None:
        """Takes deliveries behind those that wait."""
        with self._changed:
            if self._closed:
                return
            self._in_hand.update(delivery.id for delivery in deliveries)
            self._waiting.extend(deliveries)
            self._man()

    def keep_until(self, end: float) -> None:
        """The lease holds until `end`, on the monotonic clock; without it no request is started."""
        with self._changed:
            self._lease_until = end
            self._man()

    def written(self, delivery_id: int, *, success: bool) -> None:
        """A result is in the database; what is pending there may be taken again."""
        with self._changed:
            self._in_hand.discard(delivery_id)
            self._in_trouble = not success

    def close(self) -> None:
        """Starts no more requests; those under way end by themselves."""
        with self._changed:
            self._closed = True
            self._in_hand.difference_update(delivery.id for delivery in self._waiting)
            self._waiting.clear()
            self._changed.notify_all()

    def _man(self) -> None:
        """Sees to a thread for what waits: wakes one that has nothing to do, or starts one."""
        if not self._waiting:
            return
        if self._threads > self._busy:
            self._changed.notify()
        elif self._threads < (1 if self._in_trouble else self._concurrency):
            self._threads += 1
            threading.Thread(target=self._work, name=f"webhook-{self.receiver.id}", daemon=True).start()

    def _work(self) -> None:
        sender = self._new_sender()
        try:
            while (delivery := self._next()) is not None:
                attempt = self._attempt(sender, delivery)
                with self._changed:
                    self._busy -= 1
                    if not self._busy:
                        self._next_start = 0.0
                self._done(attempt)
        except Exception:
            log.exception("Webhook %s: a request failed in a way that no receiver can cause", self.receiver.id)
            with self._changed:
                self._threads -= 1
                self._busy -= 1
                self._next_start = 0.0
        finally:
            sender.close()

    def _next(self) -> Delivery | None:
        """The next delivery, now under way; None when the calling thread is to end, and is not counted any more."""
        with self._changed:
            idle_until = time.monotonic() + IDLE_SECONDS
            while True:
                now = time.monotonic()
                surplus = self._in_trouble and self._busy > 0
                if self._closed or surplus or now >= idle_until:
                    self._threads -= 1
                    return None
                wakes_at = idle_until
                if self._waiting and now < self._lease_until:
                    if now >= self._next_start:
                        self._busy += 1
                        self._next_start = float("inf")
                        return self._waiting.popleft()
                    wakes_at = min(wakes_at, self._next_start)
                self._changed.wait(wakes_at - now)

    def _sent(self) -> None:
        """A request is out: the next one may follow after its head start."""
        with self._changed:
            self._next_start = time.monotonic() + HEAD_START_SECONDS
            self._man()

    def _attempt(self, sender: Sender, delivery: Delivery) -> Attempt:
        receiver = self.receiver
        at = datetime.now(UTC)
        body = delivery.body.encode()
        headers = webhook_service.headers(receiver.secrets(), delivery.message_id, int(at.timestamp()), body)
        try:
            answer = sender.post(receiver.url, body, headers, on_sent=self._sent)
        except Exception:
            # No receiver can cause it, but the delivery must not be stuck by it.
            log.exception("Webhook %s: a request could not be made", receiver.id)
            answer = Answer(None, 0, None, {}, None, "The request could not be made. The log of the worker says why.")
        verdict = judge(answer, delivery.tries + 1, self._schedule)
        return Attempt(delivery, at, receiver.url, headers, answer, verdict)
