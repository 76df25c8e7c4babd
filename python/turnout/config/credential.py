"""Which key or identity a provider is asked with: what was written, else what the environment has, else none.

A part of :mod:`turnout.config.compile`. What is missing is a mistake here, at the start, and not a refusal later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnout.auth import aws
from turnout.auth.key import BEARER, Header, KeyScheme, Query
from turnout.auth.key import credential as key_credential
from turnout.config import model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from turnout.config import snapshot
    from turnout.config.source import Step
    from turnout.config.work import Work
    from turnout.providers import Row

AWS_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
KEY_KINDS = ("bearer", "header", "query")


def credentials(
    work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None, headers: set[str]
) -> list[snapshot.Credential]:
    """The credentials of one provider. Empty: requests go without, or there was a mistake, which is noted."""
    kind = written.auth.kind
    where = (*path, "auth")
    keys = _keys(written)
    if kind is not None and kind not in KEY_KINDS:
        if keys:
            work.wrong((*where, "kind"), f"{kind} needs no api_key: give one or the other")
        return _identity(work, path, written, known)
    scheme = _scheme(work, where, written, known)
    sent_as = scheme.name if isinstance(scheme, Header) else ""
    if not keys:
        if sent_as in headers or work.is_cut(*path, "api_key") or work.is_hurt(*path, "api_keys"):
            return []
        return _from_environment(work, path, written, known, scheme)
    if sent_as in headers:
        shown = "-".join(part.capitalize() for part in sent_as.split("-"))
        work.wrong((*path, "headers"), f"give either a key or the header {shown}, not both")
    made: list[snapshot.Credential] = []
    labels: set[str] = set()
    for position, one in enumerate(keys):
        label = one.label or f"key-{position + 1}"
        if label in labels:
            work.wrong((*path, "api_keys", position, "label"), f"the label {label} occurs twice in this provider")
        labels.add(label)
        made.append(key_credential(scheme, label=label, key=one.key.get_secret_value(), weight=one.weight))
    return made


def environment_key(known: Row, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The row's first variable that is set and not empty, with its value."""
    found = ((variable, environment.get(variable, "").strip()) for variable in known.env)
    return next(((variable, key) for variable, key in found if key), None)


def _keys(written: model.Provider) -> Sequence[model.Credential]:
    return [model.Credential(key=written.api_key)] if written.api_key is not None else written.api_keys or []


def _scheme(work: Work, where: tuple[Step, ...], written: model.Provider, known: Row | None) -> KeyScheme:
    """How a key is sent: as was written, else as the row says, else as a bearer token."""
    auth = written.auth
    of_row = known.auth if known else BEARER
    if auth.kind is None:
        for field in ("name", "prefix"):
            if getattr(auth, field):
                work.wrong((*where, field), "give kind as well: header or query")
        return of_row
    if auth.kind == "bearer":
        return BEARER
    if auth.name is None:
        work.wrong((*where, "name"), f"give the name of the {auth.kind} that carries the key")
        return of_row
    return Query(name=auth.name) if auth.kind == "query" else Header(name=auth.name.lower(), prefix=auth.prefix)


def _from_environment(
    work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None, scheme: KeyScheme
) -> list[snapshot.Credential]:
    if known is None:
        return []
    found = environment_key(known, work.environment)
    if found is not None:
        variable, key = found
        if not key.isascii() or not key.isprintable() or " " in key:
            work.wrong(path, f"the environment variable {variable} holds characters that no key has")
        return [key_credential(scheme, label="key-1", key=key, weight=1)]
    if known.identity is not None and written.auth.kind is None:
        return _identity(work, path, written, known)
    if known.env and not known.key_optional:
        work.wrong(path, f"there is no key: set the environment variable {known.env[0]}, or give api_key")
    return []


def _identity(
    work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None
) -> list[snapshot.Credential]:
    """An identity in place of a key."""
    where = (*path, "auth")
    auth = written.auth
    service = auth.service or (known.identity.service if known and known.identity else "bedrock")
    region = (
        auth.region
        or written.settings.get("region")
        or next((found for name in AWS_REGION_VARIABLES if (found := work.environment.get(name, "").strip())), "")
    )
    if not region:
        work.wrong((*where, "region"), "there is no region to sign for: give it here, or set AWS_REGION")
    pair = aws.key_pair(work.environment)
    if auth.access_key_id is not None and auth.secret_access_key is not None:
        pair = aws.KeyPair(
            access_key_id=auth.access_key_id.get_secret_value(),
            secret_access_key=auth.secret_access_key.get_secret_value(),
            session_token=auth.session_token.get_secret_value() if auth.session_token else None,
        )
    elif auth.access_key_id is not None or auth.secret_access_key is not None:
        work.wrong(where, "give both access_key_id and secret_access_key")
    if pair is None:
        env = f"{known.env[0]} or " if known and known.env else ""
        work.wrong(
            path, f"there are no credentials: set {env}AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give auth"
        )
        return []
    return [aws.credential(pair, label="aws", region=region, service=service)]
