"""When deliveries are retried and when they or their webhook are given up."""

from __future__ import annotations

import pytest

from support.webhooks import create_response
from webhooks.retry_policy import GONE_MESSAGE, JITTER_SHARE, RETRY_SCHEDULE_SECONDS, Outcome, decide


def test_the_schedule_is_that_of_standard_webhooks() -> None:
    assert RETRY_SCHEDULE_SECONDS == (0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


@pytest.mark.parametrize("attempt_number", range(1, 10))
def test_a_failed_attempt_is_retried_after_the_delay_of_the_schedule(attempt_number: int) -> None:
    outcome = decide(create_response(500), attempt_number)
    assert outcome.status == "pending"
    assert outcome.delay_seconds == pytest.approx(RETRY_SCHEDULE_SECONDS[attempt_number], rel=JITTER_SHARE)


def test_the_delays_of_deliveries_that_fail_together_differ() -> None:
    assert len({decide(create_response(500), 3).delay_seconds for _ in range(5)}) > 1


def test_a_delivery_fails_with_the_last_attempt_of_the_schedule() -> None:
    assert decide(create_response(500), 10) == Outcome("failed")
    assert decide(create_response(500), 2, schedule=(0, 1)) == Outcome("failed")


def test_a_request_without_a_response_is_retried() -> None:
    assert decide(create_response(None), 1).status == "pending"


def test_a_successful_attempt_delivers_at_any_number() -> None:
    assert decide(create_response(204), 1) == decide(create_response(200), 10) == Outcome("delivered")


def test_a_receiver_that_is_gone_gets_no_retry_and_disables_its_webhook() -> None:
    assert decide(create_response(410), 1) == Outcome("failed", disabled_reason=GONE_MESSAGE)


@pytest.mark.parametrize(("retry_after", "expected"), [(None, 5), (1, 5), (600, 600), (10**9, 86_400)])
def test_a_receiver_can_ask_for_a_longer_delay_within_bounds(retry_after: float | None, expected: float) -> None:
    outcome = decide(create_response(503, retry_after=retry_after), 1)
    assert outcome.delay_seconds == pytest.approx(expected, rel=JITTER_SHARE)
