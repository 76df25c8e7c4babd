"""Which key or identity a provider is asked with: what was written, else what the environment has, else none.

A part of :mod:`turnout.config.compile.provider`. What is missing is a mistake here, at the start, and not a refusal
later.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from turnout.auth import aws
from turnout.auth.aws import AwsSource
from turnout.auth.entra import AUTHORITY, Entra, EntraSource
from turnout.auth.google import METADATA_HOST, SCOPE, Google, GoogleSource
from turnout.auth.key import BEARER, Header, KeyScheme, Query
from turnout.auth.key import credential as key_credential
from turnout.config import model, snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from turnout.auth.source import Source
    from turnout.config.compile.work import Work
    from turnout.config.source import Step
    from turnout.providers import Row

AWS_CONTAINER_VARIABLES = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
AWS_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
KEY_KINDS = ("bearer", "header", "query")


def credentials(
    work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None, headers: set[str]
) -> list[snapshot.Credential] | None:
    """The credentials of one provider. Empty: requests go without, or there was a mistake, which is noted.

    ``None``: they must be fetched, and that has not happened yet, so the provider is off until it has.
    """
    kind = written.auth.kind
    where = (*path, "auth")
    keys = _keys(written)
    if kind is not None and kind not in KEY_KINDS:
        if keys:
            work.wrong((*where, "kind"), f"{kind} needs no api_key: give one or the other")
        return _identity(work, path, written, known)
    scheme = _scheme(work, where, written, known)
    sent_as = scheme.name if isinstance(scheme, Header) else ""
    if written.api_keys == []:
        return []
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
        plain = key_credential(scheme, label=label, key=one.key.get_secret_value(), weight=one.weight)
        said = {"kind": one.kind, "required": one.required, "exclusive": one.exclusive, "zdr": one.zdr}
        made.append(msgspec.structs.replace(plain, **said, rules=_rules(one)))
    return made


def _rules(one: model.Credential) -> snapshot.CredentialRules | None:
    if one.models is None and one.keys is None and one.users is None:
        return None
    return snapshot.CredentialRules(models=one.models, keys=one.keys, users=one.users)


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
) -> list[snapshot.Credential] | None:
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
) -> list[snapshot.Credential] | None:
    """An identity in place of a key."""
    kind = written.auth.kind or (known.identity.__struct_config__.tag if known and known.identity else None)
    found: Source | snapshot.Credential | None
    match kind:
        case "entra":
            found = _entra(work, path, written.auth, known)
        case "google":
            found = _google(work, written.auth, known)
        case _:
            found = _aws(work, path, written, known)
    if found is None or isinstance(found, snapshot.Credential):
        return [] if found is None else [found]
    work.sources.append(found)
    made = work.tokens(found)
    if made is None:
        work.warn(path, f"off until there is a token: {found.describe()}")
        return None
    return [made]


def _entra(work: Work, path: tuple[Step, ...], auth: model.Auth, known: Row | None) -> EntraSource | None:
    parts = {
        "tenant_id": auth.tenant_id or _variable(work, "AZURE_TENANT_ID"),
        "client_id": auth.client_id or _variable(work, "AZURE_CLIENT_ID"),
        "client_secret": auth.client_secret.get_secret_value()
        if auth.client_secret
        else _variable(work, "AZURE_CLIENT_SECRET"),
        "scope": auth.scope or (known.identity.scope if known and isinstance(known.identity, Entra) else ""),
    }
    missing = [name for name, value in parts.items() if not value]
    if missing:
        if auth.kind is None and known is not None and known.env:
            work.wrong(path, f"there is no key: set the environment variable {known.env[0]}, or give api_key or auth")
        else:
            variables = ", ".join(f"AZURE_{name.upper()}" for name in missing if name != "scope")
            hint = f", or set {variables}" if variables else ""
            work.wrong((*path, "auth"), f"Entra ID needs {' and '.join(missing)}: give them here{hint}")
        return None
    authority = auth.token_url or _variable(work, "AZURE_AUTHORITY_HOST").rstrip("/") or AUTHORITY
    return EntraSource(**parts, authority=authority if "://" in authority else f"https://{authority}")


def _google(work: Work, auth: model.Auth, known: Row | None) -> GoogleSource:
    named = auth.credentials_file or _variable(work, "GOOGLE_APPLICATION_CREDENTIALS") or _gcloud_login(work)
    scope = auth.scope or (known.identity.scope if known and isinstance(known.identity, Google) else SCOPE)
    host = _variable(work, "GCE_METADATA_HOST") or METADATA_HOST
    return GoogleSource(credentials_file=str(named) if named else None, scope=scope, metadata_host=host)


def _gcloud_login(work: Work) -> Path | None:
    """The login that ``gcloud auth application-default login`` leaves, if there is one."""
    folder = _variable(work, "CLOUDSDK_CONFIG")
    home = _variable(work, "HOME")
    if not folder and not home:
        return None
    login = (Path(folder) if folder else Path(home) / ".config" / "gcloud") / "application_default_credentials.json"
    return login if login.is_file() else None


def _aws(
    work: Work, path: tuple[Step, ...], written: model.Provider, known: Row | None
) -> snapshot.Credential | AwsSource | None:
    """Keys that were written, else a role or profile that was, else the same in the environment, in AWS's order."""
    where = (*path, "auth")
    auth = written.auth
    service = auth.service or (known.identity.service if known and isinstance(known.identity, aws.Aws) else "bedrock")
    named = (_variable(work, name) for name in AWS_REGION_VARIABLES)
    region = auth.region or written.settings.get("region") or next((one for one in named if one), "")
    if not region:
        # A row that has the region in its URL has told so already.
        if not known or all(setting.name != "region" for setting in known.settings):
            work.wrong((*where, "region"), "there is no region to sign for: give it here, or set AWS_REGION")
        return None
    pair = None
    if auth.access_key_id is not None and auth.secret_access_key is not None:
        pair = aws.KeyPair(
            access_key_id=auth.access_key_id.get_secret_value(),
            secret_access_key=auth.secret_access_key.get_secret_value(),
            session_token=auth.session_token.get_secret_value() if auth.session_token else None,
        )
    elif auth.access_key_id is not None or auth.secret_access_key is not None:
        work.wrong(where, "give both access_key_id and secret_access_key")
        return None
    if auth.web_identity_token_file is not None and auth.role_arn is None:
        work.wrong((*where, "role_arn"), "give the role that web_identity_token_file is exchanged for")
        return None
    role, token_file = auth.role_arn, auth.web_identity_token_file
    if pair is None and role is None and auth.profile is None:
        file, arn = _variable(work, "AWS_WEB_IDENTITY_TOKEN_FILE"), _variable(work, "AWS_ROLE_ARN")
        if file and arn:
            role, token_file = arn, Path(file)
    from_environment = aws.key_pair(work.environment) if auth.profile is None and token_file is None else None
    pair = pair or from_environment
    if pair is not None and role is None:
        return aws.credential(pair, label="aws", region=region, service=service)
    profile = auth.profile or (_variable(work, "AWS_PROFILE") if pair is None and token_file is None else "") or None
    on_machine = any(_variable(work, name) for name in AWS_CONTAINER_VARIABLES) or auth.kind == "sigv4"
    if role is None and profile is None and not on_machine:
        variable = f"{known.env[0]}, or " if known and known.env else ""
        work.wrong(
            path,
            f"there are no credentials: set {variable}AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give auth; "
            "auth: {kind: sigv4} alone takes the role of the machine",
        )
        return None
    external_id = auth.external_id.get_secret_value() if auth.external_id else None
    return AwsSource(
        region=region,
        service=service,
        profile=profile,
        pair=pair,
        role_arn=role,
        external_id=external_id,
        web_identity_token_file=str(token_file) if token_file else None,
        token_url=auth.token_url,
    )


def _variable(work: Work, name: str) -> str:
    return work.environment.get(name, "").strip()
