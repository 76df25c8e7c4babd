"""From the body of a request to a preset: what is kept of it, in the words of chat.

``POST /presets/{name}/chat/completions`` and its sisters take a body of their API. The system prompt is set apart, the
conversation is left out, and the members that have other names in chat get those.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from turnout.config.preset import OF_THE_REQUEST, PresetError

Api = Literal["chat", "messages", "responses"]

_RESPONSES: Final = {"max_output_tokens": "max_tokens"}
_MESSAGES: Final = {"stop_sequences": "stop"}
_ONLY_THERE: Final = frozenset({"instructions", "system", "store", "include", "background", "previous_response_id"})


def preset(api: Api, body: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The members to keep, and the system prompt. Raises :class:`PresetError`."""
    kept = {
        name: value for name, value in body.items() if name not in OF_THE_REQUEST | _ONLY_THERE and value is not None
    }
    if api == "chat":
        return kept, _system_of_messages(body.get("messages"))
    if api == "responses":
        kept = {_RESPONSES.get(name, name): value for name, value in kept.items()}
        text = kept.pop("text", None)
        if isinstance(text, dict):
            if isinstance(form := text.get("format"), dict):
                kept["response_format"] = _format(form)
            if text.get("verbosity") is not None:
                kept["verbosity"] = text["verbosity"]
        _rewrite(kept, "tools", _tool_of_responses)
        return kept, _text(body.get("instructions"), "instructions")
    kept = {_MESSAGES.get(name, name): value for name, value in kept.items()}
    _rewrite(kept, "tools", _tool_of_messages)
    thinking = kept.pop("thinking", None)
    if isinstance(thinking, dict) and "reasoning" not in kept:
        kept["reasoning"] = _reasoning(thinking)
    output = kept.pop("output_config", None)
    if isinstance(output, dict) and output.get("effort") is not None:
        kept["reasoning"] = {**kept.get("reasoning", {}), "effort": output["effort"]}
        kept["reasoning"].pop("max_tokens", None)
    choice = kept.get("tool_choice")
    if isinstance(choice, dict):
        kept["tool_choice"] = _choice_of_messages(choice)
    return kept, _text(body.get("system"), "system")


def _rewrite(kept: dict[str, Any], name: str, one: Any) -> None:
    listed = kept.get(name)
    if isinstance(listed, list):
        kept[name] = [one(entry) if isinstance(entry, dict) else entry for entry in listed]


def _system_of_messages(messages: Any) -> str | None:
    """The system messages at the start, joined."""
    texts: list[str] = []
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict) or message.get("role") not in ("system", "developer"):
            break
        text = _text(message.get("content"), "messages")
        if text:
            texts.append(text)
    return "\n\n".join(texts) or None


def _text(content: Any, where: str) -> str | None:
    """A prompt that is one text, or a list of blocks of text."""
    if content is None or isinstance(content, str):
        return content or None
    if isinstance(content, list) and all(
        isinstance(block, dict) and isinstance(block.get("text"), str) for block in content
    ):
        return "\n\n".join(block["text"] for block in content) or None
    raise PresetError(f"{where}: the system prompt of a preset must be text")


def _tool_of_responses(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function" or "function" in tool:
        return tool
    inner = {name: value for name, value in tool.items() if name != "type" and value is not None}
    return {"type": "function", "function": inner}


def _tool_of_messages(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type", "custom") not in ("custom", None):
        return tool
    inner = {name: tool[name] for name in ("name", "description", "strict") if name in tool}
    return {"type": "function", "function": {**inner, "parameters": tool.get("input_schema", {"type": "object"})}}


def _format(form: dict[str, Any]) -> dict[str, Any]:
    if form.get("type") != "json_schema":
        return form
    return {"type": "json_schema", "json_schema": {name: form[name] for name in form if name != "type"}}


def _reasoning(thinking: dict[str, Any]) -> dict[str, Any]:
    if thinking.get("type") == "disabled":
        return {"enabled": False}
    budget = thinking.get("budget_tokens")
    return {"enabled": True} if budget is None else {"max_tokens": budget}


def _choice_of_messages(choice: dict[str, Any]) -> Any:
    match choice.get("type"):
        case "any":
            return "required"
        case "auto" | "none" as word:
            return word
        case _:
            return {"type": "function", "function": {"name": choice.get("name")}}
