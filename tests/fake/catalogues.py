"""A configuration with models of every kind, for tests of the pages that list them."""

from __future__ import annotations

from tests.fake.gateways import CLIENT, DISABLED

SOME = "sk-only-acme-0123456789"
"""A key for the models of one author."""

CONFIG = f"""
keys:
  - {{name: me, key: {CLIENT}}}
  - {{name: off, key: {DISABLED}, disabled: true}}
  - {{name: some, key: {SOME}, models: [acme/*]}}
providers:
  groq: {{api_key: sk-a}}
  mistral: {{api_key: sk-b}}
  local:
    name: "Own <Server>"
    base_url: "http://127.0.0.1:9/v1"
    data_policy: {{zdr: true}}
catalogue: false
routers: false
models:
  acme/old:
    name: Acme Old
    benchmarks: {{intelligence: 30, coding: 45.5}}
    created: 2023-01-01
    supported_parameters: [temperature]
    endpoints:
      - {{provider: groq, context_length: 8000, prices: {{prompt: 1, completion: 3}}}}
  acme/new:
    name: "Acme & New"
    benchmarks: {{intelligence: 50, coding: 60}}
    description: "Sees \\u0001 pictures"
    created: 2025-06-01
    aliases: [best]
    input_modalities: [text, image]
    supported_parameters: [temperature, tools, tool_choice]
    endpoints:
      - provider: local
        context_length: 200000
        max_output_tokens: 4000
        prices: {{prompt: 2.5, completion: 10, cache_read: 0.25}}
      - {{provider: groq}}
      - provider: mistral
        quantization: fp8
        supported_parameters: [temperature]
        prices:
          prompt: 1
          completion: 4
          reasoning: 8
          tiers: [{{above_tokens: 1000, prompt: 2}}]
          service_tiers:
            - {{tier: flex, prompt: 0.5, completion: 2}}
            - {{tier: batch, prompt: 0.5, completion: 2}}
  zeta/free:free:
    created: 2024-01-01
    endpoints:
      - {{provider: local, context_length: 1000, prices: {{prompt: 0, completion: 0}}}}
  zeta/unpriced: {{provider: local}}
  zeta/embed:
    output_modalities: [embeddings]
    endpoints:
      - {{provider: local, prices: {{prompt: 0.02, completion: 0}}}}
  zeta/paint:
    output_modalities: [image]
    provider: local
  wild/*: local
"""

TEXTS = ["acme/old", "acme/new", "zeta/free:free", "zeta/unpriced"]
"""The models that write text, in the order of the file."""

ALL = [*TEXTS, "zeta/embed", "zeta/paint"]
