"""OpenRouter's JavaScript library through the gateway: runs ``node/openrouter.test.mjs`` with node's test runner."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.clients.test_openai_node import INSTALL_S, run

if TYPE_CHECKING:
    from tests.clients.serving import Serving


@pytest.mark.timeout(INSTALL_S + 120)
@pytest.mark.skipif(not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm on the PATH")
def test_openrouter_s_library_reads_the_pages_about_models(gateway: Serving) -> None:
    run("openrouter.test.mjs", GATEWAY_ORIGIN=gateway.origin)
