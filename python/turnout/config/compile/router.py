"""The routers: names behind which a model is chosen for each request (``docs/auto-router.md``).

Which names there are, what may be chosen and what is known of how good models are is decided here; the choice itself is
the plane's (``rust/plane/src/route/router/``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from turnout.catalogue import benchmarks
from turnout.config import snapshot
from turnout.config.card import router_card

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Literal

    from turnout.config import model
    from turnout.config.compile.work import Work

TASKS: Final = (
    *("code:debugging", "code:generation", "code:review", "agent:coding", "agent:tool_use", "math", "writing"),
    *("translation", "summarization", "extraction", "vision", "long_context", "question", "chat"),
)
"""What the plane tells requests apart by; the same as ``turnout_wire::classify::Task``."""

DEFAULT_POOL: Final = "default"

PARAMETERS: Final = (
    *("temperature", "top_p", "max_tokens", "stop", "seed", "tools", "tool_choice", "response_format"),
    *("structured_outputs", "reasoning", "include_reasoning"),
)
"""What a router's card says that it takes: the chosen model takes it, or it is left away."""


class _Kind(NamedTuple):
    kind: Literal["auto", "free", "pareto"]
    names: tuple[str, ...]
    name: str
    description: str


_AUTO: Final = _Kind(
    "auto",
    ("openrouter/auto", "openrouter/auto-beta", "turnout/auto"),
    "Auto Router",
    "Chooses a model for each request by its task, from the configured price range. The answer names the model.",
)
_FREE: Final = _Kind(
    "free",
    ("openrouter/free", "turnout/free"),
    "Free Models Router",
    "Chooses among the models that cost nothing one that can do what the request needs, at random.",
)
_PARETO: Final = _Kind(
    "pareto",
    ("openrouter/pareto-code", "turnout/pareto-code"),
    "Pareto Code Router",
    "Chooses the cheapest model that programs well enough.",
)


def routers(
    work: Work,
    models: Mapping[str, snapshot.Model],
    aliases: Mapping[str, str],
    wildcards: Collection[snapshot.Wildcard],
) -> list[snapshot.Router]:
    """The routers that are on. A name that the file gives to a model or an alias is that; none is served where there is
    nothing to choose from."""
    written = work.config.routers
    known_tasks = sorted({*TASKS, *(task.partition(":")[0] for task in TASKS), DEFAULT_POOL})
    for name in written.auto.pools:
        if name not in known_tasks:
            expected = f"not a task; there are {', '.join(known_tasks)}"
            work.wrong(("routers", "auto", "pools", name), expected, name=name, known=known_tasks)
    if not any(writes_text(model) for model in models.values()):
        return []
    judge = _judge(work, models, aliases, wildcards)
    made = [
        _router(work, known, options, models, aliases, judge)
        for known, options in ((_AUTO, written.auto), (_FREE, written.free), (_PARETO, written.pareto_code))
        if options.enabled
    ]
    return [router for router in made if router.names]


def router_of(work: Work, models: Mapping[str, snapshot.Model], taken: Collection[str], name: str) -> str | None:
    """The slug of the router that an alias to ``name`` means; ``None``: no router has this name.

    ``taken``: names that are aliases of something else.
    """
    written = work.config.routers
    for known, options in ((_AUTO, written.auto), (_FREE, written.free), (_PARETO, written.pareto_code)):
        free = [one for one in known.names if one not in models and one not in taken]
        if options.enabled and name in free and any(writes_text(model) for model in models.values()):
            return free[0]
    return None


def writes_text(known: snapshot.Model) -> bool:
    """Whether it may be chosen at all."""
    return any(not endpoint.outputs or "text" in endpoint.outputs for endpoint in known.endpoints)


def _router(
    work: Work,
    known: _Kind,
    written: model.AutoRouter | model.FreeRouter | model.ParetoRouter,
    models: Mapping[str, snapshot.Model],
    aliases: Collection[str],
    judge: snapshot.Judge | None,
) -> snapshot.Router:
    config = work.config.routers
    names = [name for name in known.names if name not in models and name not in aliases]
    return snapshot.Router(
        kind=known.kind,
        names=names,
        card=router_card(names[0], known.name, known.description, parameters=PARAMETERS) if names else "",
        allowed=written.allowed_models,
        excluded=written.excluded_models,
        pools=config.auto.pools if known is _AUTO else {},
        cost_tier=config.auto.cost_tier,
        coding_score_min=round(config.pareto_code.min_coding_score * 1000),
        judge=judge if known is _AUTO else None,
    )


def _judge(
    work: Work,
    models: Mapping[str, snapshot.Model],
    aliases: Mapping[str, str],
    wildcards: Collection[snapshot.Wildcard],
) -> snapshot.Judge | None:
    """Whom the auto router asks. A router would have to ask a judge itself."""
    written = work.config.routers.auto.judge
    if written is None:
        return None
    path = ("routers", "auto", "judge", "model")
    slug = aliases.get(written.model, written.model)
    if slug not in models and slug in {name for kind in (_AUTO, _FREE, _PARETO) for name in kind.names}:
        work.wrong(path, "a router cannot be the judge of a router: name a small model")
        return None
    if slug not in models and not any(slug.startswith(wildcard.prefix) for wildcard in wildcards):
        known = sorted([*models, *aliases])
        work.wrong(path, f"no model is called {written.model}", name=written.model, known=known)
        return None
    if slug in models and not writes_text(models[slug]):
        work.wrong(path, f"{written.model} does not write text")
        return None
    return snapshot.Judge(model=slug, timeout_ms=written.timeout, ttl_ms=written.ttl, opinions_max=written.opinions)


def scores(slug: str, written: model.Model) -> snapshot.Scores | None:
    """What is known of how good a model is: what the file says, field by field, else the estimate of its family."""
    estimate = benchmarks.scores(slug)
    said = written.benchmarks
    if estimate is None and not said.model_fields_set:
        return None

    def tenths(own: float | None, estimated: int | None) -> int | None:
        if own is not None:
            return round(own * 10)
        return None if estimated is None else estimated * 10

    return snapshot.Scores(
        intelligence=tenths(said.intelligence, estimate.intelligence if estimate else None),
        coding=tenths(said.coding, estimate.coding if estimate else None),
        agentic=tenths(said.agentic, estimate.agentic if estimate else None),
    )
