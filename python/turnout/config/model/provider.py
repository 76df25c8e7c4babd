"""The section ``providers``: accounts at providers, and what they speak."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from turnout.config.model.auth import Auth, Credential
from turnout.config.model.routing import ProviderProbe
from turnout.config.model.section import HOUR, MINUTE, SECOND, Section
from turnout.config.snapshot import Dialect
from turnout.config.values import (
    BaseUrl,
    CertificateFile,
    HeaderSecret,
    HeaderValue,
    Milliseconds,
    ProxySecret,
    SettingText,
    UrlPath,
    one_or_many,
    wrong,
)


class UpstreamTimeouts(Section):
    """How long to wait for a provider. At each end the attempt counts as failed and the next candidate is tried."""

    connect: Milliseconds = Field(
        default=5 * SECOND,
        ge=50,
        le=2 * MINUTE,
        description="Name, TCP, proxy and TLS together. Round the world this takes under a second; five allow for two "
        "lost packets.",
    )
    first_byte: Milliseconds = Field(
        default=5 * MINUTE,
        ge=100,
        le=1 * HOUR,
        description="From the request's last byte to the first byte of the answer, and of a stream to its first event. "
        "An answer that is not streamed comes whole, so this is the time to write all of it: reasoning models "
        "take minutes. Lower it for models that start quickly, to fall back sooner.",
    )
    idle: Milliseconds = Field(
        default=2 * MINUTE,
        ge=100,
        le=1 * HOUR,
        description="Longest silence inside an answer that has begun. Streams that reason out of sight can pause for a "
        "minute; two minutes of nothing mean a dead connection.",
    )
    pool_idle: Milliseconds = Field(
        default=50 * SECOND,
        ge=0,
        le=1 * HOUR,
        description="A kept connection that was not used for this long is closed. Below the 60 s after which common "
        "front ends close it themselves, so that a request seldom meets a dying one. 0 keeps none.",
    )


class Quirks(Section):
    """Where a server differs from others of its dialect. Most of it only means something in the dialect ``openai``.

    Each default is the row's; without a row it is the one that is named.
    """

    stream_usage: bool | None = Field(
        default=None,
        description="Whether stream_options.include_usage may be sent. Default: true. false for servers that refuse "
        "it: then usage is taken when it comes by itself, and estimated when not.",
    )
    max_tokens: Literal["max_tokens", "max_completion_tokens"] | None = Field(
        default=None,
        description="Name of the bound on what is written. Default: max_tokens, the older and more widely known one.",
    )
    developer_role: bool | None = Field(
        default=None,
        description="Whether messages of the role developer are understood; else they are sent as system. "
        "Default: false.",
    )
    reasoning: Literal["effort", "object", "thinking", "none"] | None = Field(
        default=None,
        description="How a wish for reasoning is said: the field reasoning_effort, an object reasoning as OpenRouter "
        "has it, an object thinking with a type, or not at all. Default: effort.",
    )
    parallel_tool_calls: bool | None = Field(
        default=None, description="Whether the field parallel_tool_calls may be sent. Default: true."
    )
    tool_choice_required: Literal["required", "any"] | None = Field(
        default=None, description="The word for: some tool must be called. Default: required."
    )
    json_schema: bool | None = Field(
        default=None,
        description="Whether response_format may hold a JSON schema; else json_object is sent. Default: true.",
    )
    image_urls: bool | None = Field(
        default=None, description="Whether the server fetches images from http URLs itself. Default: true."
    )


class Wire(Section):
    """One protocol that a provider speaks, and where."""

    dialect: Dialect = Field(description="The protocol.")
    base_url: BaseUrl | None = Field(
        default=None,
        description="URL before the paths of the operations. Default: the row's for this dialect, if it has one.",
    )
    operations: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="What is offered there, of the operations of the dialect. Default: the row's, else all of them.",
    )
    paths: dict[str, UrlPath] = Field(
        default={},
        max_length=16,
        description="Operations that are elsewhere than usual: path below base_url, with {model} where the model's "
        "name belongs, and with a query if it needs one (?api-version=…).",
    )
    quirks: Quirks = Field(default=Quirks(), description="Where it differs from others of its dialect.")


class DataPolicy(Section):
    """What happens to what is sent. A row tells what the provider's terms say; say here what yours do."""

    training: bool | None = Field(
        default=None, description="Whether it may be used for training. Default: the row's, else unknown."
    )
    retention_days: int | None = Field(
        default=None, ge=0, le=36_500, description="How long it is kept. Default: the row's, else unknown."
    )
    zdr: bool | None = Field(
        default=None,
        description="Whether zero data retention is in force for this account. Default: false; it is never assumed.",
    )


def _credentials(written: Any) -> Any:
    """A plain list of keys is a list of credentials without label and weight."""
    listed = one_or_many(written)
    return [{"key": item} if isinstance(item, str) else item for item in listed] if isinstance(listed, list) else listed


