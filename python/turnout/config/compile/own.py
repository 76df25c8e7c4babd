"""The provider keys of the API beside those of the configuration.

Such a key is used with its provider's URLs as they are configured, so a region or a resource inside must be the
configured one. What cannot be used is left out, with the reason: unlike a mistake in a file it must not keep a gateway
from starting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from turnout.auth import aws
from turnout.auth.aws import Aws
from turnout.auth.google import SCOPE, Google, GoogleSource
from turnout.auth.key import BEARER, Header, KeyScheme, Query
from turnout.auth.key import credential as key_credential
from turnout.config import model, snapshot
from turnout.config.compile import account
from turnout.config.own import Account, Form, LeftOut, OwnKey, OwnKeyError, Pair, Plain, Resource, parse
from turnout.providers import row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from turnout.config.compile.work import Work
    from turnout.providers import Row

_REGION_ANY: Final = ("", "global", None)
"""Regions of a plain key that mean none."""


def added(work: Work, written: Mapping[str, model.Provider]) -> dict[str, model.Provider]:
    """Known providers that nobody has configured and that keys were handed in for: they are on for these keys alone."""
    made: dict[str, model.Provider] = {}
    for slug, keys in work.own.items():
        if slug in written:
            if not written[slug].enabled:
                _leave_all(work, keys, f"the provider {slug} is off in the configuration (enabled: false)")
            continue
        known = row(slug)
        if known is None or known.key_optional:
            _leave_all(work, keys, f"there is no provider {slug}; add it to providers in the configuration")
            continue
        missing = [one.name for one in known.settings if account.setting(one, work.environment) is None]
        if missing:
            names = " and ".join(missing)
            _leave_all(work, keys, f"the provider {slug} needs {names}; add it to providers in the configuration")
            continue
        made[slug] = model.Provider(api_keys=[])
    return made


def credentials(
    work: Work, slug: str, written: model.Provider, known: Row | None, headers: set[str], *, goes_without: bool
) -> list[snapshot.Credential]:
    """The handed-in keys of a provider, behind its others. Those that cannot be used are noted in ``work.left_out``.

    ``headers``: those that the configuration adds. ``goes_without``: the provider is asked without any key.
    """
    made: list[snapshot.Credential] = []
    for key in work.own.get(slug, ()):
        if key.text is None:
            work.left_out[key.id] = LeftOut(reason=key.problem or "it cannot be read", is_wrong=False)
            continue
        try:
            if goes_without:
                # With one key, requests that it is not for would find none.
                raise OwnKeyError(f"{slug} is asked without a key; give it api_keys in the configuration, [] for none")
            found = _credential(work, parse(key.text), slug, written, known, headers)
        except OwnKeyError as error:
            work.left_out[key.id] = LeftOut(reason=str(error), is_wrong=True)
            continue
        if key.disabled:
            continue
        if isinstance(found, GoogleSource):
            work.sources.append(found)
            token = work.tokens(found)
            if token is None:
                reason = f"off until there is a token: {found.describe()}"
                work.left_out[key.id] = LeftOut(reason=reason, is_wrong=False)
                continue
            found = token
        made.append(
            msgspec.structs.replace(
                found,
                label=key.label,
                weight=1,
                kind=key.kind,
                required=key.required,
                exclusive=key.exclusive,
                zdr=key.zdr,
                rules=_rules(key),
            )
        )
    return made


def named(
    providers: Sequence[snapshot.Provider], own: Mapping[str, Sequence[OwnKey]], keys: Sequence[snapshot.Key]
) -> list[snapshot.Provider]:
    """The same providers with names of client keys where hashes are: by names the plane tells them apart.

    A hash that no key has any more fits nobody.
    """
    labels = {key.label for some in own.values() for key in some if key.hashes is not None}
    if not labels:
        return list(providers)
    names = {key.sha256: key.name for key in keys}

    def with_names(one: snapshot.Credential) -> snapshot.Credential:
        if one.label not in labels or one.rules is None:
            return one
        found = [names[sha256] for sha256 in one.rules.keys or () if sha256 in names]
        return msgspec.structs.replace(one, rules=msgspec.structs.replace(one.rules, keys=found))

    return [
        msgspec.structs.replace(provider, credentials=[with_names(one) for one in provider.credentials])
        for provider in providers
    ]


def without_added(
    keys: Sequence[OwnKey], configured: Mapping[str, model.Provider], mistake: str
) -> tuple[list[OwnKey], dict[str, LeftOut]]:
    """The keys of configured providers, when the others brought a mistake about; when there are no others, none."""
    kept = [key for key in keys if key.provider in configured]
    if len(kept) == len(keys):
        kept = []
    left = LeftOut(reason=f"with it the configuration has a mistake: {mistake}", is_wrong=True)
    return kept, {key.id: left for key in keys if key not in kept}


def warnings(left_out: Mapping[str, LeftOut]) -> list[str]:
    """What is left out, as the other warnings are told."""
    return [f"the provider key {key_id} of the API is not used: {left.reason}" for key_id, left in left_out.items()]


def _leave_all(work: Work, keys: Sequence[OwnKey], reason: str) -> None:
    for key in keys:
        work.left_out[key.id] = LeftOut(reason=reason, is_wrong=True)


def _rules(key: OwnKey) -> snapshot.CredentialRules | None:
    if key.models is None and key.hashes is None and key.users is None:
        return None
    return snapshot.CredentialRules(models=key.models, keys=key.hashes, users=key.users)


def _credential(
    work: Work, form: Form, slug: str, written: model.Provider, known: Row | None, headers: set[str]
) -> snapshot.Credential | GoogleSource:
    kind = written.auth.kind or (str(known.identity.__struct_config__.tag) if known and known.identity else "")
    match form:
        case Pair():
            if kind != "sigv4":
                raise OwnKeyError(f"{slug} does not take a key pair of AWS")
            region = _region(work, written, known)
            _same_place(form.region, region)
            service = known.identity.service if known and isinstance(known.identity, Aws) else "bedrock"
            return aws.credential(form.pair, label="", region=region, service=written.auth.service or service)
        case Account():
            if kind != "google":
                raise OwnKeyError(f"{slug} does not take a service account of Google's")
            _same_place(form.region, _setting(work, written, known, "location"))
            scope = known.identity.scope if known and isinstance(known.identity, Google) else SCOPE
            content = msgspec.json.encode(form.content).decode()
            return GoogleSource(credentials_file=None, account=content, scope=written.auth.scope or scope)
        case Resource():
            configured = _setting(work, written, known, "resource")
            if not configured:
                raise OwnKeyError(f"{slug} has no resource; hand in the key alone")
            if form.resource != configured:
                raise OwnKeyError(
                    f"{slug} is configured for the resource {configured}; configure a provider with row: {slug} for "
                    f"another: {form.resource[:64]}"
                )
        case Plain():
            if form.region not in _REGION_ANY:
                raise OwnKeyError(f"{slug} is asked where it is configured; leave region out")
    scheme = _scheme(written, known)
    if scheme is None:
        expected = {"sigv4": '{"accessKeyId": …, "secretAccessKey": …}', "google": "the JSON of a service account"}
        raise OwnKeyError(f"{slug} takes no plain key; expected {expected.get(kind, 'another identity')}")
    if isinstance(scheme, Header) and scheme.name in headers:
        raise OwnKeyError(f"{slug} is sent the header {scheme.name} by the configuration already")
    return key_credential(scheme, label="", key=form.key, weight=1)


def _scheme(written: model.Provider, known: Row | None) -> KeyScheme | None:
    """How a plain key is sent; ``None``: the provider takes none."""
    auth = written.auth
    if auth.kind == "bearer":
        return BEARER
    if auth.kind in ("header", "query") and auth.name is not None:
        return Query(name=auth.name) if auth.kind == "query" else Header(name=auth.name.lower(), prefix=auth.prefix)
    # A row with an identity and no variable for a key, such as Vertex, has no keys.
    if known is not None and (known.identity is None or known.env):
        return known.auth
    return BEARER if known is None and auth.kind is None else None


def _region(work: Work, written: model.Provider, known: Row | None) -> str:
    region = written.auth.region or _setting(work, written, known, "region") or work.environment.get("AWS_REGION", "")
    if not region:
        raise OwnKeyError("the provider has no region to sign for; give settings.region in the configuration")
    return region


def _setting(work: Work, written: model.Provider, known: Row | None, name: str) -> str:
    setting = next((one for one in known.settings if one.name == name), None) if known else None
    return written.settings.get(name) or (account.setting(setting, work.environment) if setting else None) or ""


def _same_place(wanted: str | None, configured: str) -> None:
    if wanted is not None and wanted != configured:
        raise OwnKeyError(
            f"the provider is configured for {configured or 'no region'}; configure another one for: {wanted[:64]}"
        )
