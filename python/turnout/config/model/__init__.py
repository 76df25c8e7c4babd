"""What a person writes in ``turnout.yaml``, a file for each subject.

The ``description`` of a field is its manual: meaning, why this default, and what happens at the ends. The page
``docs/config.md`` is made from these descriptions, the defaults and the bounds (:mod:`turnout.config.reference`). Units
are written with the value (``10s``, ``32MiB``) and are whole milliseconds and bytes once read.

What one field cannot know (does this provider exist, is this alias also a slug) is checked in
:mod:`turnout.config.compile`.
"""

from __future__ import annotations

from turnout.config.model.auth import Auth, AuthKind, Credential
from turnout.config.model.billing import Billing, Credits, FreeModels
from turnout.config.model.cache import Cache
from turnout.config.model.catalogue import Catalogue
from turnout.config.model.file import Config
from turnout.config.model.key import Key, KeyRate
from turnout.config.model.model import Benchmarks, Endpoint, Modality, Model, Reasoning
from turnout.config.model.preset import Preset
from turnout.config.model.price import Prices, PriceService, PriceTier
from turnout.config.model.process import Ledger, Log
from turnout.config.model.provider import DataPolicy, Provider, Quirks, UpstreamTimeouts, Wire
from turnout.config.model.router import AutoRouter, FreeRouter, Judge, ParetoRouter, Routers
from turnout.config.model.routing import (
    Adaptive,
    Breaker,
    Hedge,
    KeyRouting,
    Probe,
    ProviderProbe,
    Retries,
    Routing,
    Sticky,
    Wishes,
)
from turnout.config.model.section import Section
from turnout.config.model.server import Attempts, Drain, Limits, Server, Timeouts, Tls

__all__ = [
    "Adaptive",
    "Attempts",
    "Auth",
    "AuthKind",
    "AutoRouter",
    "Benchmarks",
    "Billing",
    "Breaker",
    "Cache",
    "Catalogue",
    "Config",
    "Credential",
    "Credits",
    "DataPolicy",
    "Drain",
    "Endpoint",
    "FreeModels",
    "FreeRouter",
    "Hedge",
    "Judge",
    "Key",
    "KeyRate",
    "KeyRouting",
    "Ledger",
    "Limits",
    "Log",
    "Modality",
    "Model",
    "ParetoRouter",
    "Preset",
    "PriceService",
    "PriceTier",
    "Prices",
    "Probe",
    "Provider",
    "ProviderProbe",
    "Quirks",
    "Reasoning",
    "Retries",
    "Routers",
    "Routing",
    "Section",
    "Server",
    "Sticky",
    "Timeouts",
    "Tls",
    "UpstreamTimeouts",
    "Wire",
    "Wishes",
]
