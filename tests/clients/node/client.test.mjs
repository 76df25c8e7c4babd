// openai-node through the gateway, with node's own test runner. tests/clients/test_openai_node.py starts it and says
// in the environment where the gateway and the scripted provider listen, and with which keys.

import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { GATEWAY_URL, GATEWAY_KEY, MOCK_URL, MOCK_KEY } = process.env;

const options = { maxRetries: 0, timeout: 60_000 };
const client = new OpenAI({ baseURL: GATEWAY_URL, apiKey: GATEWAY_KEY, ...options });
const direct = new OpenAI({ baseURL: `${MOCK_URL}/v1`, apiKey: MOCK_KEY, ...options });

const say = (content) => [{ role: "user", content }];
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

/** The requests that the scripted provider has received. */
async function received() {
  const answer = await fetch(`${MOCK_URL}/__mock/received`);
  return (await answer.json()).requests;
}

/** Looks until a received request fits; the runner's time limit bounds it. */
async function eventuallyReceived(fits) {
  for (;;) {
    const found = (await received()).find(fits);
    if (found) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("a chat is answered", async () => {
  const answer = await client.chat.completions.create({ model: "demo/echo", messages: say("All aboard") });
  assert.equal(answer.choices[0].message.content, "All aboard");
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.model, "demo/echo");
  assert.equal(answer.provider, "Mock");
  assert.match(answer.id, /^gen-\d+-[0-9A-Za-z]{20}$/);
  assert.ok(answer.usage.completion_tokens > 0);
});

test("a stream says the same, chunk by chunk", async () => {
  const text = "Mind the gap between the train and the platform";
  const stream = await client.chat.completions.create({ model: "demo/echo", messages: say(text), stream: true });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  assert.equal(chunks.flatMap((chunk) => chunk.choices).map((choice) => choice.delta.content ?? "").join(""), text);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
});

test("the stream helper puts the answer together", async () => {
  const runner = client.chat.completions.stream({ model: "demo/echo", messages: say("One two three") });
  const deltas = [];
  runner.on("content", (delta) => deltas.push(delta));
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, "One two three");
  assert.equal(deltas.join(""), "One two three");
});

test("a tool is called and its result answered", async () => {
  const messages = say("What is the weather in Paris?");
  const first = await client.chat.completions.create({ model: "mock/tool", messages, tools });
  assert.equal(first.choices[0].finish_reason, "tool_calls");
  const [call] = first.choices[0].message.tool_calls;
  assert.equal(call.function.name, "weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Paris" });
  messages.push(first.choices[0].message, { role: "tool", tool_call_id: call.id, content: "21 degrees" });
  const second = await client.chat.completions.create({ model: "mock/tool", messages, tools });
  assert.equal(second.choices[0].finish_reason, "stop");
  assert.ok(second.choices[0].message.content);
});

test("the helper runs streamed tools to the end", async () => {
  const asked = [];
  const runner = client.chat.completions.runTools({
    model: "mock/tool",
    stream: true,
    messages: say("What is the weather in Paris?"),
    tools: [
      {
        type: "function",
        function: {
          name: "weather",
          parse: JSON.parse,
          function: ({ city }) => {
            asked.push(city);
            return "21 degrees";
          },
          parameters: tools[0].function.parameters,
        },
      },
    ],
  });
  assert.ok(await runner.finalContent());
  assert.deepEqual(asked, ["Paris"]);
});

test("a structured answer is parsed", async () => {
  const station = { name: "Gare de Lyon", platforms: 22 };
  const answer = await client.chat.completions.parse({
    model: "demo/echo",
    messages: say(JSON.stringify(station)),
    response_format: zodResponseFormat(z.object({ name: z.string(), platforms: z.number() }), "station"),
  });
  assert.deepEqual(answer.choices[0].message.parsed, station);
});

