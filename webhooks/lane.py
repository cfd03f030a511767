"""A lane: the requests to one webhook, started in order, a few at a time, out of every other webhook's way."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone

import webhook_service
from webhooks.queue import Attempt, Delivery, Receiver
from webhooks.request import Sender
from webhooks.retries import judge

log = logging.getLogger(__name__)

IDLE_SECONDS = 5


class Lane:
    """The deliveries of one webhook that are in hand, and the threads that make requests of them.

    The thread whose turn it is takes the next delivery and passes the turn on when its request is out, so that requests
    start one after the other while several wait for answers. A webhook that is in trouble gets one request at a time.
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
        self._lease_until = 0.0
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._threads = 0
        self._busy = 0
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
            self._changed.notify()

    def keep_until(self, end: float) -> None:
        """The lease holds until `end`, on the monotonic clock; without it no request is started."""
        with self._changed:
            self._lease_until = end
            self._man()
            self._changed.notify()

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
        """Starts a thread where another request could be under way."""
        at_most = 1 if self._in_trouble else self._concurrency
        if self._waiting and self._threads == self._busy and self._threads < at_most:
            self._threads += 1
            threading.Thread(target=self._work, name=f"webhook-{self.receiver.id}", daemon=True).start()

    def _work(self) -> None:
        sender = self._new_sender()
        try:
            while True:
                self._turn.acquire()
                holds_turn = True

                def pass_on() -> None:
                    nonlocal holds_turn
                    if holds_turn:
                        holds_turn = False
                        self._turn.release()
                        with self._changed:
                            self._man()

                try:
                    delivery = self._next()
                    if delivery is None:
                        return
                    attempt = self._attempt(sender, delivery, pass_on)
                finally:
                    pass_on()
                with self._changed:
                    self._busy -= 1
                self._done(attempt)
        except Exception:
            log.exception("Webhook %s: a request failed in a way that no receiver can cause", self.receiver.id)
            with self._changed:
                self._threads -= 1
                self._busy -= 1
        finally:
            sender.close()

    def _next(self) -> Delivery | None:
        """The next delivery, now under way; None when the calling thread is to end, and is not counted any more."""
        with self._changed:
            while True:
                surplus = self._in_trouble and self._busy > 0
                if self._waiting and not surplus and not self._closed and time.monotonic() < self._lease_until:
                    self._busy += 1
                    return self._waiting.popleft()
                if self._closed or surplus or not self._changed.wait(IDLE_SECONDS):
                    self._threads -= 1
                    return None

    def _attempt(self, sender: Sender, delivery: Delivery, on_sent: Callable[[], None]) -> Attempt:
        receiver = self.receiver
        at = datetime.now(timezone.utc)
        body = delivery.body.encode()
        headers = webhook_service.headers(receiver.secrets(), delivery.message_id, int(at.timestamp()), body)
        answer = sender.post(receiver.url, body, headers, on_sent=on_sent)
        verdict = judge(answer, delivery.tries + 1, self._schedule)
        return Attempt(delivery, at, receiver.url, headers, answer, verdict)
