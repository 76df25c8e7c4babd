"""``GET /``: a page that says what this is and how to use it. It shows nothing that is not public."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from turnout.control import identity

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Turnout</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 46rem; margin: 4rem auto; padding: 0 1.25rem }}
  h1 {{ margin-bottom: 0; letter-spacing: -.02em }}
  small {{ opacity: .7 }}
  pre {{ padding: 1rem; overflow-x: auto; border: 1px solid #8884; border-radius: .5rem; font-size: 14px }}
  td {{ padding: .15rem 1.5rem .15rem 0; vertical-align: top }}
</style>
<h1>Turnout</h1>
<small>LLM gateway, version {version}</small>
<p>One base URL and one key for every model. Point an OpenAI client at <code>{base}/v1</code>:</p>
<pre>curl {base}/v1/chat/completions \\
  -H "Authorization: Bearer $TURNOUT_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'</pre>
<table>
<tr><td><a href="/v1/models">/v1/models</a><td>models that can be asked for (needs a key)
<tr><td>/v1/generation?id=…<td>what one answer cost and how it came about
<tr><td>/v1/key<td>what a key has used
<tr><td><a href="/health/live">/health/live</a>, <a href="/health/ready">/health/ready</a><td>health
<tr><td><a href="/metrics">/metrics</a><td>metrics in OpenMetrics text
</table>
</html>
"""


async def read(request: Request) -> Response:
    """The page, with this gateway's own address as the caller sees it."""
    gateway = identity.gateway(request)
    models = gateway.reloader.current.snapshot.models
    page = PAGE.format(
        version=escape(gateway.version),
        base=escape(identity.address(request)),
        model=escape(models[0].slug if models else "author/model"),
    )
    return HTMLResponse(
        page,
        headers={
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        },
    )
