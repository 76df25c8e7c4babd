"""The demo: the scripted provider of ``rust/mock`` as the only provider, its model ``demo/echo`` free of charge.

It is compiled like any file, so a demo differs from real use in its provider and in nothing else.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from pydantic import SecretStr

from turnout.config import model
from turnout.config.load import Loaded, load

DEMO_MODEL: Final = "demo/echo"


def config(address: str, loaded: Loaded | None = None) -> Loaded:
    """The configuration for the scripted provider at ``address`` (``host:port``).

    ``loaded`` keeps its server, keys, ledger and log; its providers and models are set aside. The wildcard ``demo/*``
    lets the names through with which the scripted provider is asked for a fault.
    """
    base = loaded or load(None, {})
    free = model.Prices(prompt=Decimal(0), completion=Decimal(0))
    sections = {
        "providers": {
            "demo": model.Provider(name="Turnout demo", base_url=f"http://{address}/v1", proxy=SecretStr("none"))
        },
        "models": {
            DEMO_MODEL: model.Model(
                name="Demo: scripted answers, not a language model",
                endpoints=[model.Endpoint(provider="demo", model="echo", prices=free)],
            ),
            "demo/*": model.Model(endpoints=[model.Endpoint(provider="demo", prices=free)]),
        },
        "aliases": {},
        "keys": [key.model_copy(update={"models": None}) for key in base.config.keys],
    }
    return replace(base, config=base.config.model_copy(update=sections))
