"""Clouds: accounts in which models of many makers are one service among others.

Their URLs hold a region, a resource or a project, and their identities are more than a key. A key or a login in the
environment was mostly set for something else, so none of them is switched on by it (``detect=False``), except by a
variable that names models.
"""

from __future__ import annotations

from typing import Final

from turnout.auth.aws import Aws
from turnout.auth.entra import Entra
from turnout.auth.google import Google
from turnout.auth.key import Header
from turnout.providers.dialect import Quirks, Wire
from turnout.providers.row import Policy, Row, Setting

_AWS_REGION: Final = Setting(
    name="region", meaning="AWS region, such as eu-central-1", env=("AWS_REGION", "AWS_DEFAULT_REGION")
)
_AZURE_RESOURCE: Final = Setting(
    name="resource", meaning="name of the Azure resource", env=("AZURE_RESOURCE_NAME", "AZURE_OPENAI_RESOURCE")
)
_GOOGLE_PLACE: Final = (
    Setting(
        name="project",
        meaning="Google Cloud project ID",
        env=("GOOGLE_VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT", "VERTEXAI_PROJECT"),
    ),
    Setting(
        name="location",
        meaning="Google Cloud location, such as europe-west4",
        env=("GOOGLE_VERTEX_LOCATION", "GOOGLE_CLOUD_LOCATION", "VERTEXAI_LOCATION"),
        default="global",
    ),
)
_VERTEX: Final = "https://{location-}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}"
_FULL: Final = Quirks(
    max_tokens="max_completion_tokens",
    developer_role=True,
    reasoning="effort",
    parallel_tool_calls=True,
    json_schema=True,
    image_urls=True,
)

