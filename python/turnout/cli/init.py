"""``turnout init``: a small configuration to start from, commented, which ``turnout check`` finds good as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console

if TYPE_CHECKING:
    from pathlib import Path

STARTER: Final = """\
# Turnout's configuration. `turnout check` finds mistakes, `turnout explain` shows what it comes to.
# Every key is described in docs/config.md. ${NAME} comes from the environment, ${NAME:-text} has a default.
# Lines of settings that are commented out become good ones by taking the # away.

server:
  listen: 127.0.0.1:4000      # 0.0.0.0:4000 opens it to the network

# Keys of your clients. With none, Turnout makes one at its first start and shows it once.
#keys:
#  - name: laptop
#    key: ${LAPTOP_KEY}       # or sha256: of it, from: printf %s "$KEY" | sha256sum
#    models: [local/*]        # leave out to allow all

providers:
  local:                      # any server with OpenAI's API: Ollama, vLLM, llama.cpp, LM Studio ...
    base_url: ${LOCAL_MODEL_URL:-http://127.0.0.1:8080/v1}
# A known provider needs its slug and a key. Without api_key the usual variable is taken: OPENAI_API_KEY.
#  openai:
#  groq:
#    api_key: file:groq.key   # the content of a file beside this one

# Known providers bring their models. What is written here is added, and wins over what Turnout knows by itself.
# Endpoints are tried in order; prices are US dollars per million tokens.
models:
  local/*: local              # local/NAME asks the provider local for NAME
#  openai/gpt-4o-mini:
#    provider: openai
#    prices: {prompt: 0.15, completion: 0.60, cache_read: 0.075}
#  meta-llama/llama-3.3-70b-instruct:
#    endpoints:
#      - {provider: groq, model: llama-3.3-70b-versatile}
#      - {provider: local, model: llama-3.3-70b-instruct}

# Other names for models.
#aliases:
#  fast: openai/gpt-4o-mini

# Models that are not to be served, and whether names of tomorrow are passed on.
#catalogue:
#  hide: [openai/o1-pro]
#  pass_through: true
"""


def init(path: Path, force: bool) -> int:
    """Writes the starter to ``path``; returns 1, leaving the file alone, when it exists and ``force`` is false."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    try:
        # "x" refuses in the same step in which it creates, so nothing written meanwhile can be lost.
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        console.print(f"{path} exists already: give another name, or --force to overwrite it", style="bold red")
        return 1
    except OSError as error:
        console.print(f"{path} cannot be written: {error.strerror}", style="bold red")
        return 1
    console.print(f"wrote {path}: edit it, then turnout check -c {path}", style="green")
    return 0
