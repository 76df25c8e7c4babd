"""The model server: llama.cpp with its OpenAI API, in a process of its own because native code can end its process.

Run by :func:`turnout.local.running` as ``python -m turnout.local.model WEIGHTS``. It prints its URL once the model is
loaded, and ends when its standard input does, so it never outlives whoever started it, however that one ended.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from turnout.local import CONTEXT_LENGTH, KEY_VARIABLE, NAME, SLOTS


def parameters(llama: Any, weights: str, key: str) -> Any:
    """llama.cpp's parameters; ``llama`` is the module ``xllamacpp``, which has no types."""
    wanted = llama.CommonParams()
    wanted.model.path = weights
    wanted.model_alias = {NAME}
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = 0
    wanted.api_keys = [key]
    wanted.n_parallel = SLOTS
    wanted.n_ctx = SLOTS * CONTEXT_LENGTH
    # Weights are never fetched, whatever llama.cpp thinks of the file.
    wanted.offline = True
    return wanted


def main() -> None:
    """Serves until standard input ends."""
    import xllamacpp  # type: ignore[import-not-found, import-untyped, unused-ignore]

    # Kept by this name: the server ends with the object.
    server = xllamacpp.Server(parameters(xllamacpp, sys.argv[1], os.environ[KEY_VARIABLE]))
    print(server.listening_address, flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
