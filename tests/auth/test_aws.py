"""AWS key pairs: where they come from, and that they stay unseen."""

from __future__ import annotations

from turnout.auth import aws


def test_a_pair_of_the_environment_needs_both_halves() -> None:
    both = {"AWS_ACCESS_KEY_ID": " AK ", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": ""}
    assert aws.key_pair(both) == aws.KeyPair(access_key_id="AK", secret_access_key="SK", session_token=None)
    assert aws.key_pair({"AWS_ACCESS_KEY_ID": "AK"}) is None
    assert aws.key_pair({**both, "AWS_SECRET_ACCESS_KEY": " "}) is None


def test_nothing_of_a_pair_is_printed() -> None:
    pair = aws.KeyPair(access_key_id="AKIA1", secret_access_key="hush", session_token="token")
    made = aws.credential(pair, label="aws", region="eu-west-1", service="bedrock")
    for shown in (repr(pair), repr(made), str(made.sigv4)):
        assert not any(secret in shown for secret in ("AKIA1", "hush", "token'"))
    assert made.sigv4 is not None
    assert (made.sigv4.region, made.sigv4.service) == ("eu-west-1", "bedrock")
