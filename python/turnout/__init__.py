"""Turnout: a self-hosted LLM gateway. One base URL and one key for every model and provider.

``turnout.app`` is the ASGI application for granian. Its lifespan starts the native plane, which serves all model
traffic; the application itself answers the control API. It is made when it is first asked for, so that importing the
package reads nothing and starts nothing.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from turnout.asgi import Application

    __version__: str
    app: Application

__all__ = ["__version__", "app"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name == "app":
        from turnout.asgi import Application

        value = Application()
    else:
        raise AttributeError(f"module 'turnout' has no attribute {name!r}")
    globals()[name] = value
    return value


def _version() -> str:
    try:
        return version("turnout")
    except PackageNotFoundError:
        # Run from a source tree that is on the path and was never installed.
        return "0+source"
