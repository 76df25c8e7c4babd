"""AWS: each request is signed with a key pair (SigV4), which the plane does, because the signature covers the body.

What is decided here is whose key pair. Two keys in the configuration or the environment are used as they are. A
profile, a role, a web identity or the machine's own role are exchanged for a pair of short life, which the library
botocore knows; it is an extra, since keys alone do not need it.
"""

from __future__ import annotations

import importlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from turnout.auth.source import EXCHANGE_S, AuthError, Minted
from turnout.config import snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SESSION_NAME: Final = "turnout"
"""Name of the sessions in AWS's own logs."""

UNTOLD_LIFE_S: Final = 900.0
"""After this a pair is read again whose end nobody told, such as that of a profile with plain keys: the file may have
changed meanwhile."""


class Aws(msgspec.Struct, frozen=True, kw_only=True, tag="sigv4"):
    """A row's word that requests are signed for AWS."""

    service: str = "bedrock"
    """The name that is signed for."""


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """An AWS identity's keys."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return "KeyPair(***)"


def key_pair(environment: Mapping[str, str]) -> KeyPair | None:
    """The pair in the environment, as every AWS tool reads it."""
    access_key_id = environment.get("AWS_ACCESS_KEY_ID", "").strip()
    secret_access_key = environment.get("AWS_SECRET_ACCESS_KEY", "").strip()
    if not access_key_id or not secret_access_key:
        return None
    token = environment.get("AWS_SESSION_TOKEN", "").strip() or None
    return KeyPair(access_key_id=access_key_id, secret_access_key=secret_access_key, session_token=token)


def credential(pair: KeyPair, *, label: str, region: str, service: str) -> snapshot.Credential:
    """The pair as the plane signs with it."""
    return snapshot.Credential(
        label=label,
        scheme="sigv4",
        name="",
        value="",
        weight=1,
        sigv4=snapshot.SigV4(
            access_key_id=pair.access_key_id,
            secret_access_key=pair.secret_access_key,
            session_token=pair.session_token,
            region=region,
            service=service,
        ),
    )


class AwsSource(msgspec.Struct, frozen=True, kw_only=True, tag="aws"):
    """An identity that is exchanged for a key pair, or kept where botocore finds it."""

    region: str
    service: str
    profile: str | None = None
    """``None`` with no pair either: botocore's usual places, down to the machine's role."""
    pair: KeyPair | None = None
    role_arn: str | None = None
    external_id: str | None = None
    web_identity_token_file: str | None = None
    token_url: str | None = None
    """Another address of the token service."""

    def __repr__(self) -> str:
        """Without secrets."""
        return f"AwsSource({self.describe()})"

    def describe(self) -> str:
        """See :class:`turnout.auth.source.Source`."""
        if self.role_arn is not None:
            return f"AWS role {self.role_arn}"
        return f"AWS profile {self.profile}" if self.profile is not None else "AWS identity of this machine"

    def mint(self, clock: Callable[[], float]) -> Minted:
        """See :class:`turnout.auth.source.Source`."""
        try:
            sessions = importlib.import_module("botocore.session")
            config = importlib.import_module("botocore.config")
            exceptions = importlib.import_module("botocore.exceptions")
        except ImportError:
            raise AuthError(f"{self.describe()}: install the extra turnout[aws], which brings botocore") from None
        patience = config.Config(
            connect_timeout=EXCHANGE_S / 2, read_timeout=EXCHANGE_S / 2, retries={"total_max_attempts": 1}
        )
        try:
            session = sessions.Session(profile=self.profile)
            if self.role_arn is None:
                pair, expires = _found(session, clock)
            elif self.web_identity_token_file is not None:
                pair, expires = self._by_web_identity(session, patience)
            else:
                pair, expires = self._by_role(session, patience)
        except (exceptions.BotoCoreError, exceptions.ClientError, OSError) as error:
            raise AuthError(f"{self.describe()}: {str(error).splitlines()[0][:300]}") from None
        if pair is None:
            raise AuthError(f"{self.describe()}: there are no credentials where AWS's tools look for them")
        made = credential(pair, label="aws", region=self.region, service=self.service)
        return Minted(credential=made, expires_unix=expires)

    def _by_role(self, session: Any, patience: Any) -> tuple[KeyPair, float]:
        if self.pair is not None:
            session.set_credentials(self.pair.access_key_id, self.pair.secret_access_key, self.pair.session_token)
        asked = {"RoleArn": self.role_arn, "RoleSessionName": SESSION_NAME}
        if self.external_id is not None:
            asked["ExternalId"] = self.external_id
        return _answered(self._token_service(session, patience).assume_role(**asked))

    def _by_web_identity(self, session: Any, patience: Any) -> tuple[KeyPair, float]:
        token = Path(self.web_identity_token_file or "").read_text(encoding="ascii").strip()
        unsigned = importlib.import_module("botocore").UNSIGNED
        service = self._token_service(session, patience.merge(type(patience)(signature_version=unsigned)))
        return _answered(
            service.assume_role_with_web_identity(
                RoleArn=self.role_arn, RoleSessionName=SESSION_NAME, WebIdentityToken=token
            )
        )

    def _token_service(self, session: Any, patience: Any) -> Any:
        return session.create_client("sts", region_name=self.region, endpoint_url=self.token_url, config=patience)


def _found(session: Any, clock: Callable[[], float]) -> tuple[KeyPair | None, float]:
    """What botocore's chain finds: files, a program, SSO, a container's or a machine's role."""
    found = session.get_credentials()
    if found is None:
        return None, 0.0
    frozen = found.get_frozen_credentials()
    # The public interface does not tell when they end; the field has had this name since 2014.
    expiry = getattr(found, "_expiry_time", None)
    expires = expiry.timestamp() if isinstance(expiry, datetime) else clock() + UNTOLD_LIFE_S
    pair = KeyPair(access_key_id=frozen.access_key, secret_access_key=frozen.secret_key, session_token=frozen.token)
    return pair, expires


def _answered(answer: Mapping[str, Any]) -> tuple[KeyPair, float]:
    """The pair in the token service's answer."""
    made = answer["Credentials"]
    pair = KeyPair(
        access_key_id=made["AccessKeyId"],
        secret_access_key=made["SecretAccessKey"],
        session_token=made["SessionToken"],
    )
    return pair, made["Expiration"].timestamp()
