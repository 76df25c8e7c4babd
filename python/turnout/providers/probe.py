"""One small real request over each protocol of a provider: what ``turnout provider test`` does.

The requests go through a plane of their own, made of the configuration's provider and nothing else, so that what is
tested is what will serve: the same URLs, credentials, signatures, translation and proxy. Only what is cheap is asked: a
few words of a chat, else one embedding, else one rerank. Images and sound are not, since each costs real money.
"""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from turnout import keys
from turnout.config import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from turnout.catalogue.entry import Catalogue, Entry
    from turnout.catalogue.entry import Endpoint as CatalogueEndpoint
    from turnout.gateway import Native

PATIENCE_S: Final = 90.0
"""For one answer. A server that has to load a model first may take a minute."""
LIST_S: Final = 10.0
"""For a provider's own list of models."""
ERROR_CHARACTERS_MAX: Final = 400
TOKENS_MAX: Final = 64
"""Enough for a few words, also of a model that thinks first; some refuse less than sixteen."""

_OPERATIONS: Final[Mapping[snapshot.Dialect, Mapping[str, str]]] = {
    "openai": {"chat": "chat", "embeddings": "embeddings", "rerank": "rerank"},
    "responses": {"chat": "responses"},
    "anthropic": {"chat": "messages"},
    "gemini": {"chat": "generate", "embeddings": "embed"},
    "bedrock": {"chat": "converse", "embeddings": "invoke"},
    "cohere": {"chat": "chat", "embeddings": "embed", "rerank": "rerank"},
    "ollama": {"chat": "chat", "embeddings": "embed"},
}
"""What a question is called in each dialect."""

_PATHS: Final = {"chat": "/v1/chat/completions", "embeddings": "/v1/embeddings", "rerank": "/v1/rerank"}
_MAKES: Final = {"chat": "text", "embeddings": "embeddings", "rerank": "rerank"}
"""The output modality of the models that a question is for."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A wire, and what to ask over it."""

    wire: snapshot.Wire
    question: str | None
    """``chat``, ``embeddings`` or ``rerank``; ``None``: the wire offers nothing that is cheap to ask."""
    model: str | None
    """``None``: none is known."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came back."""

    trial: Trial
    status: int | None
    """The provider's, as far as it is known; ``None``: nothing was asked, or nothing came."""
    milliseconds: int
    prompt_tokens: int | None
    completion_tokens: int | None
    said: str
    """The beginning of the answer, or what went wrong."""

    @property
    def is_good(self) -> bool:
        """Whether the wire works."""
        return self.status == 200


def host(wire: snapshot.Wire) -> str:
    """Where a wire leads, for people."""
    return urlsplit(wire.base_url).netloc


def trials(provider: snapshot.Provider, *, model: str | None, slug: str, catalogue: Catalogue | None) -> list[Trial]:
    """What to ask over each wire: ``model``, else the cheapest that the catalogue has for the provider ``slug``."""
    made = []
    for wire in provider.wires:
        question = next(
            (name for name, operation in _OPERATIONS[wire.dialect].items() if operation in wire.paths), None
        )
        found = model
        if found is None and question is not None and catalogue is not None:
            found = cheapest(catalogue, slug, question, wire.dialect)
        made.append(Trial(wire=wire, question=question, model=found))
    return made


def cheapest(catalogue: Catalogue, slug: str, question: str, dialect: str) -> str | None:
    """The provider's name of its cheapest model that can be asked this in this dialect."""
    fit = [
        (_price(endpoint), endpoint.model)
        for entry in catalogue.models
        if _MAKES[question] in entry.outputs
        for endpoint in entry.endpoints
        if endpoint.provider == slug and endpoint.dialect in (None, dialect) and not _is_over(entry, endpoint)
    ]
    return min(fit)[1] if fit else None


def _price(endpoint: CatalogueEndpoint) -> int:
    """For comparing only: a free or unpriced model is often one that is limited or not for everybody, so it is last."""
    prices = endpoint.prices
    total = prices.prompt + prices.completion if prices is not None else 0
    return total or 2**62


def _is_over(entry: Entry, endpoint: CatalogueEndpoint) -> bool:
    expires = endpoint.expires or entry.expires
    return expires is not None and expires <= time.strftime("%Y-%m-%d", time.gmtime())


