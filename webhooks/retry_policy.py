"""When a delivery is retried, when it fails for good, and when its webhook is disabled.

The schedule is the one that Standard Webhooks 1.0 recommends: ten attempts within about three days.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from webhooks.sender import Response

MINUTE, HOUR = 60, 3600
# The delay before each attempt.
RETRY_SCHEDULE_SECONDS = (
    0,
    5,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
# Delays vary by this share, so that deliveries that failed together are not retried together.
JITTER_SHARE = 0.1
MAX_RETRY_AFTER_SECONDS = 24 * HOUR
DISABLE_WEBHOOK_DAYS = 5

GONE_MESSAGE = "The receiver answered 410 (Gone), which means that it wants no more requests."
FAILED_FOR_DAYS_MESSAGE = "Every attempt has failed for {days} days."


@dataclass(frozen=True)
class Outcome:
    """The effect of an attempt on its delivery.

    `status` is the new status of the delivery. `delay_seconds` is set if it is retried. `disabled_reason` is the
    sentence to show if the webhook must be disabled.
    """

    status: str
    delay_seconds: float | None = None
    disabled_reason: str | None = None


def decide(response: Response, attempt_number: int, schedule: Sequence[float] = RETRY_SCHEDULE_SECONDS) -> Outcome:
    """Return the outcome of an attempt.

    `attempt_number` counts from 1. `schedule` holds the delay before each attempt in seconds.
    """
    if response.success:
        return Outcome("delivered")
    if response.status_code == HTTPStatus.GONE:
        return Outcome("failed", disabled_reason=GONE_MESSAGE)
    if attempt_number >= len(schedule):
        return Outcome("failed")
    delay = schedule[attempt_number] * random.uniform(1 - JITTER_SHARE, 1 + JITTER_SHARE)  # noqa: S311
    # A receiver can ask for a longer delay with Retry-After, not for a shorter one.
    return Outcome("pending", max(delay, min(response.retry_after or 0, MAX_RETRY_AFTER_SECONDS)))
