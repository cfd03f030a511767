"""Secrets and signatures follow Standard Webhooks 1.0."""

from __future__ import annotations

import base64

import pytest

from webhooks.signing import (
    MASK,
    check_secret,
    create_secret,
    decode_secret,
    is_masked,
    mask_secret,
    sign,
    sign_headers,
)

MESSAGE = ("msg_1", 1614265330, b"{}")


def test_signatures_match_those_of_the_standard() -> None:
    message_id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message_id, 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_without_the_prefix_is_used_as_text() -> None:
    assert sign("plain", *MESSAGE) == sign("whsec_cGxhaW4=", *MESSAGE)


def test_a_secret_that_is_not_base64_is_an_error() -> None:
    with pytest.raises(ValueError, match="base64"):
        sign("whsec_not base64", *MESSAGE)


def test_a_new_secret_is_random_and_usable() -> None:
    secret = create_secret()
    assert len(decode_secret(secret)) == 24
    assert secret != create_secret()
    check_secret(secret)


@pytest.mark.parametrize("secret", ["", "x", "Geheimnis: ü", "x" * 255, *(f"whsec_{'A' * n}" for n in (32, 84))])
def test_texts_and_24_to_64_bytes_in_base64_are_usable_secrets(secret: str) -> None:
    check_secret(secret)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("x" * 256, "At most 255 characters are allowed; this secret has 256."),
        ("whsec_A", "The part after whsec_ is not base64."),
        ("whsec_" + base64.b64encode(bytes(23)).decode(), "must hold 24 to 64 bytes, not 23."),
        ("whsec_" + base64.b64encode(bytes(65)).decode(), "must hold 24 to 64 bytes, not 65."),
    ],
)
def test_an_unusable_secret_is_refused_with_a_sentence(secret: str, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_secret(secret)
    assert str(caught.value).endswith(sentence)


@pytest.mark.parametrize(
    ("secret", "masked"),
    [(None, None), ("", MASK), ("12345678", MASK), ("123456789", f"{MASK}6789")],
)
def test_a_mask_shows_the_last_characters_of_long_secrets_only(secret: str | None, masked: str | None) -> None:
    assert mask_secret(secret) == masked
    assert masked is None or is_masked(masked)
    assert secret is None or not is_masked(secret)


def test_headers_have_one_signature_for_each_active_secret() -> None:
    headers = sign_headers(["new", "old"], *MESSAGE)
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": f"{sign('new', *MESSAGE)} {sign('old', *MESSAGE)}",
    }


def test_without_a_secret_there_is_no_signature() -> None:
    assert "webhook-signature" not in sign_headers([], *MESSAGE)
