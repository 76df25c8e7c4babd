"""The whole file."""

from __future__ import annotations

from pydantic import Field

from turnout.config.model.billing import Billing, Credits, FreeModels
from turnout.config.model.cache import Cache
from turnout.config.model.catalogue import Catalogue
from turnout.config.model.key import Key
from turnout.config.model.model import Model
from turnout.config.model.preset import Preset
from turnout.config.model.process import Ledger, Log
from turnout.config.model.provider import Provider
from turnout.config.model.router import Routers
from turnout.config.model.routing import Routing
from turnout.config.model.section import Section
from turnout.config.model.server import Server


class Config(Section):
    """The whole file. Everything may be left out."""

    server: Server = Field(default=Server(), description="The public side.")
    keys: list[Key] = Field(
        default=[],
        max_length=1_000_000,
        description="Keys of clients. When there is none, one is made at the first start and shown once.",
    )
    providers: dict[str, Provider] = Field(
        default={},
        max_length=10_000,
        description="Provider accounts by slug. With a file, only the providers in it are used; without one, every "
        "known provider whose environment variable is set.",
    )
    models: dict[str, Model] = Field(
        default={},
        max_length=1_000_000,
        description="Models by slug author/name, or by wildcard such as openai/*, besides those of the catalogue. "
        "A slug may end in :free, :extended, :thinking or :batch: without endpoints such a variant has those of the "
        "model. What is written here wins over what the catalogue says, field by field. The longest wildcard wins, "
        "and a slug wins over wildcards. When the section is empty, each provider SLUG serves SLUG/*, with the rest of "
        "the name passed on.",
    )
    catalogue: Catalogue = Field(default=Catalogue(), description="Models that providers bring without being listed.")
    presets: dict[str, Preset] = Field(
        default={},
        max_length=1_000,
        description="Presets by name. Others are made through the API; one of the same name there is left out.",
    )
    aliases: dict[str, str] = Field(
        default={},
        max_length=1_000_000,
        description="Other names for models: alias: slug. An alias of an alias is followed. What serves is "
        "booked under its slug.",
    )
    routing: Routing = Field(default=Routing(), description="How endpoints are chosen.")
    credits: Credits = Field(default=Credits(), description="Prepaid money of the whole gateway.")
    free: FreeModels = Field(default=FreeModels(), description="Limits of models that cost nothing.")
    billing: Billing = Field(default=Billing(), description="How money is counted.")
    routers: Routers = Field(default=Routers(), description="Names behind which a model is chosen.")
    cache: Cache = Field(default=Cache(), description="Answers that are given again.")
    ledger: Ledger = Field(default=Ledger(), description="Where generations are booked.")
    log: Log = Field(default=Log(), description="What is logged.")
