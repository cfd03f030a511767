"""Renews the leases of a dispatcher, in a thread with a connection of its own, whatever else the dispatcher does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from psycopg2.extensions import connection as Connection

from database.connect import Component, reconnect_until_stopped, transaction
from monitoring.metrics import LEASES_LOST
from webhooks.outbox import WebhookLease
from webhooks.webhook_worker import WebhookWorker

# How many times per lease duration the leases are renewed, and how many times while the row of one of them is locked.
RENEWALS_PER_LEASE = 4
RETRIES_PER_LEASE = 40


class LeaseKeeper:
    """Renews the leases of the workers that `held` returns, and closes those whose lease was lost.

    It runs until `stopping` is set.
    """

    def __init__(
        self,
        url: str,
        lease: WebhookLease,
        held: Callable[[], Mapping[int, WebhookWorker]],
        *,
        stopping: threading.Event,
    ) -> None:
        self._url = url
        self._lease = lease
        self._held = held
        self._stopping = stopping

    def run(self) -> None:
        """Renew leases, also across database outages."""
        reconnect_until_stopped(
            self._url,
            Component.DISPATCHER,
            self._renew_until_stopped,
            stopping=self._stopping,
            purpose="renewal of the leases of webhooks",
        )

    def _renew_until_stopped(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            parts = RENEWALS_PER_LEASE if self._renew(connection) else RETRIES_PER_LEASE
            self._stopping.wait(self._lease.seconds / parts)

    def _renew(self, connection: Connection) -> bool:
        """Renew all leases; return False if the row of one is locked."""
        workers = self._held()
        if not workers:
            return True
        # The lease begins when the statement runs, so this is early enough.
        now = time.monotonic()
        with transaction(connection) as cursor:
            renewed, lost = self._lease.renew(cursor, workers)
        for id in renewed:
            workers[id].keep_until(now + self._lease.seconds)
        LEASES_LOST.labels("webhook").inc(len(lost))
        for id in lost:
            workers[id].lose_lease()
        return len(renewed) + len(lost) == len(workers)
