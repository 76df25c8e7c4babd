"""``turnout byok``: keys go in by the standard input, are shown masked, and are what a gateway then reads."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from tests.fake.gateways import CLIENT_SHA256, CONFIG
from tests.fake.gateways import gateway as make
from turnout import cli
from turnout.ledger import byok, store
from turnout.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "sk-mine-0123456789"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[store.Ledger]:
    (tmp_path / "turnout.yaml").write_text(CONFIG)
    opened = store.open_ledger(store.sqlite_url(tmp_path / "ledger.db"))
    store.migrate(opened)
    yield opened
    store.close_ledger(opened)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command of ``byok``; the result has ``exit_code``, ``stdout`` and ``stderr``."""
    # Wide enough for a table of which no cell is folded.
    monkeypatch.setenv("COLUMNS", "250")

    def invoke(*words: str, key: str | bytes = SECRET) -> Any:
        options = ["-c", str(tmp_path / "turnout.yaml"), "--state", str(tmp_path)]
        return CliRunner().invoke(cli.app, ["byok", *words, *options], input=key)

    return invoke


def added(run: Any, *words: str, key: str = SECRET) -> str:
    result = run("add", *words, key=key)
    assert result.exit_code == 0, result.stderr
    key_id: str = result.stdout.strip()
    return key_id


def test_a_key_goes_in_and_a_gateway_uses_it(ledger: store.Ledger, run: Any, tmp_path: Path) -> None:
    result = run("add", "openai", "--name", "Ada's", key=f"{SECRET}\n")
    assert result.exit_code == 0
    (key,) = byok.every(ledger)
    # The id alone is for a script; neither stream has the key.
    assert result.stdout == f"{key.id}\n"
    assert "The key sk-...6789 for openai is kept in sqlite:///" in result.stderr
    assert SECRET not in result.stdout + result.stderr
    assert (key.provider, key.name, key.label, key.version) == ("openai", "Ada's", "sk-...6789", 1)
    assert Vault(tmp_path).open(key.id, key.sealed) == SECRET
    gateway = make(tmp_path)
    gateway.reloader.reload()
    (provider,) = gateway.reloader.current.snapshot.providers
    assert f"Bearer {SECRET}" in [one.value for one in provider.credentials]
    store.close_ledger(gateway.ledger)


def test_what_is_said_of_a_key_is_kept_with_it(ledger: store.Ledger, run: Any) -> None:
    first = added(run, "openai", "--fallback", "--required", "--model", "openai/*", "--model", "a/b", "--user", "ada")
    second = added(run, "openai", "--only", "--client", "me")
    one, two = byok.every(ledger)
    assert (one.id, one.is_fallback, one.is_required, one.is_byok_only) == (first, True, True, False)
    assert (one.allowed_models, one.allowed_user_ids, one.allowed_api_key_hashes) == (
        ["openai/*", "a/b"],
        ["ada"],
        None,
    )
    assert (two.id, two.is_byok_only, two.sort_order) == (second, True, 1)
    assert (two.allowed_models, two.allowed_api_key_hashes) == (None, [CLIENT_SHA256])


def test_a_person_is_asked_for_the_key_without_it_being_shown(
    ledger: store.Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turnout.cli.byok import Wish, add

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: SECRET)
    assert add(Wish(provider="openai"), config=tmp_path / "turnout.yaml", state_dir=tmp_path) == 0
    assert [key.label for key in byok.every(ledger)] == ["sk-...6789"]


