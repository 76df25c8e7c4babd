"""What every source has in common: a token as a credential, and a stand-in where nobody is asked."""

from __future__ import annotations

from turnout.auth.entra import EntraSource
from turnout.auth.google import GoogleSource
from turnout.auth.source import bearer, unfetched


def test_a_token_is_sent_as_a_bearer() -> None:
    made = bearer("google", "ya29")
    assert (made.label, made.scheme, made.name, made.value) == ("google", "header", "authorization", "Bearer ya29")
    assert "ya29" not in repr(made)


def test_the_stand_in_says_whose_it_is_and_holds_no_secret() -> None:
    source = EntraSource(tenant_id="t", client_id="c", client_secret="hush", scope="s")
    made = unfetched(source)
    assert made.label == "fetched"
    assert "hush" not in made.value


def test_equal_sources_are_one_and_a_changed_one_is_another() -> None:
    same = [GoogleSource(credentials_file="a"), GoogleSource(credentials_file="a"), GoogleSource(credentials_file="b")]
    assert len(dict.fromkeys(same)) == 2
