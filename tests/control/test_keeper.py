"""Who is meant, and what ids look like on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.fake.gateways import gateway
from tests.fake.keeping import BATCH, config
from turnout.config.snapshot import Credential
from turnout.control import keeper
from turnout.control.refusal import Refusal
from turnout.ledger import store

if TYPE_CHECKING:
    from pathlib import Path

    from turnout.config.snapshot import Snapshot


@pytest.fixture
def two(tmp_path: Path) -> Snapshot:
    made = gateway(tmp_path, config=config("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"))
    store.close_ledger(made.ledger)
    return made.reloader.current.snapshot


def test_the_request_or_the_id_names_the_provider(two: Snapshot) -> None:
    assert keeper.choose(two, "openai", said="two").provider.slug == "two"
    assert keeper.choose(two, "openai", said=None, ids=("one~file-1",)).wire.base_url == "http://127.0.0.1:1/v1"
    assert keeper.choose(two, "openai", said="two", ids=("two~a", "b")).provider.slug == "two"


def test_the_only_one_needs_no_name(two: Snapshot) -> None:
    assert keeper.choose(two, "anthropic", said=None).provider.slug == "claude"


@pytest.mark.parametrize(
    ("said", "ids", "status", "told"),
    [
        (None, (), 400, "one, two"),
        ("three", (), 400, "one, two"),
        (None, ("three~file-1",), 404, "one, two"),
        ("one", ("two~file-1",), 400, "several providers"),
        (None, ("one~file-1", "two~file-2"), 400, "several providers"),
        ("claude", (), 400, "protocol openai"),
    ],
)
def test_what_cannot_be_known_is_refused_with_the_choices(
    two: Snapshot, said: str | None, ids: tuple[str, ...], status: int, told: str
) -> None:
    with pytest.raises(Refusal) as refused:
        keeper.choose(two, "openai", said=said, ids=ids)
    assert refused.value.kind.status == status
    assert told in (refused.value.message or "")
    assert refused.value.metadata == ({} if told == "several providers" else {"providers": ["one", "two"]})


def test_a_gateway_without_such_a_provider_says_so(two: Snapshot) -> None:
    with pytest.raises(Refusal) as refused:
        keeper.choose(two, "cohere", said=None)
    assert "protocol cohere" in (refused.value.message or "")


def test_ids_go_out_with_their_provider_and_come_back() -> None:
    out = keeper.outward({"data": [BATCH, "odd"], "first_id": "batch_1", "last_id": None}, "one")
    assert out["first_id"] == "one~batch_1"
    assert out["last_id"] is None
    assert out["data"][1] == "odd"
    batch = out["data"][0]
    assert (batch["id"], batch["input_file_id"], batch["error_file_id"]) == ("one~batch_1", "one~file-1", None)
    assert batch["metadata"] == {"id": "theirs"}
    assert keeper.split(batch["output_file_id"]) == ("one", "file-2")
    assert keeper.split("file-2") == (None, "file-2")


@pytest.mark.parametrize("own", ["", "..", "../models", "a//b", "a/./b"])
def test_an_id_cannot_climb_out_of_its_folder(own: str) -> None:
    with pytest.raises(Refusal):
        keeper.segments(own)
    assert keeper.segments("batches/1") == ("batches", "1")


def test_files_never_go_with_a_key_of_somebodys_own(two: Snapshot) -> None:
    provider = two.providers[0]
    shared = Credential(label="a", scheme="header", name="authorization", value="Bearer a", weight=1, sigv4=None)
    own = msgspec.structs.replace(shared, label="b", kind="prioritized")
    assert keeper.credential(msgspec.structs.replace(provider, credentials=[own, shared])) == shared
    only_own = msgspec.structs.replace(provider, credentials=[own])
    assert keeper.credential(only_own) is None
    alone = msgspec.structs.replace(two, providers=[only_own])
    assert keeper.keepers(alone, "openai") == []