class Provider(Section):
    """A provider account. The slug before it is the name that endpoints and ``provider.order`` use."""

    row: str | None = Field(
        default=None,
        description="Known provider to take URL, environment variable and abilities from; see the table of providers. "
        "Default: the slug, if it is a known one. Give it to have two accounts at one provider, or leave it out and "
        "give base_url for a provider that is not in the table.",
    )
    name: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Display name, the provider field of answers. Default: the row's, else the slug.",
    )
    dialect: Dialect | None = Field(
        default=None,
        description="Protocol that the provider speaks. Default: all of the row's, else openai. With a row that has "
        "several, only this one is used.",
    )
    base_url: BaseUrl | None = Field(
        default=None,
        description="URL before the paths of the operations, with the version: https://api.example.com/v1 before "
        "/chat/completions. Default: the row's. With a row it takes the place of the preferred URL; protocols that "
        "the row has elsewhere are left out then. Needed when there is no row.",
    )
    operations: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=16,
        description="What it offers: chat, completions, embeddings … Default: the row's, else all operations of the "
        "dialect.",
    )
    paths: dict[str, UrlPath] = Field(
        default={},
        max_length=16,
        description="Operations that are elsewhere than usual: path below base_url, with {model} where the model's "
        "name belongs, and with a query if it needs one (?api-version=…).",
    )
    wires: list[Wire] | None = Field(
        default=None,
        min_length=1,
        max_length=7,
        description="Instead of dialect, base_url, operations and paths, for a provider with several protocols: each "
        "with its own, in order of preference.",
    )
    quirks: Quirks = Field(default=Quirks(), description="Where it differs from others of its dialect.")
    settings: dict[str, SettingText] = Field(
        default={},
        max_length=16,
        description="What the row's URLs leave open, by name: region, resource, project … See the table of providers. "
        "Default: the environment variables there.",
    )
    auth: Auth = Field(default=Auth(), description="How it is told who is asking.")
    api_key: HeaderSecret | None = Field(
        default=None,
        description="The provider's key: ${VARIABLE} or file:PATH rather than the text. Default: the row's "
        "environment variable. A provider without a row, or on one's own machine, goes without a key.",
    )
    api_keys: Annotated[list[Credential], BeforeValidator(_credentials)] | None = Field(
        default=None,
        max_length=1000,
        description="Several keys instead of one: requests are spread by weight, and a key that is refused or "
        "rate-limited is followed by the next. An empty list: only keys that are handed in by POST /api/v1/byok.",
    )
    data_policy: DataPolicy = Field(default=DataPolicy(), description="What it does with what it is sent.")
    headers: dict[str, HeaderValue] = Field(
        default={},
        max_length=64,
        description="Headers to add to every request, for instance an organisation. They are treated as secrets. "
        "Headers that frame the message (Host, Content-Length, Connection …) cannot be set.",
    )
    timeouts: UpstreamTimeouts = Field(default=UpstreamTimeouts(), description="How long to wait for it.")
    probe: ProviderProbe = Field(
        default=ProviderProbe(), description="How its endpoints are probed, where it differs from routing.probe."
    )
    proxy: ProxySecret | None = Field(
        default=None,
        description="HTTP proxy on the way to it, http://[user:password@]host:port, or none. Default: HTTPS_PROXY, "
        "HTTP_PROXY or ALL_PROXY of the environment, minding NO_PROXY; loopback is always reached directly then.",
    )
    ca: CertificateFile | None = Field(
        default=None,
        description="PEM file of certificates to trust besides the usual roots, for a private one. Default: none.",
    )
    routing_fields: bool | None = Field(
        default=None,
        description="Whether the gateway's own request fields (provider, models, usage …) are passed on. Default: the "
        "row's, else false; true only makes sense for another gateway of this kind.",
    )
    stream_usage: bool | None = Field(
        default=None,
        description="Short for quirks.stream_usage.",
    )
    catalogue: bool | None = Field(
        default=None,
        description="Whether it brings the models that the catalogue has for its row. Default: true for a known "
        "provider, false where base_url or wires are written, because that is another server.",
    )
    enabled: bool = Field(
        default=True,
        description="false leaves the provider and its endpoints out of use without removing them from the file.",
    )

    @model_validator(mode="after")
    def _one_way_to_give_keys(self) -> Provider:
        if self.api_key is not None and self.api_keys is not None:
            raise wrong("give either api_key or api_keys, not both")
        return self

    @model_validator(mode="after")
    def _one_way_to_give_wires(self) -> Provider:
        single = self.model_fields_set & {"dialect", "base_url", "operations", "paths"}
        if self.wires is not None and single:
            raise wrong(f"give either wires or {sorted(single)[0]}, not both: each wire has its own")
        return self
