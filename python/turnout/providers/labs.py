"""Providers that serve the models they make."""

from __future__ import annotations

from typing import Final

from turnout.auth.key import Header
from turnout.providers.dialect import Quirks, Wire
from turnout.providers.row import Policy, Row, Setting

LABS: Final[tuple[Row, ...]] = (
    Row(
        slug="openai",
        name="OpenAI",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/v1",
                operations=(
                    *("chat", "completions", "embeddings", "images", "image_edits", "speech"),
                    *("transcriptions", "translations", "moderations"),
                ),
                quirks=Quirks(
                    max_tokens="max_completion_tokens",
                    developer_role=True,
                    reasoning="effort",
                    parallel_tool_calls=True,
                    json_schema=True,
                    image_urls=True,
                ),
            ),
            Wire(dialect="responses", base_url="https://{region}/v1", operations=("responses",)),
        ),
        env=("OPENAI_API_KEY",),
        settings=(
            Setting(
                name="region",
                meaning="where data of the project reside",
                default="us",
                choices=(("us", "api.openai.com"), ("eu", "eu.api.openai.com")),
            ),
        ),
        docs="https://platform.openai.com/docs/api-reference",
        policy=Policy(
            training=False,
            retention_days=30,
            zdr_offered=True,
            source="https://developers.openai.com/api/docs/guides/your-data",
        ),
        headquarters="US",
        privacy_url="https://openai.com/policies/privacy-policy/",
        terms_url="https://openai.com/policies/row-terms-of-use/",
        status_url="https://status.openai.com/",
    ),
    Row(
        slug="anthropic",
        name="Anthropic",
        wires=(
            Wire(
                dialect="anthropic",
                base_url="https://api.anthropic.com/v1",
                operations=("messages", "count_tokens"),
                quirks=Quirks(image_urls=True, json_schema=True, reasoning="thinking"),
            ),
        ),
        env=("ANTHROPIC_API_KEY",),
        auth=Header(name="x-api-key"),
        docs="https://docs.claude.com/en/api/overview",
        policy=Policy(
            training=False,
            retention_days=30,
            zdr_offered=True,
            source="https://platform.claude.com/docs/en/manage-claude/api-and-data-retention",
        ),
        headquarters="US",
        privacy_url="https://www.anthropic.com/legal/privacy",
        terms_url="https://www.anthropic.com/legal/commercial-terms",
        status_url="https://status.claude.com/",
    ),
    Row(
        slug="google-ai-studio",
        name="Google AI Studio",
        wires=(
            Wire(
                dialect="gemini",
                base_url="https://generativelanguage.googleapis.com/v1beta",
                operations=("generate", "generate_stream", "count_tokens", "embed", "embed_batch"),
                quirks=Quirks(json_schema=True),
            ),
        ),
        env=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
        auth=Header(name="x-goog-api-key"),
        docs="https://ai.google.dev/api",
        # Of paid use. The terms let Google train on what free use sends.
        policy=Policy(
            training=False, retention_days=55, zdr_offered=True, source="https://ai.google.dev/gemini-api/docs/zdr"
        ),
        headquarters="US",
        privacy_url="https://policies.google.com/privacy",
        terms_url="https://ai.google.dev/gemini-api/terms",
        status_url="https://aistudio.google.com/status",
    ),
    Row(
        slug="mistral",
        name="Mistral",
        wires=(
            # Mistral answers 422 (extra_forbidden) to stream_options.include_usage, and sends usage in its last chunk
            # anyway: openai/openai-agents-python#442, 2025-04.
            Wire(
                dialect="openai",
                base_url="https://api.mistral.ai/v1",
                operations=("chat", "embeddings", "transcriptions", "moderations"),
                quirks=Quirks(
                    stream_usage=False,
                    parallel_tool_calls=True,
                    tool_choice_required="any",
                    json_schema=True,
                    image_urls=True,
                ),
            ),
        ),
        env=("MISTRAL_API_KEY",),
        docs="https://docs.mistral.ai/api",
        policy=Policy(
            training=False, zdr_offered=True, source="https://docs.mistral.ai/admin/monitor-comply/zero-data-retention"
        ),
        headquarters="FR",
        datacenters=("FR",),
        privacy_url="https://legal.mistral.ai/terms/privacy-policy",
        terms_url="https://legal.mistral.ai/terms/commercial-terms-of-service",
        status_url="https://status.mistral.ai/",
    ),
    Row(
        slug="xai",
        name="xAI",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.x.ai/v1",
                operations=("chat", "images"),
                quirks=Quirks(
                    max_tokens="max_completion_tokens",
                    reasoning="effort",
                    parallel_tool_calls=True,
                    json_schema=True,
                    image_urls=True,
                ),
            ),
            Wire(dialect="responses", base_url="https://api.x.ai/v1", operations=("responses",)),
        ),
        env=("XAI_API_KEY",),
        docs="https://docs.x.ai/docs/api-reference",
        policy=Policy(
            training=False, retention_days=30, zdr_offered=True, source="https://docs.x.ai/docs/faq/security"
        ),
        headquarters="US",
        privacy_url="https://x.ai/legal/privacy-policy",
        terms_url="https://x.ai/legal/terms-of-service-enterprise",
        status_url="https://status.x.ai/",
    ),
    Row(
        slug="deepseek",
        name="DeepSeek",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.deepseek.com/v1",
                operations=("chat",),
                quirks=Quirks(reasoning="thinking"),
            ),
            Wire(
                dialect="anthropic",
                base_url="https://api.deepseek.com/anthropic/v1",
                operations=("messages",),
                quirks=Quirks(reasoning="thinking"),
            ),
        ),
        env=("DEEPSEEK_API_KEY",),
        docs="https://api-docs.deepseek.com",
        policy=Policy(training=True, source="https://cdn.deepseek.com/policies/en-US/deepseek-privacy-policy.html"),
        headquarters="CN",
        datacenters=("CN",),
        privacy_url="https://cdn.deepseek.com/policies/en-US/deepseek-privacy-policy.html",
        terms_url="https://chat.deepseek.com/downloads/DeepSeek%20Terms%20of%20Use.html",
        status_url="https://status.deepseek.com/",
    ),
    Row(
        slug="cohere",
        name="Cohere",
        wires=(
            Wire(
                dialect="cohere",
                base_url="https://api.cohere.com/v2",
                operations=("chat", "embed", "rerank"),
                quirks=Quirks(json_schema=True, image_urls=True, reasoning="thinking"),
            ),
            Wire(
                dialect="openai",
                base_url="https://api.cohere.ai/compatibility/v1",
                operations=("chat", "embeddings"),
                quirks=Quirks(developer_role=True, reasoning="effort", json_schema=True, image_urls=True),
            ),
        ),
        env=("COHERE_API_KEY", "CO_API_KEY"),
        docs="https://docs.cohere.com/reference/about",
        policy=Policy(retention_days=30, source="https://openrouter.ai/docs/guides/privacy/provider-logging"),
        headquarters="CA",
        privacy_url="https://cohere.com/privacy",
        terms_url="https://cohere.com/terms-of-use",
        status_url="https://status.cohere.com/",
    ),
    Row(
        slug="perplexity",
        name="Perplexity",
        wires=(
            # Perplexity puts usage into its chunks unasked, and its reference does not list stream_options.
            Wire(
                dialect="openai",
                base_url="https://api.perplexity.ai",
                operations=("chat",),
                quirks=Quirks(stream_usage=False, reasoning="effort", json_schema=True, image_urls=True),
            ),
        ),
        env=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        docs="https://docs.perplexity.ai/docs/sonar/openai-compatibility",
        policy=Policy(
            training=False, retention_days=0, source="https://docs.perplexity.ai/docs/resources/privacy-security"
        ),
        headquarters="US",
        privacy_url="https://www.perplexity.ai/hub/legal/privacy-policy",
        terms_url="https://www.perplexity.ai/hub/legal/perplexity-api-terms-of-service",
        status_url="https://status.perplexity.com/",
    ),
    Row(
        slug="moonshotai",
        name="Moonshot AI",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/v1",
                operations=("chat",),
                quirks=Quirks(reasoning="thinking"),
            ),
            Wire(
                dialect="anthropic",
                base_url="https://{region}/anthropic/v1",
                operations=("messages",),
                quirks=Quirks(reasoning="thinking"),
            ),
        ),
        env=("MOONSHOT_API_KEY",),
        settings=(
            Setting(
                name="region",
                meaning="which of its platforms the key is for",
                default="global",
                choices=(("global", "api.moonshot.ai"), ("cn", "api.moonshot.cn")),
            ),
        ),
        docs="https://platform.moonshot.ai/docs/introduction",
        headquarters="CN",
        privacy_url="https://platform.moonshot.ai/docs/agreement/userprivacy",
        terms_url="https://platform.moonshot.ai/docs/agreement/modeluse",
    ),
    Row(
        slug="z-ai",
        name="Z.AI",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/api/paas/v4",
                operations=("chat", "embeddings", "images"),
                quirks=Quirks(reasoning="thinking", image_urls=True),
            ),
            Wire(
                dialect="anthropic",
                base_url="https://{region}/api/anthropic/v1",
                operations=("messages",),
                quirks=Quirks(reasoning="thinking", image_urls=True),
            ),
        ),
        env=("ZAI_API_KEY", "ZHIPU_API_KEY"),
        settings=(
            Setting(
                name="region",
                meaning="which of its platforms the key is for",
                default="global",
                choices=(("global", "api.z.ai"), ("cn", "open.bigmodel.cn")),
            ),
        ),
        docs="https://docs.z.ai/api-reference/introduction",
        headquarters="CN",
        privacy_url="https://docs.z.ai/legal-agreement/privacy-policy",
        terms_url="https://chat.z.ai/legal-agreement/terms-of-service",
    ),
    Row(
        slug="minimax",
        name="Minimax",
        wires=(
            Wire(
                dialect="anthropic",
                base_url="https://{region}/anthropic/v1",
                operations=("messages",),
                quirks=Quirks(reasoning="thinking"),
            ),
            Wire(dialect="openai", base_url="https://{region}/v1", operations=("chat",)),
        ),
        env=("MINIMAX_API_KEY",),
        settings=(
            Setting(
                name="region",
                meaning="which of its platforms the key is for",
                default="global",
                choices=(("global", "api.minimax.io"), ("cn", "api.minimaxi.com")),
            ),
        ),
        docs="https://platform.minimax.io/docs/guides/quickstart",
        headquarters="CN",
        privacy_url="https://www.minimax.io/platform/protocol/privacy-policy",
        terms_url="https://www.minimax.io/platform/protocol/terms-of-service",
    ),
    Row(
        slug="alibaba",
        name="Alibaba",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/compatible-mode/v1",
                operations=("chat", "completions", "embeddings"),
                quirks=Quirks(parallel_tool_calls=True, image_urls=True),
            ),
            Wire(
                dialect="anthropic",
                base_url="https://{region}/apps/anthropic/v1",
                operations=("messages",),
                quirks=Quirks(reasoning="thinking", image_urls=True),
            ),
        ),
        env=("DASHSCOPE_API_KEY",),
        settings=(
            Setting(
                name="region",
                meaning="which of its sites the key is for",
                default="intl",
                choices=(
                    ("intl", "dashscope-intl.aliyuncs.com"),
                    ("us", "dashscope-us.aliyuncs.com"),
                    ("cn", "dashscope.aliyuncs.com"),
                ),
            ),
        ),
        docs="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
        headquarters="CN",
        terms_url="https://www.alibabacloud.com/help/en/legal/latest/alibaba-cloud-international-website-product-terms-of-service-v-3-8-0",
        status_url="https://status.alibabacloud.com/",
    ),
    Row(
        slug="tencent",
        name="Tencent",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/v1",
                operations=("chat",),
            ),
        ),
        env=("TENCENT_API_KEY", "TENCENT_TOKENHUB_API_KEY"),
        settings=(
            Setting(
                name="region",
                meaning="which of its sites the key is for",
                default="intl",
                choices=(("intl", "tokenhub-intl.tencentcloudmaas.com"), ("cn", "tokenhub.tencentmaas.com")),
            ),
        ),
        docs="https://www.tencentcloud.com/document/product/1300/82345",
        headquarters="CN",
        terms_url="https://www.tencentcloud.com/en/document/product/301/78869",
    ),
    Row(
        slug="baidu",
        name="Baidu",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://qianfan.baidubce.com/v2",
                operations=("chat", "embeddings"),
            ),
        ),
        env=("QIANFAN_API_KEY",),
        docs="https://cloud.baidu.com/doc/qianfan-api/s/3m9b5lqft",
        headquarters="CN",
        datacenters=("CN",),
        terms_url="https://intl.cloud.baidu.com/en/doc/Agreements/s/bmesahnjh-intl-en",
    ),
    Row(
        slug="byteplus",
        name="BytePlus",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/api/v3",
                operations=("chat", "embeddings", "images"),
                quirks=Quirks(reasoning="thinking", image_urls=True),
            ),
            Wire(dialect="responses", base_url="https://{region}/api/v3", operations=("responses",)),
        ),
        env=("ARK_API_KEY", "BYTEPLUS_API_KEY", "VOLCENGINE_API_KEY"),
        settings=(
            Setting(
                name="region",
                meaning="which of its sites the key is for: cn is Volcengine's",
                default="ap-southeast",
                choices=(
                    ("ap-southeast", "ark.ap-southeast.bytepluses.com"),
                    ("cn", "ark.cn-beijing.volces.com"),
                ),
            ),
        ),
        docs="https://docs.byteplus.com/en/docs/ModelArk/1494384",
        headquarters="SG",
        privacy_url="https://docs.byteplus.com/en/docs/legal/docs-privacy-policy",
        terms_url="https://docs.byteplus.com/en/docs/legal/docs-terms-of-service",
    ),
    Row(
        slug="stepfun",
        name="StepFun",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://{region}/v1",
                operations=("chat",),
                quirks=Quirks(image_urls=True),
            ),
        ),
        env=("STEPFUN_API_KEY",),
        settings=(
            Setting(
                name="region",
                meaning="which of its platforms the key is for",
                default="global",
                choices=(("global", "api.stepfun.ai"), ("cn", "api.stepfun.com")),
            ),
        ),
        docs="https://platform.stepfun.ai/docs/en/overview/concept",
        headquarters="CN",
        terms_url="https://platform.stepfun.ai/docs/en/agreement/userservice",
    ),
    Row(
        slug="xiaomi",
        name="Xiaomi",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.xiaomimimo.com/v1",
                operations=("chat",),
                quirks=Quirks(max_tokens="max_completion_tokens", reasoning="thinking"),
            ),
            Wire(
                dialect="anthropic",
                base_url="https://api.xiaomimimo.com/anthropic/v1",
                operations=("messages",),
                quirks=Quirks(reasoning="thinking"),
            ),
        ),
        env=("XIAOMI_API_KEY", "XIAOMI_MIMO_API_KEY"),
        docs="https://platform.xiaomimimo.com/#/docs",
        headquarters="CN",
        terms_url="https://platform.xiaomimimo.com/#/docs/terms/user-agreement",
    ),
    Row(
        slug="meta",
        name="Meta",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.meta.ai/v1",
                operations=("chat",),
                quirks=Quirks(max_tokens="max_completion_tokens", json_schema=True, image_urls=True),
            ),
            Wire(dialect="responses", base_url="https://api.meta.ai/v1", operations=("responses",)),
            Wire(dialect="anthropic", base_url="https://api.meta.ai/v1", operations=("messages",)),
        ),
        env=("META_API_KEY",),
        docs="https://llama.developer.meta.com/docs/features/compatibility/",
        headquarters="US",
        terms_url="https://ai.developer.meta.com/legal/terms-of-service",
    ),
    Row(
        slug="amazon-nova",
        name="Amazon Nova",
        wires=(Wire(dialect="openai", base_url="https://api.nova.amazon.com/v1", operations=("chat",)),),
        env=("NOVA_API_KEY", "AMAZON_NOVA_API_KEY"),
        docs="https://nova.amazon.com/dev/documentation",
        headquarters="US",
    ),
    Row(
        slug="ai21",
        name="AI21",
        wires=(Wire(dialect="openai", base_url="https://api.ai21.com/studio/v1", operations=("chat",)),),
        env=("AI21_API_KEY",),
        docs="https://docs.ai21.com/reference/jamba-1-6-api-ref",
        headquarters="IL",
        privacy_url="https://www.ai21.com/privacy-policy/",
        terms_url="https://www.ai21.com/terms-of-service/",
        status_url="https://status.ai21.com/",
    ),
    Row(
        slug="aion-labs",
        name="AionLabs",
        wires=(Wire(dialect="openai", base_url="https://api.aionlabs.ai/v1", operations=("chat",)),),
        env=("AIONLABS_API_KEY", "AION_API_KEY"),
        docs="https://www.aionlabs.ai/docs/",
        headquarters="US",
        terms_url="https://www.aionlabs.ai/terms/",
    ),
    Row(
        slug="inception",
        name="Inception",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.inceptionlabs.ai/v1",
                operations=("chat", "completions"),
                paths=(("completions", "/fim/completions"),),
                quirks=Quirks(reasoning="effort", json_schema=True),
            ),
        ),
        env=("INCEPTION_API_KEY",),
        docs="https://docs.inceptionlabs.ai/get-started/get-started",
        headquarters="US",
        privacy_url="https://www.inceptionlabs.ai/docs/privacy-policy",
        terms_url="https://www.inceptionlabs.ai/terms",
        status_url="https://status.inceptionlabs.ai/",
    ),
    Row(
        slug="upstage",
        name="Upstage",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.upstage.ai/v1",
                operations=("chat", "embeddings"),
                quirks=Quirks(reasoning="effort", json_schema=True),
            ),
        ),
        env=("UPSTAGE_API_KEY",),
        docs="https://console.upstage.ai/api/chat",
        headquarters="KR",
        privacy_url="https://www.upstage.ai/privacy-policy",
        terms_url="https://www.upstage.ai/terms-of-service",
    ),
    Row(
        slug="reka",
        name="Reka",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.reka.ai/v1",
                operations=("chat",),
                quirks=Quirks(image_urls=True),
            ),
        ),
        env=("REKA_API_KEY",),
        docs="https://docs.reka.ai/chat/overview",
        headquarters="US",
        privacy_url="https://reka.ai/privacy-policy",
        terms_url="https://reka.ai/legal/terms-of-use",
    ),
    Row(
        slug="morph",
        name="Morph",
        wires=(
            Wire(dialect="openai", base_url="https://api.morphllm.com/v1", operations=("chat", "embeddings", "rerank")),
        ),
        env=("MORPH_API_KEY",),
        docs="https://docs.morphllm.com/api-reference/introduction",
        headquarters="US",
        privacy_url="https://www.morphllm.com/privacy",
        terms_url="https://www.morphllm.com/privacy/tos",
    ),
    Row(
        slug="sarvam",
        name="Sarvam AI",
        wires=(
            Wire(
                dialect="openai",
                base_url="https://api.sarvam.ai/v1",
                operations=("chat",),
                quirks=Quirks(reasoning="effort"),
            ),
        ),
        env=("SARVAM_API_KEY",),
        auth=Header(name="api-subscription-key"),
        docs="https://docs.sarvam.ai/api-reference-docs/chat/completions",
        headquarters="IN",
    ),
    Row(
        slug="voyageai",
        name="VoyageAI by MongoDB",
        # Its rerank takes top_k where the common form has top_n, so it is not offered as that.
        wires=(Wire(dialect="openai", base_url="https://api.voyageai.com/v1", operations=("embeddings",)),),
        env=("VOYAGE_API_KEY",),
        docs="https://docs.voyageai.com/reference/embeddings-api",
        headquarters="US",
        privacy_url="https://www.voyageai.com/privacy",
        terms_url="https://www.voyageai.com/tos",
    ),
    Row(
        slug="jina",
        name="Jina AI",
        wires=(Wire(dialect="openai", base_url="https://api.jina.ai/v1", operations=("embeddings", "rerank")),),
        env=("JINA_API_KEY", "JINA_AI_API_KEY"),
        docs="https://jina.ai/embeddings/",
        headquarters="DE",
        status_url="https://status.jina.ai/",
    ),
    Row(
        slug="recraft",
        name="Recraft",
        wires=(Wire(dialect="openai", base_url="https://external.api.recraft.ai/v1", operations=("images",)),),
        env=("RECRAFT_API_KEY", "RECRAFT_API_TOKEN"),
        docs="https://www.recraft.ai/docs",
        headquarters="US",
        privacy_url="https://www.recraft.ai/privacy",
        terms_url="https://www.recraft.ai/terms",
    ),
)
