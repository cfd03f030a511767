"""When a delivery is tried again, and when nobody tries any more.

The schedule is the one that Standard Webhooks 1.0 recommends: ten attempts within about three days.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from webhooks.sender import Answer

MINUTE, HOUR, DAY = 60, 3600, 86_400
SCHEDULE_SECONDS = (
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
# So that what failed together does not come back together.
JITTER = 0.1
MAX_RETRY_AFTER_SECONDS = 24 * HOUR
GIVE_UP_WEBHOOK_DAYS = 5

GONE = "The receiver answered 410 (Gone), which says that it wants no more."
FAILED_FOR_DAYS = "Every attempt has failed for {days} days."


@dataclass(frozen=True)
class Verdict:
    """What an answer means for its delivery.

    `status` is that of the delivery; `delay_seconds` is set where it is tried again; `disable` says why the webhook is
    to be switched off, if it is.
    """

    status: str
    delay_seconds: float | None = None
    disable: str | None = None


def judge(answer: Answer, tries: int, schedule: Sequence[float] = SCHEDULE_SECONDS) -> Verdict:
    """What follows from the answer to the attempt that was number `tries` (from 1 on) in the schedule."""
    if answer.success:
        return Verdict("delivered")
    if answer.status_code == HTTPStatus.GONE:
        return Verdict("failed", disable=GONE)
    if tries >= len(schedule):
        return Verdict("failed")
    delay = schedule[tries] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
    # A receiver may ask for more time, not for less.
    return Verdict("pending", max(delay, min(answer.retry_after or 0, MAX_RETRY_AFTER_SECONDS)))
