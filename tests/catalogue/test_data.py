"""The committed file: what is in it, that every part of it makes sense, and what is refused."""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
import pytest

from turnout.catalogue import data
from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices
from turnout.config.model import Modality
from turnout.providers import ROWS

if TYPE_CHECKING:
    from pathlib import Path

BYTES_MAX = 400_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return data.load()


def small(**fields: object) -> Catalogue:
    entry = Entry(slug="a/b", name="B", endpoints=(Endpoint(provider="p", model="b"),))
    whole = Catalogue(format=1, made="2026-01-01", sources=(), families={}, models=(entry,))
    return msgspec.structs.replace(whole, **fields)


def test_it_has_the_models_and_the_providers(catalogue: Catalogue) -> None:
    assert len(catalogue.models) >= 300
    kinds = Counter(kind for entry in catalogue.models for kind in entry.outputs)
    assert kinds.keys() >= {"text", "image", "audio", "embeddings", "rerank", "speech", "transcription"}


def test_it_is_small_and_packed_the_same_everywhere(catalogue: Catalogue) -> None:
    content = data.PACKAGED.read_bytes()
    assert len(content) <= BYTES_MAX
    assert gzip.decompress(data.encode(catalogue)) == gzip.decompress(content)


def test_every_endpoint_is_at_a_provider_of_ours(catalogue: Catalogue) -> None:
    rows = {row.slug for row in ROWS}
    strange = {endpoint.provider for entry in catalogue.models for endpoint in entry.endpoints} - rows
    assert not strange, "make catalogue again: these are no rows any more"


def test_names_within_an_entry_are_in_order(catalogue: Catalogue) -> None:
    assert [entry.slug for entry in catalogue.models] == sorted(entry.slug for entry in catalogue.models)
    for entry in catalogue.models:
        tags = [endpoint.tag or endpoint.provider for endpoint in entry.endpoints]
        assert len(tags) == len(set(tags)), entry.slug
        assert all(endpoint.model for endpoint in entry.endpoints)


def test_words_are_those_of_the_configuration(catalogue: Catalogue) -> None:
    words = set(Modality.__args__)  # type: ignore[attr-defined]
    for entry in catalogue.models:
        assert set(entry.inputs) | set(entry.outputs) <= words, entry.slug


def test_limits_and_days_make_sense(catalogue: Catalogue) -> None:
    now = datetime.fromisoformat(catalogue.made).replace(tzinfo=UTC).timestamp()
    for entry in catalogue.models:
        assert entry.created <= now, entry.slug
        assert entry.knowledge_cutoff is None or re.fullmatch(r"20\d\d(-\d\d){0,2}", entry.knowledge_cutoff), entry.slug
        for endpoint in entry.endpoints:
            assert endpoint.context_length is None or 0 < endpoint.context_length <= 20_000_000, entry.slug
            assert endpoint.expires is None or endpoint.expires > catalogue.made, entry.slug


def test_prices_make_sense(catalogue: Catalogue) -> None:
    for entry in catalogue.models:
        for endpoint in entry.endpoints:
            prices = endpoint.prices or Prices()
            # The dearest model there is costs 600 dollars; a slip of the unit would be a thousand times off.
            assert 0 <= prices.prompt <= 600 * 10**9, entry.slug
            assert 0 <= prices.completion <= 1_000 * 10**9, entry.slug
            assert [tier.above_tokens for tier in prices.tiers] == sorted({t.above_tokens for t in prices.tiers}), (
                entry.slug
            )
            assert len({service.tier for service in prices.service}) == len(prices.service), entry.slug


def test_most_prices_are_known(catalogue: Catalogue) -> None:
    endpoints = [endpoint for entry in catalogue.models for endpoint in entry.endpoints]
    assert sum(endpoint.prices is not None for endpoint in endpoints) > 0.85 * len(endpoints)


def test_it_has_no_mistakes(catalogue: Catalogue) -> None:
    assert list(data.mistakes(catalogue)) == []


def test_every_fact_names_its_source(catalogue: Catalogue) -> None:
    sources = range(-1, len(catalogue.sources))
    for entry in catalogue.models:
        assert len(entry.sources) == 4
        assert set(entry.sources) <= set(sources), entry.slug
        for endpoint in entry.endpoints:
            assert len(endpoint.sources) == 4
            assert (endpoint.sources[0] == -1) == (endpoint.prices is None), entry.slug


def test_families_lead_to_models(catalogue: Catalogue) -> None:
    assert catalogue.families["anthropic/claude-opus"][0].startswith("anthropic/claude-opus-")
    assert len(catalogue.families) >= 20


def test_prices_are_those_of_the_installed_price_list(catalogue: Catalogue) -> None:
    pytest.importorskip("genai_prices")
    from turnout.catalogue.making import genai, sources

    price = genai.price_list(datetime.fromisoformat(f"{catalogue.made}T00:00:00+00:00"))
    compared = 0
    for entry in catalogue.models:
        for endpoint in entry.endpoints:
            if endpoint.sources[0] == sources.GENAI and endpoint.prices is not None:
                theirs = price(endpoint.provider, endpoint.model)
                assert theirs is not None, entry.slug
                assert (endpoint.prices.prompt, endpoint.prices.completion) == (theirs.prompt, theirs.completion)
                compared += 1
    assert compared > 300


def test_an_updated_file_wins_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    assert data.load(tmp_path) is data.load()
    path = tmp_path / data.UPDATED
    path.write_bytes(data.encode(small()))
    assert [entry.slug for entry in data.load(tmp_path).models] == ["a/b"]
    path.write_bytes(data.encode(small(made="2026-01-02")))
    os.utime(path, ns=(1, 1))
    assert data.load(tmp_path).made == "2026-01-02"


def test_plain_json_is_read_too() -> None:
    assert data.decode(gzip.decompress(data.encode(small())), "here") == small()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "here"),
        (b"{}", "here"),
        (b"\x1f\x8b garbage", "here"),
        (data.encode(small())[:-20], "here"),
        (data.encode(small(format=99)), "format is 99"),
        (data.encode(small(models=(Entry(slug="a/b", name="B"),))), "no endpoint"),
        (data.encode(small(models=small().models * 2)), "twice"),
        (data.encode(small(families={"a/b": ("a/c",)})), "family"),
        (
            data.encode(
                small(
                    models=(
                        Entry(
                            slug="a/b",
                            name="B",
                            endpoints=(Endpoint(provider="p", model="b", prices=Prices(prompt=-1)),),
                        ),
                    )
                )
            ),
            "below zero",
        ),
    ],
)
def test_what_is_unfit_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(data.CatalogueError, match=reason):
        data.decode(content, "here")


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "FILE_BYTES_MAX", 1_000)
    with pytest.raises(data.CatalogueError, match="unpacks to more"):
        data.decode(gzip.compress(b" " * 100_000), "here")
