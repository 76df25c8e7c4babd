"""One gateway for all clients of the scripted provider, started once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.clients.serving import serve
from turnout._native import Mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.clients.serving import Serving

UPSTREAM_KEY = "sk-upstream-0123456789"


@pytest.fixture(scope="session")
def provider() -> Iterator[Mock]:
    """The scripted provider; it keeps what it receives."""
    mock = Mock("127.0.0.1:0", record=True)
    yield mock
    mock.stop()


@pytest.fixture
def mock(provider: Mock) -> Mock:
    """The scripted provider with nothing received yet, so that scripts with ``times`` start anew."""
    provider.reset()
    return provider


@pytest.fixture(scope="session")
def gateway(provider: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A gateway whose models ``mock/SCRIPT`` go to the scripted provider."""
    config = f"""
providers:
  mock: {{name: Mock, base_url: "http://{provider.address}/v1", api_key: {UPSTREAM_KEY}}}
  wrong-key: {{name: WrongKey, base_url: "http://{provider.address}/v1", api_key: sk-upstream-wrong-key}}
routing: {{policy: order}}
models:
  demo/echo:
    provider: mock
    model: echo
    prices: {{prompt: 1, completion: 2}}
    context_length: 8192
    aliases: [echo]
  demo/embed: {{provider: mock, model: "embedding;dim=4", output_modalities: [embeddings]}}
  demo/paint: {{provider: mock, model: image, output_modalities: [image], created: 2026-01-01}}
  demo/fallback:
    endpoints:
      - {{provider: mock, model: "echo;status=500;message=out of order"}}
      - {{provider: mock, model: echo}}
  demo/locked: {{provider: wrong-key, model: "echo;auth={UPSTREAM_KEY}"}}
  mock/*: {{provider: mock}}
"""
    with serve(tmp_path_factory.mktemp("gateway"), config) as serving:
        yield serving
