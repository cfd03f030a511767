"""Sends the deliveries of one webhook: in order, a few at a time, independently of all other webhooks."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence

from database import clock
from monitoring.context import set_request_id
from webhooks.outbox import Attempt, Delivery, Receiver
from webhooks.retry_policy import decide
from webhooks.sender import Response, Sender, describe_exception
from webhooks.signing import request_id_header, sign_headers

log = logging.getLogger(__name__)

# More deliveries are loaded once fewer deliveries than this wait and their bodies have fewer characters than this.
REFILL_BELOW = 16
REFILL_BELOW_CHARACTERS = 1_000_000
# A thread ends after this time without deliveries.
IDLE_SECONDS = 5
# Minimum delay between sending a request and starting the next one, unless the response arrives earlier. A receiver
# that responds faster gets its requests strictly one after the other; a slower one gets several at a time.
HEAD_START_SECONDS = 0.02


class WebhookWorker:
    """The loaded deliveries of one webhook, and the threads that send them.

    At most `concurrency` requests run at a time, and only one after a failed attempt. Each thread gets a sender
    from `new_sender` and calls `on_result` with every attempt. `schedule` holds the delay before each attempt in
    seconds. A thread ends after `idle_seconds` without deliveries.
    """

    def __init__(
        self,
        receiver: Receiver,
        *,
        new_sender: Callable[[], Sender],
        on_result: Callable[[Attempt], None],
        schedule: Sequence[float],
        concurrency: int,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.receiver = receiver
        # The dispatcher sets these. Times are on the monotonic clock.
        self.needs_deliveries = True
        self.is_expanding = False
        self.load_at = 0.0
        self.loaded_at = 0.0
        self.acquired_at = time.monotonic()
        self.idle_since: float | None = None
        self.has_lost_lease = False
        self._new_sender = new_sender
        self._on_result = on_result
        self._schedule = schedule
        self._concurrency = concurrency
        self._idle_seconds = idle_seconds
        self._waiting: deque[Delivery] = deque()
        self._waiting_characters = 0
        self._loaded: set[int] = set()
        self._changed = threading.Condition()
        self._lease_until = 0.0
        self._threads = 0
        self._busy = 0
        # When the next request may start, on the monotonic clock; infinity while one is being sent.
        self._next_start = 0.0
        self._is_failing = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the worker starts no more requests, for example because one of its threads has failed."""
        return self._closed

    def can_load(self, now: float) -> bool:
        """Return whether due deliveries should be loaded now, on the monotonic clock."""
        return (
            self.needs_deliveries
            and not self.is_expanding
            and not self._closed
            and now >= self.load_at
            and len(self._waiting) < REFILL_BELOW
            and self._waiting_characters < REFILL_BELOW_CHARACTERS
        )

    def finish_expansion(self, load_at: float) -> None:
        """Let deliveries be loaded again from `load_at` on. Any thread may call this."""
        self.load_at = load_at
        self.needs_deliveries = True
        self.is_expanding = False

    @property
    def loaded(self) -> set[int]:
        """The ids of the deliveries whose result is not written yet."""
        with self._changed:
            return set(self._loaded)

    @property
    def waiting(self) -> int:
        """The number of deliveries that wait for their request."""
        return len(self._waiting)

    def add(self, deliveries: Collection[Delivery]) -> None:
        """Append deliveries to those that wait."""
        with self._changed:
            if self._closed:
                return
            self._loaded.update(delivery.id for delivery in deliveries)
            self._waiting.extend(deliveries)
            self._waiting_characters += sum(len(delivery.body) for delivery in deliveries)
            self._ensure_thread()

    def keep_until(self, end: float) -> None:
        """Set the end of the lease, on the monotonic clock. No request starts after it."""
        with self._changed:
            self._lease_until = end
            self._ensure_thread()

    def lose_lease(self) -> None:
        """Start no more requests, because another dispatcher may serve the webhook."""
        self.has_lost_lease = True
        self.close()

    def confirm_written(self, delivery_id: int, *, success: bool) -> None:
        """Forget a delivery after its result was written. If it is still pending, it may be loaded again."""
        with self._changed:
            self._loaded.discard(delivery_id)
            self._is_failing = not success

    def close(self) -> None:
        """Start no more requests. Running ones finish."""
        with self._changed:
            self._closed = True
            self._loaded.difference_update(delivery.id for delivery in self._waiting)
            self._waiting.clear()
            self._waiting_characters = 0
            self._changed.notify_all()

    def _ensure_thread(self) -> None:
        """Wake an idle thread for a waiting delivery, or start one."""
        if not self._waiting:
            return
        if self._threads > self._busy:
            self._changed.notify()
        elif self._threads < (1 if self._is_failing else self._concurrency):
            thread = threading.Thread(target=self._work, name=f"webhook-{self.receiver.id}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The process has too many threads. The next renewal of the lease tries again.
                log.warning("Webhook %s: no thread can be started, will retry: %s", self.receiver.id, error)
                return
            self._threads += 1

    def _work(self) -> None:
        has_left = False
        try:
            with contextlib.closing(self._new_sender()) as sender:
                while (delivery := self._next()) is not None:
                    self._send(sender, delivery)
                has_left = True
        except BaseException:
            log.exception("Unexpected error; webhook %s will retry", self.receiver.id)
            with self._changed:
                self._threads -= 0 if has_left else 1
            # The dispatcher then releases the lease, and some dispatcher serves the webhook again.
            self.close()

    def _send(self, sender: Sender, delivery: Delivery) -> None:
        attempt = None
        try:
            attempt = self._attempt(sender, delivery)
        finally:
            with self._changed:
                self._busy -= 1
                if not self._busy:
                    self._next_start = 0.0
                if attempt is None:
                    self._loaded.discard(delivery.id)
        self._on_result(attempt)

    def _next(self) -> Delivery | None:
        """Wait for the next delivery that may be sent and return it; return None if the calling thread should end."""
        with self._changed:
            idle_until = time.monotonic() + self._idle_seconds
            while True:
                now = time.monotonic()
                is_surplus = self._is_failing and self._busy > 0
                may_send = bool(self._waiting) and now < self._lease_until and not is_surplus
                if may_send and now >= self._next_start:
                    self._busy += 1
                    self._next_start = float("inf")
                    delivery = self._waiting.popleft()
                    self._waiting_characters -= len(delivery.body)
                    return delivery
                if self._closed or is_surplus or now >= idle_until:
                    self._threads -= 1
                    return None
                self._changed.wait((min(idle_until, self._next_start) if may_send else idle_until) - now)

    def _allow_next(self) -> None:
        """Let the next request start after the head start of the one that was just sent."""
        with self._changed:
            self._next_start = time.monotonic() + HEAD_START_SECONDS
            self._ensure_thread()

    def _attempt(self, sender: Sender, delivery: Delivery) -> Attempt:
        receiver = self.receiver
        # Receivers refuse what is signed too long ago or in the future.
        at = clock.now()
        headers: dict[str, str] = {}
        set_request_id(delivery.request_id)
        try:
            body = delivery.body.encode()
            headers = sign_headers(receiver.secrets(), delivery.message_id, int(at.timestamp()), body)
            headers |= request_id_header(delivery.request_id)
            response = sender.post(receiver.url, body, headers, on_sent=self._allow_next)
        except Exception as error:
            # A bug or an unusable secret must not block the delivery: the attempt fails, and the retry policy applies.
            log.error("Webhook %s: a request could not be made: %s", receiver.id, describe_exception(error))
            message = "The request could not be made. The log of the worker says why."
            response = Response(None, 0, None, {}, None, message)
        outcome = decide(response, delivery.tries + 1, self._schedule)
        return Attempt(delivery, at, receiver.url, headers, response, outcome)
