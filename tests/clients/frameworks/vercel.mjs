// Vercel's AI SDK against a gateway: `node vercel.mjs PROVIDER ORIGIN KEY MODEL` streams an answer for which the model calls a tool, and
// prints the text that comes after the tool's result. PROVIDER is one of the names below, each a package that speaks an API of its own.
//
// Run by `make clients` in a folder where the packages are installed.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [provider, origin, apiKey, name] = process.argv.slice(2);
const baseURL = `${origin}/v1`;
const models = {
  openai: () => createOpenAI({ baseURL, apiKey }).chat(name),
  responses: () => createOpenAI({ baseURL, apiKey }).responses(name),
  anthropic: () => createAnthropic({ baseURL, apiKey })(name),
  google: () => createGoogleGenerativeAI({ baseURL: `${origin}/v1beta`, apiKey })(name),
  openrouter: () => createOpenRouter({ baseURL: `${origin}/api/v1`, apiKey })(name),
};

const cities = [];
const result = streamText({
  model: models[provider](),
  prompt: "Hello there",
  maxRetries: 0,
  stopWhen: stepCountIs(3),
  // Responses are kept nowhere, so a reference to an earlier one leads nowhere.
  providerOptions: { openai: { store: false } },
  tools: {
    weather: tool({
      description: "The weather of a city",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => {
        cities.push(city);
        return "sunny";
      },
    }),
  },
  onError: ({ error }) => {
    console.error(error);
    process.exitCode = 1;
  },
});
let text = "";
for await (const piece of result.textStream) {
  text += piece;
}
const usage = await result.totalUsage;
if (cities.join() !== "Paris" || !(usage.totalTokens > 0)) {
  console.error(`tool called with ${JSON.stringify(cities)}, usage ${JSON.stringify(usage)}`);
  process.exitCode = 1;
}
console.log(text);
