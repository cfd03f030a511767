"""Signatures of webhooks follow Standard Webhooks 1.0."""

from __future__ import annotations

import pytest

from webhooks.signing import sign


def test_signatures_match_those_of_the_standard() -> None:
    message_id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message_id, 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_without_the_prefix_is_used_as_text() -> None:
    message = ("msg_1", 1614265330, b"{}")
    assert sign("plain", *message) == sign("whsec_cGxhaW4=", *message)


def test_a_secret_that_is_not_base64_is_an_error() -> None:
    with pytest.raises(ValueError, match="base64"):
        sign("whsec_not base64", "msg_1", 0, b"")
