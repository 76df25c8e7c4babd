"""The demo is compiled like a file: one provider, one free model, and names that ask for a fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.config import demo
from turnout.config.compile import compile
from turnout.config.load import load

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_serves_its_model_free_of_charge() -> None:
    environment = {"HTTP_PROXY": "http://p:1", "OPENAI_API_KEY": "sk-real"}
    result = compile(demo.config("127.0.0.1:9"), auth=True, environment=environment)
    made = result.snapshot
    assert [(one.slug, one.wires[0].base_url, one.proxy, one.credentials) for one in made.providers] == [
        ("demo", "http://127.0.0.1:9/v1", None, [])
    ]
    assert [one.slug for one in made.models] == [demo.DEMO_MODEL]
    prices = made.models[0].endpoints[0].prices
    assert prices is not None
    assert (prices.prompt, prices.completion, prices.request) == (0, 0, 0)
    assert [one.prefix for one in made.wildcards] == ["demo/"]
    assert result.warnings == ()


def test_the_demo_keeps_server_and_keys_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "turnout.yaml"
    path.write_text(
        f"server: {{threads: 7}}\nkeys: [{{name: k, sha256: {'ab' * 32}, models: [openai/*]}}]\n"
        "models: {openai/*: openai}\nproviders: {openai: {api_key: x}}\n"
    )
    made = compile(demo.config("127.0.0.1:9", load(path, {})), auth=True, environment={}).snapshot
    assert made.server.threads == 7
    assert [(key.name, key.models) for key in made.keys] == [("k", None)]
    assert [one.slug for one in made.providers] == ["demo"]
