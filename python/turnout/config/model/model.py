"""The section ``models``: slugs that clients may ask for, and the endpoints that serve them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from turnout.config.model.price import Prices
from turnout.config.model.provider import DataPolicy
from turnout.config.model.section import Section
from turnout.config.snapshot import Dialect
from turnout.config.values import UnixTime

Modality = Literal["text", "image", "audio", "file", "video", "embeddings", "rerank", "speech", "transcription"]


class Endpoint(Section):
    """A model at a provider."""

    provider: str = Field(description="Slug of a provider in this file.")
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The provider's own name of the model. Default: the catalogue's, else the slug without its "
        "author, or the whole slug at a gateway (routing_fields). In a wildcard, * stands for what the wildcard "
        "matched, and is the default.",
    )
    prices: Prices | None = Field(
        default=None,
        description="What it costs. Default: the catalogue's; where it has none the price is unknown: then nothing is "
        "charged, and the ledger says so.",
    )
    context_length: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Tokens of prompt and completion together. Default: the catalogue's, else unknown, shown as null.",
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Most tokens of one completion. Default: the catalogue's, else unknown, shown as null.",
    )
    tag: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$",
        description="Name of this endpoint in the journal and metrics: the provider's slug, or that and a variant, "
        "deepinfra/turbo. Unique in the model. Default: the provider's slug, numbered from the second one on.",
    )
    dialect: Dialect | None = Field(
        default=None,
        description="Protocol of the provider that this model is served on, where it is not served on all of them. "
        "Default: whichever fits the request best.",
    )
    supported_parameters: tuple[str, ...] | None = Field(
        default=None,
        max_length=64,
        description="Request parameters that it understands (tools, temperature …). Default: the model's.",
    )
    input_modalities: tuple[Modality, ...] | None = Field(
        default=None, min_length=1, description="What it reads. Default: the model's."
    )
    output_modalities: tuple[Modality, ...] | None = Field(
        default=None, min_length=1, description="What it writes. Default: the model's."
    )
    quantization: Literal["int4", "int8", "fp4", "fp6", "fp8", "fp16", "bf16", "fp32"] | None = Field(
        default=None, description="Precision of its weights. Default: unknown."
    )
    data_policy: DataPolicy = Field(
        default=DataPolicy(), description="What happens to what it is sent. Default: as the provider says."
    )
    weight: int = Field(
        default=1,
        ge=0,
        le=1_000_000,
        description="Share of the requests compared with the model's other endpoints, under the policy weighted. 0 "
        "serves only when the others fail. Default: 1.",
    )
    region: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]{1,32}$",
        description="Where it computes: eu, us … Default: unknown.",
    )


class Benchmarks(Section):
    """How good a model is, from 0 to 100, for the routers to choose by. Each default is Turnout's own estimate."""

    intelligence: float | None = Field(
        default=None, ge=0, le=100, description="General knowledge and reasoning. Default: the estimate, else unknown."
    )
    coding: float | None = Field(
        default=None, ge=0, le=100, description="Programming. Default: the estimate, else as intelligence."
    )
    agentic: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Work over many steps with tools. Default: the estimate, else as intelligence.",
    )


class Reasoning(Section):
    """How much a model can be asked to think. A level that it does not know is replaced by the nearest."""

    mandatory: bool = Field(
        default=False,
        description="Whether it always thinks. A request that turns thought off is refused then, or served with the "
        "least of it where the model is one of several or the newest of a family. Default: false.",
    )
    efforts: tuple[Literal["max", "xhigh", "high", "medium", "low", "minimal", "none"], ...] = Field(
        default=(),
        max_length=7,
        description="Levels that it knows. Default: unknown, so that every level is passed on.",
    )


class Model(Section):
    """A slug that clients may ask for, and where it is served.

    The short form of a model with a single endpoint writes the endpoint's keys directly under the slug; the shortest
    form is the provider's slug alone.
    """

    endpoints: list[Endpoint] = Field(
        default=[],
        max_length=64,
        description="Where it is served; routing.policy says in which order they are tried, and with order it is that "
        "of the list. Default: where the catalogue says that the providers of this file serve it, the cheapest first.",
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Display name. Default: the catalogue's, else the slug. The defaults of the following keys are the "
        "catalogue's as well, where it knows the model.",
    )
    description: str = Field(default="", max_length=8192, description="Free text for GET /models. Default: empty.")
    created: UnixTime = Field(
        default=0, description="When the model came out: a date or Unix seconds. Default: 0, which means unknown."
    )
    aliases: tuple[str, ...] = Field(
        default=(),
        max_length=256,
        description="Other names for it; the same as entries of the section aliases.",
    )
    input_modalities: tuple[Modality, ...] = Field(
        default=("text",),
        min_length=1,
        description="What it reads: a request with an image, sound or a film goes to endpoints only that read it. "
        "Default: text in GET /models, and nothing is left out.",
    )
    output_modalities: tuple[Modality, ...] = Field(
        default=("text",),
        min_length=1,
        description="What it writes, for GET /models; embeddings for an embedding model. Nothing is "
        "enforced. Default: text.",
    )
    supported_parameters: tuple[str, ...] = Field(
        default=(),
        max_length=64,
        description="Request parameters that it understands (tools, temperature …). Others are left out of what is "
        "sent, and a request with tools is refused if they are not among them. Default: empty, which means unknown.",
    )

    distillable: bool | None = Field(
        default=None,
        description="Whether its author permits to train other models with what it writes, for "
        "provider.enforce_distillable_text. Default: unknown, which does not count as permission.",
    )
    benchmarks: Benchmarks = Field(default=Benchmarks(), description="How good it is; see docs/auto-router.md.")
    reasoning: Reasoning | None = Field(
        default=None, description="How much it can be asked to think. Default: the catalogue's, else unknown."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, written: Any) -> Any:
        if isinstance(written, str):
            return {"endpoints": [{"provider": written}]}
        if not isinstance(written, dict):
            return written
        # A key that both have stays with the model; its endpoint takes it from there.
        below = Endpoint.model_fields.keys() - cls.model_fields.keys()
        inline = {key: value for key, value in written.items() if key in below and value is not None}
        if not inline or "endpoints" in written:
            return written
        rest = {key: value for key, value in written.items() if key not in below}
        return {**rest, "endpoints": [inline]}
