"""How a provider is told who is asking: the keys there, and the other ways."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from turnout.config.model.section import Section
from turnout.config.values import AnyPath, BaseUrl, ExistingFile, HeaderPrefix, HeaderSecret, Secret, SettingText, wrong


class Credential(Section):
    """One of several keys at the same provider."""

    key: HeaderSecret = Field(description="The provider's key: ${VARIABLE} or file:PATH rather than the text.")
    label: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Name of this key in the journal and metrics, unique in the provider; never part of the secret. "
        "Default: key-1, key-2 … by position.",
    )
    weight: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Share of the requests compared with the other shared keys. Equal by default. Keys with little "
        "left of their rate limit are drawn less often, and those that were told to wait last.",
    )
    kind: Literal["shared", "prioritized", "fallback"] = Field(
        default="shared",
        description="shared: for everybody alike. prioritized: somebody's own key (bring your own key), tried before "
        "all endpoints with shared keys, whatever provider.order says, in the order of this list. fallback: the same, "
        "tried after all others. A request that is served with one's own key is charged billing.byok_fee_percent only.",
    )
    required: bool = Field(
        default=False,
        description="Whether the provider's shared keys are not used for requests that this key fits. Default: false.",
    )
    exclusive: bool = Field(
        default=False,
        description="The same for all models, also those that this key is not for: its clients are never served with "
        "shared keys of the provider. For kind prioritized. Default: false.",
    )
    zdr: bool | None = Field(
        default=None,
        description="Whether the account of this key has zero data retention, where that differs from what data_policy "
        "says: requests that want it are served with keys that have it. Default: as data_policy.",
    )
    models: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Models that it is used for: slugs, or patterns such as openai/*. Default: all.",
    )
    keys: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Names of the client keys that it is used for. Default: all.",
    )
    users: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Users that it is used for, as the requests name them in user. A client can write what it likes "
        "there: it tells users of one client key apart and keeps no stranger out. Default: all.",
    )

    @model_validator(mode="after")
    def _has_an_owner(self) -> Credential:
        if self.required and self.kind == "shared":
            raise wrong("required is for keys of kind prioritized or fallback")
        if self.exclusive and self.kind != "prioritized":
            raise wrong("exclusive is for keys of kind prioritized")
        return self


AuthKind = Literal["bearer", "header", "query", "sigv4", "google", "entra"]


class Auth(Section):
    """How the provider is told who is asking. Needed where the row says nothing, or to use another way than the row's.

    ``bearer``, ``header`` and ``query`` carry api_key. ``sigv4``, ``google`` and ``entra`` are identities: they sign
    requests, or are exchanged for tokens of short life, which are renewed beside the traffic before they end.
    """

    kind: AuthKind | None = Field(
        default=None,
        description="bearer: Authorization: Bearer KEY. header: the key in the header name. query: the key in the "
        "URL's parameter name, for providers with no other way. sigv4: AWS. google: a Google Cloud account. "
        "entra: Microsoft Entra ID. Default: the row's, else bearer.",
    )
    name: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9_-]{1,64}$",
        description="Of the header or the query parameter that carries the key: x-api-key, key.",
    )
    prefix: HeaderPrefix = Field(
        default="", description="Text before the key in the header, and a space after it: Token. Default: nothing."
    )
    access_key_id: HeaderSecret | None = Field(
        default=None, description="sigv4: default AWS_ACCESS_KEY_ID, if no profile is given."
    )
    secret_access_key: HeaderSecret | None = Field(
        default=None, description="sigv4: default AWS_SECRET_ACCESS_KEY, if no profile is given."
    )
    session_token: HeaderSecret | None = Field(
        default=None, description="sigv4: of credentials that expire. Default: AWS_SESSION_TOKEN."
    )
    profile: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="sigv4: profile of the AWS configuration files, which may log in by SSO or a program. Needs the "
        "extra turnout[aws]. Default: AWS_PROFILE, if no keys are given.",
    )
    role_arn: str | None = Field(
        default=None,
        pattern="^arn:[a-z0-9-]+:iam::[0-9]{12}:role/.{1,512}$",
        description="sigv4: role to assume with the credentials above, or with web_identity_token_file. Needs the "
        "extra turnout[aws]. Default: none, or AWS_ROLE_ARN beside AWS_WEB_IDENTITY_TOKEN_FILE.",
    )
    external_id: Secret | None = Field(default=None, description="sigv4: external ID that the role asks for.")
    web_identity_token_file: AnyPath | None = Field(
        default=None,
        description="sigv4: file with the OpenID Connect token to exchange for the role, as Kubernetes mounts it. It "
        "is read again at each exchange. Default: AWS_WEB_IDENTITY_TOKEN_FILE.",
    )
    region: SettingText | None = Field(
        default=None,
        description="sigv4: region that is signed for. Default: settings.region, else AWS_REGION.",
    )
    service: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]{1,64}$",
        description="sigv4: service that is signed for. Default: the row's, else bedrock.",
    )
    credentials_file: ExistingFile | None = Field(
        default=None,
        description="google: JSON file of a service account, of a user's login, or of workload identity federation. "
        "Default: GOOGLE_APPLICATION_CREDENTIALS, else gcloud's login, else the metadata server. Needs the extra "
        "turnout[google].",
    )
    tenant_id: str | None = Field(
        default=None, pattern="^[A-Za-z0-9.-]{1,128}$", description="entra: default AZURE_TENANT_ID."
    )
    client_id: str | None = Field(
        default=None, pattern="^[A-Za-z0-9.-]{1,128}$", description="entra: default AZURE_CLIENT_ID."
    )
    client_secret: Secret | None = Field(default=None, description="entra: default AZURE_CLIENT_SECRET.")
    scope: str | None = Field(
        default=None,
        pattern="^[!-~]{1,256}$",
        description="google and entra: what the token is for. Default: the row's.",
    )
    token_url: BaseUrl | None = Field(
        default=None,
        description="google, entra and sigv4 with a role: where to exchange, for a sovereign cloud or a private "
        "address. Default: the provider's public one.",
    )