CLOUDS: Final[tuple[Row, ...]] = (
    Row(
        slug="amazon-bedrock",
        name="Amazon Bedrock",
        wires=(
            Wire(
                dialect="bedrock",
                base_url="https://bedrock-runtime.{region}.amazonaws.com",
                operations=("converse", "converse_stream", "invoke"),
            ),
        ),
        # A Bedrock API key travels as a bearer token; without one requests are signed.
        env=("AWS_BEARER_TOKEN_BEDROCK",),
        identity=Aws(service="bedrock"),
        settings=(_AWS_REGION,),
        docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
        policy=Policy(
            training=False,
            zdr_offered=True,
            source="https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html",
        ),
        headquarters="US",
        privacy_url="https://aws.amazon.com/privacy/",
        terms_url="https://aws.amazon.com/service-terms/",
        status_url="https://health.aws.amazon.com/health/status",
    ),
    Row(
        slug="amazon-bedrock-openai",
        name="Amazon Bedrock (OpenAI's protocols)",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://bedrock-mantle.{region}.api.aws/v1",
                operations=("chat",),
                quirks=Quirks(max_tokens="max_completion_tokens", reasoning="effort"),
            ),
            Wire(dialect="responses", base_url="https://bedrock-mantle.{region}.api.aws/v1", operations=("responses",)),
        ),
        env=("BEDROCK_MANTLE_API_KEY",),
        identity=Aws(service="bedrock-mantle"),
        settings=(_AWS_REGION,),
        detect=False,
        docs="https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-mantle.html",
        policy=Policy(
            training=False,
            zdr_offered=True,
            source="https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html",
        ),
        headquarters="US",
        privacy_url="https://aws.amazon.com/privacy/",
        terms_url="https://aws.amazon.com/service-terms/",
        status_url="https://health.aws.amazon.com/health/status",
    ),
    Row(
        slug="azure",
        name="Azure",
        # Deployments have URLs of their own; only responses are asked for at one URL, with the deployment in the body.
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{resource}.openai.azure.com/openai",
                operations=(
                    *("chat", "completions", "embeddings", "images", "image_edits"),
                    *("speech", "transcriptions", "translations"),
                ),
                paths=(
                    ("chat", "/deployments/{model}/chat/completions?api-version={api_version}"),
                    ("completions", "/deployments/{model}/completions?api-version={api_version}"),
                    ("embeddings", "/deployments/{model}/embeddings?api-version={api_version}"),
                    ("images", "/deployments/{model}/images/generations?api-version={api_version}"),
                    ("image_edits", "/deployments/{model}/images/edits?api-version={api_version}"),
                    ("speech", "/deployments/{model}/audio/speech?api-version={api_version}"),
                    ("transcriptions", "/deployments/{model}/audio/transcriptions?api-version={api_version}"),
                    ("translations", "/deployments/{model}/audio/translations?api-version={api_version}"),
                ),
                quirks=_FULL,
            ),
            Wire(
                dialect="responses",
                base_url="https://{resource}.openai.azure.com/openai",
                operations=("responses",),
                paths=(("responses", "/v1/responses"),),
            ),
        ),
        env=("AZURE_API_KEY", "AZURE_OPENAI_API_KEY"),
        auth=Header(name="api-key"),
        identity=Entra(scope="https://cognitiveservices.azure.com/.default"),
        settings=(
            _AZURE_RESOURCE,
            Setting(
                name="api_version",
                meaning="version of Azure's API",
                env=("AZURE_API_VERSION", "OPENAI_API_VERSION"),
                default="2025-04-01-preview",
            ),
        ),
        docs="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference",
        policy=Policy(
            training=False,
            retention_days=30,
            zdr_offered=True,
            source="https://learn.microsoft.com/en-us/azure/ai-foundry/responsible-ai/openai/data-privacy",
        ),
        headquarters="US",
        privacy_url="https://privacy.microsoft.com/en-us/privacystatement",
        terms_url="https://www.microsoft.com/licensing/terms/",
        status_url="https://status.azure.com/",
    ),
    Row(
        slug="azure-v1",
        name="Azure (API v1)",
        # The newer API without versions: all deployments of the resource, of all makers, at one URL.
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{resource}.openai.azure.com/openai/v1",
                operations=("chat", "embeddings", "images", "image_edits"),
                quirks=_FULL,
            ),
            Wire(
                dialect="responses",
                base_url="https://{resource}.openai.azure.com/openai/v1",
                operations=("responses",),
            ),
        ),
        env=("AZURE_AI_API_KEY",),
        auth=Header(name="api-key"),
        identity=Entra(scope="https://ai.azure.com/.default"),
        settings=(_AZURE_RESOURCE,),
        docs="https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle",
        policy=Policy(
            training=False,
            retention_days=30,
            zdr_offered=True,
            source="https://learn.microsoft.com/en-us/azure/ai-foundry/responsible-ai/openai/data-privacy",
        ),
        headquarters="US",
        privacy_url="https://privacy.microsoft.com/en-us/privacystatement",
        terms_url="https://www.microsoft.com/licensing/terms/",
        status_url="https://status.azure.com/",
    ),
    Row(
        slug="azure-anthropic",
        name="Azure (Anthropic)",
        wires=(
            Wire(
                dialect="anthropic",
                base_url="https://{resource}.services.ai.azure.com/anthropic/v1",
                operations=("messages", "count_tokens"),
                quirks=Quirks(image_urls=True, reasoning="thinking"),
            ),
        ),
        env=("ANTHROPIC_FOUNDRY_API_KEY",),
        auth=Header(name="x-api-key"),
        identity=Entra(scope="https://cognitiveservices.azure.com/.default"),
        settings=(
            Setting(
                name="resource",
                meaning="name of the Azure AI Foundry resource",
                env=("ANTHROPIC_FOUNDRY_RESOURCE", "AZURE_RESOURCE_NAME"),
            ),
        ),
        docs="https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude",
        headquarters="US",
        privacy_url="https://privacy.microsoft.com/en-us/privacystatement",
        terms_url="https://www.microsoft.com/licensing/terms/",
        status_url="https://status.azure.com/",
    ),
    Row(
        slug="google-vertex",
        name="Google",
        wires=(
            Wire(
                dialect="gemini",
                base_url=_VERTEX,
                operations=("generate", "generate_stream", "count_tokens"),
                paths=(
                    ("generate", "/publishers/google/models/{model}:generateContent"),
                    ("generate_stream", "/publishers/google/models/{model}:streamGenerateContent?alt=sse"),
                    ("count_tokens", "/publishers/google/models/{model}:countTokens"),
                ),
                quirks=Quirks(json_schema=True, image_urls=True),
            ),
            # Models of other makers, as author/model.
            Wire(
                dialect="openai",
                base_url=_VERTEX,
                operations=("chat",),
                paths=(("chat", "/endpoints/openapi/chat/completions"),),
                quirks=Quirks(reasoning="effort", json_schema=True, image_urls=True),
            ),
        ),
        env=(),
        identity=Google(),
        settings=_GOOGLE_PLACE,
        detect=False,
        docs="https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
        policy=Policy(
            training=False,
            zdr_offered=True,
            source="https://docs.cloud.google.com/gemini-enterprise-agent-platform/resources/zero-data-retention",
        ),
        headquarters="US",
        privacy_url="https://cloud.google.com/terms/cloud-privacy-notice",
        terms_url="https://cloud.google.com/terms/",
        status_url="https://status.cloud.google.com/",
    ),
    Row(
        slug="google-vertex-anthropic",
        name="Google (Anthropic)",
        # The model stands in the URL here, not in the body, and streams have a URL of their own.
        wires=(
            Wire(
                dialect="anthropic",
                base_url=_VERTEX,
                operations=("messages", "messages_stream"),
                paths=(
                    ("messages", "/publishers/anthropic/models/{model}:rawPredict"),
                    ("messages_stream", "/publishers/anthropic/models/{model}:streamRawPredict"),
                ),
                quirks=Quirks(image_urls=True, reasoning="thinking"),
            ),
        ),
        env=(),
        identity=Google(),
        settings=_GOOGLE_PLACE,
        detect=False,
        docs="https://docs.claude.com/en/api/claude-on-vertex-ai",
        policy=Policy(
            training=False,
            zdr_offered=True,
            source="https://docs.cloud.google.com/gemini-enterprise-agent-platform/resources/zero-data-retention",
        ),
        headquarters="US",
        privacy_url="https://cloud.google.com/terms/cloud-privacy-notice",
        terms_url="https://cloud.google.com/terms/",
        status_url="https://status.cloud.google.com/",
    ),
    Row(
        slug="cloudflare",
        name="Cloudflare",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
                operations=("chat", "embeddings"),
                quirks=Quirks(json_schema=True),
            ),
            Wire(
                dialect="responses",
                base_url="https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1",
                operations=("responses",),
            ),
        ),
        env=("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
        settings=(Setting(name="account", meaning="Cloudflare account ID", env=("CLOUDFLARE_ACCOUNT_ID",)),),
        detect=False,
        docs="https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/",
        policy=Policy(training=False, source="https://developers.cloudflare.com/workers-ai/platform/data-usage/"),
        headquarters="US",
        privacy_url="https://www.cloudflare.com/privacypolicy/",
        terms_url="https://www.cloudflare.com/service-specific-terms-developer-platform/",
        status_url="https://www.cloudflarestatus.com/",
    ),
    Row(
        slug="databricks",
        name="Databricks",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{host}/serving-endpoints",
                operations=("chat", "completions", "embeddings"),
                quirks=Quirks(json_schema=True, image_urls=True),
            ),
        ),
        env=("DATABRICKS_TOKEN",),
        settings=(Setting(name="host", meaning="host name of the workspace", env=("DATABRICKS_HOST",)),),
        detect=False,
        docs="https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference",
        policy=Policy(
            training=False,
            retention_days=30,
            source="https://community.databricks.com/t5/generative-ai/data-security-when-using-databricks-foundation-model-endpoints/td-p/91365",
        ),
        headquarters="US",
        privacy_url="https://www.databricks.com/legal/privacynotice",
        terms_url="https://www.databricks.com/legal/mcsa",
        status_url="https://status.databricks.com/",
    ),
    Row(
        slug="snowflake",
        name="Snowflake",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
                operations=("chat",),
                quirks=Quirks(max_tokens="max_completion_tokens", json_schema=True),
            ),
            Wire(
                dialect="anthropic",
                base_url="https://{account}.snowflakecomputing.com/api/v2/cortex/v1",
                operations=("messages",),
            ),
        ),
        env=("SNOWFLAKE_PAT", "SNOWFLAKE_JWT"),
        settings=(Setting(name="account", meaning="Snowflake account identifier", env=("SNOWFLAKE_ACCOUNT_ID",)),),
        detect=False,
        docs="https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api",
        headquarters="US",
        privacy_url="https://www.snowflake.com/en/legal/privacy/privacy-policy/",
        status_url="https://status.snowflake.com/",
    ),
    Row(
        slug="digitalocean",
        name="DigitalOcean",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://inference.do-ai.run/v1",
                operations=("chat", "embeddings", "images"),
                quirks=Quirks(reasoning="effort"),
            ),
        ),
        env=("DIGITALOCEAN_INFERENCE_KEY", "GRADIENT_MODEL_ACCESS_KEY"),
        docs="https://docs.digitalocean.com/products/gradient-ai-platform/how-to/use-serverless-inference/",
        headquarters="US",
        privacy_url="https://www.digitalocean.com/legal/privacy-policy",
        terms_url="https://www.digitalocean.com/legal/terms-of-service-agreement",
        status_url="https://status.digitalocean.com/",
    ),
    Row(
        slug="scaleway",
        name="Scaleway",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.scaleway.ai/v1",
                operations=("chat", "embeddings", "transcriptions"),
                quirks=Quirks(reasoning="effort", json_schema=True, image_urls=True),
            ),
        ),
        env=("SCALEWAY_API_KEY", "SCW_SECRET_KEY"),
        docs="https://www.scaleway.com/en/docs/generative-apis/",
        policy=Policy(
            training=False,
            retention_days=14,
            source="https://www.scaleway.com/en/docs/generative-apis/reference-content/data-privacy/",
        ),
        headquarters="FR",
        datacenters=("FR",),
        privacy_url="https://www.scaleway.com/en/privacy-policy/",
        terms_url="https://www.scaleway.com/en/contracts/",
        status_url="https://status.scaleway.com/",
    ),
    Row(
        slug="ovhcloud",
        name="OVHcloud",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
                operations=("chat", "embeddings", "transcriptions"),
                quirks=Quirks(json_schema=True, image_urls=True),
            ),
        ),
        env=("OVHCLOUD_API_KEY", "OVH_AI_ENDPOINTS_ACCESS_TOKEN"),
        docs="https://help.ovhcloud.com/csm/en-public-cloud-ai-endpoints-getting-started",
        headquarters="FR",
        datacenters=("FR",),
        privacy_url="https://www.ovhcloud.com/en/personal-data-protection/",
        terms_url="https://www.ovhcloud.com/en/terms-and-conditions/",
        status_url="https://public-cloud.status-ovhcloud.com/",
    ),
    Row(
        slug="stackit",
        name="STACKIT",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.openai-compat.model-serving.eu01.onstackit.cloud/v1",
                operations=("chat", "completions", "embeddings"),
                quirks=Quirks(json_schema=True),
            ),
        ),
        env=("STACKIT_API_KEY",),
        docs="https://docs.stackit.cloud/products/data-and-ai/ai-model-serving/",
        headquarters="DE",
        datacenters=("DE",),
        status_url="https://status.stackit.cloud/",
    ),
    Row(
        slug="vultr",
        name="Vultr",
        wires=(
            Wire(dialect="openai", base_url="https://api.vultrinference.com/v1", operations=("chat", "embeddings")),
        ),
        env=("VULTR_INFERENCE_API_KEY",),
        docs="https://api.vultrinference.com/",
        headquarters="US",
        privacy_url="https://www.vultr.com/legal/privacy/",
        terms_url="https://www.vultr.com/legal/tos/",
        status_url="https://status.vultr.com/",
    ),
    Row(
        slug="github-models",
        name="GitHub Models",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://models.github.ai/inference",
                operations=("chat", "embeddings"),
                quirks=Quirks(developer_role=True, json_schema=True, image_urls=True),
            ),
        ),
        env=("GITHUB_MODELS_TOKEN", "GITHUB_TOKEN"),
        detect=False,
        docs="https://docs.github.com/en/rest/models/inference",
        headquarters="US",
        privacy_url="https://docs.github.com/en/site-policy/privacy-policies/github-general-privacy-statement",
        status_url="https://www.githubstatus.com/",
    ),
)