def listed(provider: snapshot.Provider) -> list[str]:
    """Names of models in the provider's own list; empty when it has none that can be read."""
    import httpx  # Here, because it takes a third of a second that most commands do not need.

    wire = next((wire for wire in provider.wires if wire.dialect in ("openai", "responses")), None)
    if wire is None:
        return []
    headers, query = dict(provider.headers), {}
    for credential in provider.credentials[:1]:
        if credential.scheme == "header":
            headers[credential.name] = credential.value
        elif credential.scheme == "query":
            query[credential.name] = credential.value
    try:
        with httpx.Client(proxy=provider.proxy, verify=provider.ca_path or True, trust_env=False) as client:
            answer = client.get(f"{wire.base_url}/models", headers=headers, params=query, timeout=LIST_S)
            said = msgspec.json.decode(answer.content)
    except (httpx.HTTPError, msgspec.DecodeError, OSError):
        return []
    data = said.get("data") if isinstance(said, dict) else None
    names = [one.get("id") for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    return [name for name in names if isinstance(name, str)]


def run(whole: snapshot.Snapshot, asked: Iterable[Trial], module: Native) -> list[Outcome]:
    """Asks over each wire, one after the other. ``whole`` has the one provider that is tested."""
    asked = list(asked)
    key = keys.make("client")
    ready = [trial for trial in asked if trial.question is not None and trial.model is not None]
    with tempfile.TemporaryDirectory(prefix="turnout-test-") as folder:
        plane = module.Plane(
            snapshot.encode(_alone(whole, ready, key)), listeners=[], control_socket=None, state_dir=folder
        )
        try:
            (address, *_) = plane.start()
            return [_ask(trial, address, key) for trial in asked]
        finally:
            plane.stop()


def _alone(whole: snapshot.Snapshot, ready: list[Trial], key: str) -> snapshot.Snapshot:
    """The snapshot with one model for each trial, one attempt, and a key of its own."""
    unknown = snapshot.DataPolicy(training=None, retention_days=None, zdr=False)
    models = [
        snapshot.Model(
            slug=f"test/{trial.wire.dialect}",
            endpoints=[
                snapshot.Endpoint(
                    provider=0,
                    model=trial.model or "",
                    tag=f"{whole.providers[0].slug}/{trial.wire.dialect}",
                    prices=None,
                    context_length=None,
                    completion_tokens_max=None,
                    dialect=trial.wire.dialect,
                    parameters=None,
                    inputs=[],
                    outputs=[],
                    quantization=None,
                    data_policy=unknown,
                    weight=1,
                    service_tier=None,
                    region=None,
                )
            ],
            card="{}",
            distillable=None,
            created=0,
            scores=None,
            reasoning=None,
        )
        for trial in ready
    ]
    server = msgspec.structs.replace(
        whole.server,
        listen=["127.0.0.1:0"],
        tls=None,
        threads=1,
        raw_errors=True,
        attempts=msgspec.structs.replace(whole.server.attempts, attempts_max=1),
        drain=snapshot.Drain(min_ms=0, max_ms=0),
    )
    return msgspec.structs.replace(
        whole,
        server=server,
        auth=True,
        keys=[keys.as_client_key(keys.digest(key), "provider test")],
        models=models,
        aliases={},
        wildcards=[],
        routers=[],
    )


def _ask(trial: Trial, address: str, key: str) -> Outcome:
    import httpx  # Here, because it takes a third of a second that most commands do not need.

    if trial.question is None:
        offered = ", ".join(trial.wire.paths)
        return _not_asked(trial, f"not tried: it offers {offered}, which costs more than a test should")
    if trial.model is None:
        return _not_asked(trial, "not tried: no model of it is known; name one with --model")
    began = time.monotonic()
    try:
        answer = httpx.post(
            f"http://{address}{_PATHS[trial.question]}",
            headers={"authorization": f"Bearer {key}"},
            json={"model": f"test/{trial.wire.dialect}", **_BODIES[trial.question]},
            timeout=PATIENCE_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        return _not_asked(trial, f"no answer: {error}")
    taken = int((time.monotonic() - began) * 1000)
    try:
        said: Any = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        said = None
    body: dict[str, Any] = said if isinstance(said, dict) else {}
    usage = body.get("usage") if isinstance(body.get("usage"), dict) else {}
    good = answer.status_code == 200
    status, wrong = (200, "") if good else _wrong(body, answer.status_code)
    return Outcome(
        trial=trial,
        status=status,
        milliseconds=taken,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        said=_shown(trial.question, body) if good else wrong,
    )


_BODIES: Final[Mapping[str, dict[str, Any]]] = {
    "chat": {"messages": [{"role": "user", "content": "Say hello in one word."}], "max_tokens": TOKENS_MAX},
    "embeddings": {"input": "hello"},
    "rerank": {"query": "hello", "documents": ["hello", "goodbye"]},
}


def _not_asked(trial: Trial, why: str) -> Outcome:
    return Outcome(trial=trial, status=None, milliseconds=0, prompt_tokens=None, completion_tokens=None, said=why)


def _count(usage: Any, name: str) -> int | None:
    found = usage.get(name) if isinstance(usage, dict) else None
    return found if isinstance(found, int) else None


def _shown(question: str, body: dict[str, Any]) -> str:
    """The beginning of a good answer."""
    try:
        if question == "chat":
            message = body["choices"][0]["message"]
            return str(message.get("content") or message.get("reasoning") or "").strip()[:60]
        if question == "embeddings":
            return f"{len(body['data'][0]['embedding'])} numbers"
        return f"best: document {body['results'][0]['index']}"
    except (KeyError, IndexError, TypeError):
        return "an answer without what was asked for"


def _wrong(body: dict[str, Any], status: int) -> tuple[int, str]:
    """The provider's status, and what went wrong, with a hint what to look at."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    text = str(error.get("message") or "no reason given")
    told = _STATUS.search(text)
    status = int(told[1]) if told is not None else status
    if isinstance(raw, str) and _reason(raw) not in text:
        text = f"{text}: {raw}"
    hint = f" ({_HINTS[status]})" if status in _HINTS else ""
    return status, f"{' '.join(text.split())[:ERROR_CHARACTERS_MAX]}{hint}"


def _reason(raw: str) -> str:
    """The sentence in a provider's error, where it is one of the usual objects; else all of it."""
    try:
        said = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return raw
    inner = said.get("error", said) if isinstance(said, dict) else said
    reason = inner.get("message") if isinstance(inner, dict) else inner
    return reason if isinstance(reason, str) else raw


_STATUS: Final = re.compile(r"\bstatus ([1-5][0-9]{2})\b")
"""How the gateway tells a provider's status where it answers with another."""

_HINTS: Final = {
    401: "the key is wrong, or for another site of the provider",
    402: "the account has no credit",
    403: "the key may not use this model",
    404: "the URL or the model's name is wrong; try --model",
    429: "rate limit or quota; the key itself works",
}
