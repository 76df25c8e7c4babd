"""The page ``docs/providers.md``, made from the rows: what each provider speaks, where, and what it says about data.

``python -m turnout.providers.reference > docs/providers.md`` writes it; a test compares it with the file.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from turnout.auth.key import BEARER, Header
from turnout.providers.checked import COMPARISONS
from turnout.providers.clouds import CLOUDS
from turnout.providers.gateways import GATEWAYS
from turnout.providers.hosts import HOSTS
from turnout.providers.labs import LABS
from turnout.providers.local import LOCAL
from turnout.providers.rows import ROWS

if TYPE_CHECKING:
    from turnout.providers.row import Policy, Row, Setting

_HEAD: Final = f"""\
# Providers

<!-- Made by `python -m turnout.providers.reference > docs/providers.md`; a test compares the two. Change the rows in
python/turnout/providers/ instead of this page. -->

{len(ROWS)} providers are known by name. A provider is switched on by its slug under `providers` in the configuration;
its key comes from `api_key` there, else from the environment variable. Without a configuration file each provider whose
variable is set is on; those marked † are not, because their variable is commonly set for something else. A second
account is another slug with `row: SLUG`. Any other server is given with `dialect` and `base_url`.

The facts are from public documentation; [below](#what-was-compared) stands which of them were compared with what.
`turnout provider test SLUG` sends one small real request over each protocol and shows what came back. "unknown" means
that nothing was found that could be relied on, and is treated as the worse case where a request asks for privacy.
What a row says about data holds for an ordinary paid account; say in `data_policy` what your contract says.
"""

_SUBJECTS: Final = (
    ("Makers of models", LABS),
    ("Hosts of open models", HOSTS),
    ("Clouds", CLOUDS),
    ("Gateways", GATEWAYS),
    ("On your own machine", LOCAL),
)


def render() -> str:
    """The whole page."""
    parts = [_HEAD]
    for title, rows in _SUBJECTS:
        parts.append(f"## {title}\n")
        parts.append(_protocols(rows))
        if rows is not LOCAL:
            parts.append(_policies(rows))
    parts.append(_settings())
    parts.append(_comparisons())
    return "\n".join(parts)


def _protocols(rows: tuple[Row, ...]) -> str:
    lines = [
        "| slug | name | protocols, in order of preference | key | documentation |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        wires = "<br>".join(f"**{wire.dialect}** `{wire.base_url}`: {', '.join(wire.operations)}" for wire in row.wires)
        mark = "" if row.detect else " †"
        lines.append(f"| `{row.slug}` | {row.name} | {wires} | {_key(row)}{mark} | <{row.docs}> |")
    return "\n".join([*lines, ""])


def _key(row: Row) -> str:
    """Where the key comes from and how it is sent, where that is not as a bearer token."""
    ways = [", ".join(f"`{name}`" for name in row.env)] if row.env else []
    if row.env and row.auth != BEARER:
        kind = "header" if isinstance(row.auth, Header) else "parameter"
        ways[0] += f" (in the {kind} `{row.auth.name}`)"
    if row.identity is not None:
        tag = row.identity.__struct_config__.tag
        ways.append({"sigv4": "AWS credentials", "google": "a Google Cloud account", "entra": "Entra ID"}[str(tag)])
    return ", or ".join(ways) or "none needed"


def _policies(rows: tuple[Row, ...]) -> str:
    lines = [
        "| slug | trains on prompts | keeps them | zero retention | seat | computes in | links |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        policy = row.policy
        training = {None: "unknown", True: "yes", False: "no"}[policy.training]
        named = (
            ("source", policy.source),
            ("privacy", row.privacy_url),
            ("terms", row.terms_url),
            ("status", row.status_url),
        )
        links = " ".join(f"[{name}]({url})" for name, url in named if url)
        cells = (
            f"`{row.slug}`",
            training,
            _retention(policy),
            _zero_retention(policy),
            row.headquarters or "unknown",
            ", ".join(row.datacenters) or "unknown",
            links,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _retention(policy: Policy) -> str:
    if policy.retention_days is None:
        return "unknown"
    return f"{policy.retention_days} days" if policy.retention_days else "no"


def _zero_retention(policy: Policy) -> str:
    if policy.retention_days == 0:
        return "the rule"
    return "can be agreed on" if policy.zdr_offered else "unknown"


def _settings() -> str:
    lines = [
        "## Settings",
        "",
        "What a provider's URLs leave open is given under `settings`, or by the environment.",
        "",
        "| slug | setting | meaning | environment variable | default |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in ROWS:
        for setting in row.settings:
            variables = ", ".join(f"`{name}`" for name in setting.env)
            default = f"`{setting.default}`" if setting.default else "required"
            lines.append(f"| `{row.slug}` | `{setting.name}` | {_meaning(setting)} | {variables} | {default} |")
    return "\n".join([*lines, ""])


def _comparisons() -> str:
    lines = [
        "## What was compared",
        "",
        "A row agrees with a source in that fact. What does not stand here (other links, seats, countries, and the "
        "rows that are missing) was not compared with anything, and is as it was written down.",
        "",
        "| fact | source | on | rows |",
        "| --- | --- | --- | --- |",
    ]
    for one in COMPARISONS:
        slugs = ", ".join(f"`{slug}`" for slug in one.slugs)
        lines.append(f"| {one.fact} | {one.source} | {one.on} | {slugs} |")
    return "\n".join([*lines, ""])


def _meaning(setting: Setting) -> str:
    choices = ", ".join(f"`{choice}`" for choice, _ in setting.choices)
    return f"{setting.meaning}: {choices}" if choices else setting.meaning


if __name__ == "__main__":
    sys.stdout.write(render())
