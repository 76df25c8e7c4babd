"""The section ``routing``: how endpoints are chosen, for everybody and for one key."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from turnout.config.model.section import DAY, HOUR, MINUTE, SECOND, Section
from turnout.config.snapshot import Policy
from turnout.config.values import Milliseconds, PriceUsd, one_or_many


class Wishes(Section):
    """Who may serve, and who first. What the gateway, the key and the request say is joined to the strictest."""

    policy: Policy | None = Field(
        default=None,
        description="How endpoints that are equally good otherwise are ordered; a request says it in provider.sort. "
        "price: the cheapest most often, by one over the square of the price. throughput, latency: the fastest "
        "first. exacto: those that call tools best first. weighted: by the weights of the endpoints. least_busy: the "
        "less busy of two drawn. adaptive: by price, speed and failures together. order: as they are listed, whatever "
        "is known of them. Default: that of the gateway, and there price.",
    )
    only: Annotated[list[str], BeforeValidator(one_or_many)] = Field(
        default=[],
        max_length=64,
        description="Providers that may serve, by slug, or endpoints by tag. Default: all.",
    )
    ignore: Annotated[list[str], BeforeValidator(one_or_many)] = Field(
        default=[], max_length=64, description="Providers or endpoints that may not serve. Default: none."
    )
    data_collection: Literal["allow", "deny"] = Field(
        default="allow",
        description="deny leaves out endpoints that train on what they are sent, or are not known not to. "
        "Default: allow.",
    )
    zdr: bool = Field(
        default=False,
        description="Whether only endpoints with zero data retention may serve. Default: false.",
    )


class KeyRouting(Wishes):
    """How endpoints are chosen for the requests of one key."""

    hedge: bool | None = Field(
        default=None,
        description="Whether a second attempt may be made beside a slow one. A request says it in the header "
        "X-Turnout-Hedge or in provider.hedge. Default: as routing.hedge.enabled.",
    )


class Sticky(Section):
    """Conversations stay with the endpoint that has their prompt in its cache, where reading from it is cheaper."""

    ttl: Milliseconds = Field(
        default=10 * MINUTE,
        ge=0,
        le=1 * DAY,
        description="How long after its last request a conversation is remembered. OpenRouter's time, and about that "
        "of the providers' caches. 0 turns it off.",
    )
    conversations: int = Field(
        default=100_000,
        ge=1,
        le=10_000_000,
        description="Conversations that are remembered, about 100 bytes each; beyond that the oldest are forgotten.",
    )


class Breaker(Section):
    """When an endpoint that keeps failing is left alone. It then stands behind all others and is still tried last."""

    failures: int = Field(
        default=5,
        ge=0,
        le=10_000,
        description="Failures in a row that open it. Five in a row are hardly chance where even one request in three "
        "fails. It also opens when an endpoint fails far more often than the model's others. 0 turns it off.",
    )
    open: Milliseconds = Field(
        default=30 * SECOND,
        ge=100,
        le=1 * HOUR,
        description="How long it stays open. Then one request at a time is let through, until one is served.",
    )
    open_max: Milliseconds = Field(
        default=5 * MINUTE,
        ge=100,
        le=1 * DAY,
        description="Each request that fails then opens it for twice as long, up to this.",
    )


class Adaptive(Section):
    """How the policy adaptive turns time and failures into money."""

    second: PriceUsd = Field(
        default=Decimal("0.0001"),
        description="US dollars that a second of waiting is worth, to the first token and to the last. A hundredth of "
        "a cent is a tenth of what a mid-sized answer of a mid-sized model costs. 0: price alone counts.",
    )
    failure: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="How many times its cost a failed request costs. At 10 an endpoint of which one request in ten "
        "fails counts as twice as dear.",
    )
    limited: int = Field(
        default=2,
        ge=0,
        le=1000,
        description="The same of a request that is told to come back later (429), which costs little but time.",
    )
    exploration_percent: int = Field(
        default=2,
        ge=0,
        le=50,
        description="Share of the requests that go to any endpoint alike, so that one that has become better is found. "
        "2 % cost little even where the dearest is ten times as dear.",
    )


class Retries(Section):
    """Second tries at a provider, after another attempt of the same request failed. Those that succeed do not count, so
    a healthy provider takes over for another without any limit, and one that fails sees little more than without
    fallback."""

    percent: int = Field(
        default=20,
        ge=0,
        le=100,
        description="Of a hundred requests, so many may lead to a second try that fails; the providers that fail "
        "divide them among themselves, and are passed over beyond that. 20 is the usual share in service meshes.",
    )
    per_second: int = Field(
        default=10,
        ge=0,
        le=100_000,
        description="So many a second at each provider beside them, so that a gateway with few requests is not "
        "hampered; ten seconds' worth may come at once.",
    )


class ProviderProbe(Section):
    """How the endpoints of one provider are probed, where it differs from routing.probe."""

    enabled: bool | None = Field(default=None, description="Whether they are. Default: as routing.probe says.")
    every: Milliseconds | None = Field(
        default=None, ge=1 * SECOND, le=1 * HOUR, description="After a failure. Default: as routing.probe says."
    )
    idle: Milliseconds | None = Field(
        default=None,
        ge=0,
        le=1 * DAY,
        description="Without a request; 0: only after a failure. Default: as routing.probe says.",
    )
    timeout: Milliseconds | None = Field(
        default=None, ge=100, le=5 * MINUTE, description="For one probe. Default: as routing.probe says."
    )
    tokens: int | None = Field(
        default=None, ge=1, le=1024, description="Length of the answer at most. Default: as routing.probe says."
    )


class Probe(Section):
    """Small requests that the gateway makes by itself, to see whether an endpoint is back or still there. They cost
    what such a request costs, and are booked without a key."""

    enabled: bool = Field(
        default=False,
        description="Whether endpoints are probed. Off: nobody's money is spent unasked. A provider may say otherwise.",
    )
    every: Milliseconds = Field(
        default=10 * SECOND,
        ge=1 * SECOND,
        le=1 * HOUR,
        description="An endpoint whose last request failed is asked after this time, then after twice, four … sixteen "
        "times of it. Below breaker.open it is found to be back before a client's request is let through to find out.",
    )
    idle: Milliseconds = Field(
        default=5 * MINUTE,
        ge=0,
        le=1 * DAY,
        description="An endpoint without a request for this long is asked as well, so that its failure is known before "
        "somebody needs it. As long as percentiles are remembered. 0: idle endpoints are not asked.",
    )
    timeout: Milliseconds = Field(
        default=10 * SECOND,
        ge=100,
        le=5 * MINUTE,
        description="A probe that is not answered by then has failed. One short answer takes a second or two. Raise it "
        "for servers that have to load a model first.",
    )
    tokens: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Length of the answer at most. One is the cheapest. Providers that refuse so few answer 400, which "
        "says nothing about the endpoint: give those 16 (OpenAI's models that reason, the responses API).",
    )
    per_minute: int = Field(
        default=60,
        ge=1,
        le=10_000,
        description="Probes in a minute, of all providers together. Endpoints that failed come before idle ones.",
    )


class Hedge(Section):
    """A second attempt at another endpoint beside a first one that is slow. The first that has something for the client
    serves, the other is broken off. It shortens the longest waits and costs up to the price of a second prompt."""

    enabled: bool = Field(
        default=False,
        description="Whether requests are hedged that do not say so themselves; a key (routing.hedge), a preset or a "
        "request (X-Turnout-Hedge or provider.hedge) may say otherwise. Off, because it costs money.",
    )
    after: Milliseconds | None = Field(
        default=None,
        ge=1,
        le=1 * HOUR,
        description="How long the first attempt may send nothing of a stream. Default: the p95, which is as long as "
        "the endpoint takes for 95 of 100 requests, by its last minutes.",
    )
    wait_min: Milliseconds = Field(
        default=200,
        ge=0,
        le=1 * HOUR,
        description="At least so long with the p95. Of an endpoint that is always fast, being somewhat slower is no "
        "reason to pay twice.",
    )
    wait_max: Milliseconds = Field(
        default=10 * SECOND,
        ge=1,
        le=1 * HOUR,
        description="At most so long with the p95, and where too little is known of the endpoint. Not below wait_min.",
    )
    plain_after: Milliseconds | None = Field(
        default=None,
        ge=1,
        le=1 * HOUR,
        description="The same for answers that are not streamed. Default: they are not hedged, because nothing is seen "
        "of them before their end, and how long that takes depends on how much is written.",
    )
    percent: int = Field(
        default=5,
        ge=0,
        le=100,
        description="Of a hundred requests, so many are hedged at most, whoever asks for it; some may come at once. "
        "With the p95 five of a hundred are due. 0: none.",
    )


class Routing(Wishes):
    """How endpoints are chosen, for all requests."""

    outage: Milliseconds = Field(
        default=30 * SECOND,
        ge=0,
        le=1 * HOUR,
        description="An endpoint that failed within this time stands behind the others. OpenRouter's time.",
    )
    require_tools: bool = Field(
        default=True,
        description="Whether a request with tools is refused (404) when no endpoint of the model takes tools, as "
        "OpenRouter does. false drops the tools then.",
    )
    sticky: Sticky = Field(default=Sticky(), description="Conversations that stay where their prompt is cached.")
    retries: Retries = Field(default=Retries(), description="How many second tries a failing provider may see.")
    hedge: Hedge = Field(default=Hedge(), description="A second attempt beside a slow first one.")
    breaker: Breaker = Field(default=Breaker(), description="When an endpoint that keeps failing is left alone.")
    cooldown_max: Milliseconds = Field(
        default=10 * MINUTE,
        ge=0,
        le=1 * DAY,
        description="Longest time for which an endpoint or a key that says when to come back (Retry-After) is left "
        "alone. 0: what it says is not heeded.",
    )
    adaptive: Adaptive = Field(default=Adaptive(), description="What time and failures cost the policy adaptive.")
    probe: Probe = Field(default=Probe(), description="Whether the gateway asks by itself which endpoints serve.")