@pytest.mark.parametrize(
    ("words", "key", "why"),
    [
        (("openai",), "", "the key is empty"),
        (("openai",), "two words", "holds a space"),
        (("openai",), "x" * 20_000, "longer than 16384 characters"),
        (("openai",), b"\xff\xfe", "it is no text"),
        (("nobody",), SECRET, "there is no provider nobody"),
        (("openai",), '{"accessKeyId": "a", "secretAccessKey": "b"}', "does not take a key pair of AWS"),
        (("openai", "--only", "--fallback"), SECRET, "--only cannot be combined with --fallback"),
        (("openai", "--name", "x" * 300), SECRET, "--name is longer than 255"),
        (("openai", "--model", ""), SECRET, "--model may be given 100 times"),
        (("openai", "--client", "mee"), SECRET, "no client key of the configuration is called mee (did you mean me?)"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_not_kept(
    ledger: store.Ledger, run: Any, words: tuple[str, ...], key: str | bytes, why: str
) -> None:
    result = run("add", *words, key=key)
    assert (result.exit_code, result.stdout) == (1, "")
    assert why in result.stderr
    assert byok.every(ledger) == []


def test_a_key_is_switched_off_and_on_and_deleted_by_the_beginning_of_its_id(ledger: store.Ledger, run: Any) -> None:
    key_id = added(run, "openai")
    result = run("disable", key_id[:8])
    assert (result.exit_code, [key.disabled for key in byok.every(ledger)]) == (0, [True])
    assert "The key sk-...6789 for openai is off." in result.stderr
    assert run("enable", key_id).exit_code == 0
    assert [key.disabled for key in byok.every(ledger)] == [False]
    assert run("delete", key_id[:4].upper()).exit_code == 0
    assert byok.every(ledger) == []
    result = run("delete", key_id)
    assert result.exit_code == 1
    assert f"there is no provider key {key_id}; turnout byok list shows" in result.stderr


def test_an_id_that_could_be_several_is_none(ledger: store.Ledger, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["abcd0000-1", "abcd0000-2"])
    monkeypatch.setattr("uuid.uuid4", lambda: next(ids))
    with monkeypatch.context() as patch:
        patch.setattr("turnout.ledger.revision.renew", lambda connection: None)
        added(run, "openai")
        added(run, "openai")
    assert "2 provider keys have an id that begins with abcd" in run("delete", "abcd").stderr
    assert "there is no provider key abc;" in run("delete", "abc").stderr
    assert len(byok.every(ledger)) == 2
    shown = run("list").stdout
    assert "abcd0000-1 " in shown
    assert "abcd0000-2 " in shown


def test_the_list_shows_each_key_masked_with_what_it_is_for_and_why_it_is_not_used(
    ledger: store.Ledger, run: Any, tmp_path: Path
) -> None:
    file = tmp_path / "turnout.yaml"
    first = added(run, "openai", "--client", "me", "--model", "a/b", "--name", "a \x1b[31mred\x1b[0m name")
    second = added(run, "groq", "--fallback", "--required", key="gsk_0123456789abcdef")
    third = added(run, "openai", key="sk-other-0123456789")
    run("disable", third)
    file.write_text(CONFIG.replace("  openai:\n", "  groq: {enabled: false}\n  openai:\n"))
    shown = run("list")
    assert shown.exit_code == 0
    lines = {line.split()[1]: line for line in shown.stdout.splitlines() if "gsk" in line or "sk-" in line}
    # As much of the ids as tells them apart.
    first, second, third = first[:8], second[:8], third[:8]
    assert list(lines) == [second, first, third]
    assert "last, required" in lines[second]
    assert "not used: the provider groq is off in the configuration" in lines[second]
    assert "models: a/b; clients: me" in lines[first]
    assert "\x1b" not in shown.stdout
    assert "on" in lines[first].split()
    assert "off" in lines[third].split()
    assert "0123456789" not in shown.stdout


def test_a_key_is_not_encrypted_with_what_the_gateway_does_not_have(
    ledger: store.Ledger, run: Any, tmp_path: Path
) -> None:
    added(run, "openai")
    Vault(tmp_path).file.unlink()
    result = run("add", "openai", key="sk-other-0123456789")
    assert result.exit_code == 1
    assert "none of the 1 provider keys" in result.stderr
    assert not Vault(tmp_path).file.exists()
    assert "not used: the file with the key that it was encrypted with is not there" in run("list").stdout
    assert "It is not used" in run("enable", byok.every(ledger)[0].id).stderr


def test_the_key_is_no_argument(run: Any) -> None:
    result = run("add", "openai", SECRET)
    assert result.exit_code == 2
