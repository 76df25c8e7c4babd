"""Two catalogues differ in models, endpoints and single fields."""

from __future__ import annotations

from typing import Any

from turnout.catalogue.difference import Change, differences
from turnout.catalogue.entry import Catalogue, Endpoint, Entry, Prices


def catalogue(*entries: Entry) -> Catalogue:
    return Catalogue(format=1, made="", sources=(), families={}, makers={}, models=entries)


def model(slug: str = "a/b", **endpoint: Any) -> Entry:
    return Entry(slug=slug, name="B", endpoints=(Endpoint(provider="p", model="b", **endpoint),))


def changes(before: Entry, after: Entry) -> list[Change]:
    return list(differences(catalogue(before), catalogue(after)))


def test_the_same_has_no_differences() -> None:
    assert changes(model(sources=(1,)), model(sources=(2,))) == []


def test_models_and_endpoints_come_and_go() -> None:
    assert changes(model("a/b"), model("a/c")) == [
        Change("a/b", None, "model", "B", None),
        Change("a/c", None, "model", None, "B"),
    ]
    assert changes(model(), model(tag="p/fast")) == [
        Change("a/b", "p", "endpoint", "b", None),
        Change("a/b", "p/fast", "endpoint", None, "b"),
    ]


def test_prices_are_compared_for_what_they_stand_for() -> None:
    assert changes(model(prices=Prices(prompt=1)), model(prices=Prices(prompt=1, cache_read=1))) == []
    assert changes(model(prices=Prices(prompt=1, cache_read=1)), model(prices=Prices(prompt=2, cache_read=1))) == [
        Change("a/b", "p", "prices.prompt", 1, 2),
        Change("a/b", "p", "prices.cache_write", 1, 2),
        Change("a/b", "p", "prices.cache_write_1h", 1, 2),
    ]


def test_a_price_that_becomes_known_is_one_difference() -> None:
    [change] = changes(model(), model(prices=Prices(prompt=1)))
    assert (change.field, change.before, change.after) == ("prices", None, {"prompt": 1})


def test_fields_are_named() -> None:
    assert changes(model(context_length=1), model(context_length=2)) == [Change("a/b", "p", "context_length", 1, 2)]
