// OpenRouter's own JavaScript library over the pages about models. It refuses an answer that lacks anything which its
// specification calls required. tests/clients/test_openrouter_node.py starts it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { OpenRouter } from "@openrouter/sdk";

const { GATEWAY_ORIGIN, GATEWAY_KEY } = process.env;

const client = new OpenRouter({ apiKey: GATEWAY_KEY, serverURL: `${GATEWAY_ORIGIN}/api/v1`, retryConfig: { strategy: "none" } });
const ids = (page) => (page.result ?? page).data.map((model) => model.id);

test("the list of models is filtered and sorted", async () => {
  assert.ok(!ids(await client.models.list({})).includes("demo/embed"));
  assert.deepEqual(ids(await client.models.list({ outputModalities: "embeddings" })), ["demo/embed"]);
  assert.equal(ids(await client.models.list({ outputModalities: "all", sort: "newest" }))[0], "demo/paint");
});

test("pages lead through the whole list", async () => {
  const seen = [];
  for await (const page of await client.models.list({ outputModalities: "all", limit: 2 })) seen.push(...ids(page));
  const { data } = await client.models.count({ outputModalities: "all" });
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(seen.length, data.count);
});

test("a model, its endpoints and who serves it", async () => {
  assert.equal((await client.models.get({ author: "demo", slug: "echo" })).data.pricing.completion, "0.000002");
  const { data } = await client.endpoints.list({ author: "demo", slug: "fallback" });
  assert.deepEqual(data.endpoints.map((endpoint) => endpoint.tag), ["mock", "mock/2"]);
  const providers = (await client.providers.list()).data;
  assert.ok(providers.some((provider) => provider.slug === "mock" && provider.name === "Mock"));
  await assert.rejects(client.models.get({ author: "demo", slug: "nothing" }), { statusCode: 404 });
});

test("models of other kinds", async () => {
  assert.deepEqual(ids(await client.embeddings.listModels({})), ["demo/embed"]);
  assert.deepEqual(ids(await client.images.listModels()), ["demo/paint"]);
  const { endpoints } = await client.images.listModelEndpoints({ author: "demo", slug: "paint" });
  assert.equal(endpoints[0].providerSlug, "mock");
  assert.ok(ids(await client.models.listForUser({ bearer: GATEWAY_KEY }, {})).includes("demo/echo"));
});