test("embeddings are the provider's own numbers, in base64 and as numbers", async () => {
  const input = ["signal", "points"];
  const straight = await direct.embeddings.create({ model: "embedding;dim=16", input });
  // Without encoding_format the client asks for base64 and decodes it.
  const base64 = await client.embeddings.create({ model: "mock/embedding;dim=16", input });
  const float = await client.embeddings.create({ model: "mock/embedding;dim=16", input, encoding_format: "float" });
  const numbers = (answer) => answer.data.map((item) => Array.from(item.embedding));
  assert.deepEqual(numbers(base64), numbers(straight));
  assert.deepEqual(
    numbers(float).map((vector) => vector.map(Math.fround)),
    numbers(straight).map((vector) => vector.map(Math.fround)),
  );
  assert.equal(numbers(base64)[0].length, 16);
});

test("a text is completed plain and streamed", async () => {
  const plain = await client.completions.create({ model: "mock/text", prompt: "Once" });
  const stream = await client.completions.create({ model: "mock/text", prompt: "Once", stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices.map((choice) => choice.text).join("");
  assert.ok(plain.choices[0].text);
  assert.equal(text, plain.choices[0].text);
});

test("models are listed and found", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes("demo/echo"));
  assert.equal((await client.models.retrieve("demo/echo")).id, "demo/echo");
  assert.equal((await client.models.retrieve("echo")).id, "demo/echo");
  await assert.rejects(client.models.retrieve("demo/ecko"), OpenAI.NotFoundError);
});

test("errors arrive as the classes that users catch", async () => {
  const stranger = client.withOptions({ apiKey: "sk-nobody-0123456789" });
  const ask = (from, model, stream) => from.chat.completions.create({ model, messages: say("Hello"), stream });
  for (const stream of [false, true]) {
    await assert.rejects(ask(stranger, "demo/echo", stream), OpenAI.AuthenticationError);
    await assert.rejects(ask(client, "demo/ecko", stream), OpenAI.BadRequestError);
    await assert.rejects(ask(client, "mock/other;status=400;message=too hot", stream), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError);
      assert.match(error.message, /too hot/);
      assert.equal(error.error.metadata.provider_name, "Mock");
      return true;
    });
    await assert.rejects(ask(client, "mock/other;status=429;retry_after=7", stream), (error) => {
      assert.ok(error instanceof OpenAI.RateLimitError);
      assert.equal(error.headers.get("retry-after"), "7");
      return true;
    });
    await assert.rejects(ask(client, "mock/other;status=500", stream), OpenAI.InternalServerError);
  }
});

test("the client waits out a rate limit and succeeds", async () => {
  const model = "mock/echo;status=429;retry_after=1;times=1";
  const answer = await client
    .withOptions({ maxRetries: 2 })
    .chat.completions.create({ model, messages: say("Patience") });
  assert.equal(answer.choices[0].message.content, "Patience");
});

test("the raw response carries the generation's id", async () => {
  const { data, response } = await client.chat.completions
    .create({ model: "demo/echo", messages: say("Raw") })
    .withResponse();
  assert.equal(response.headers.get("x-generation-id"), data.id);
});

test("an error inside a stream is thrown after what was said", async () => {
  const stream = await client.chat.completions.create({
    model: "mock/other;pace=40;error_in=5;message=derailed",
    messages: say("Hello"),
    stream: true,
  });
  let chunks = 0;
  await assert.rejects(async () => {
    for await (const _ of stream) chunks += 1;
  }, /derailed/);
  assert.ok(chunks > 0);
});

test("a stream left by its client ends at the provider", async () => {
  const model = "mock/other;tokens=100000;pace=20";
  const stream = await client.chat.completions.create({ model, messages: say("Never mind"), stream: true });
  for await (const _ of stream) break;
  const request = await eventuallyReceived((one) => one.client_gone && one.body.includes("tokens=100000"));
  assert.ok(request.events_written < 10_000);
});

test("a client that runs out of patience ends the call at the provider", async () => {
  const never = { model: "mock/other;ttft=600000", messages: say("Hello") };
  await assert.rejects(client.chat.completions.create(never, { timeout: 200 }), OpenAI.APIConnectionTimeoutError);
  await eventuallyReceived((one) => one.client_gone && one.body.includes("ttft=600000"));
});
