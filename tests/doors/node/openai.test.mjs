import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

import { scripted } from "./chats.mjs";

const client = new OpenAI({ baseURL: `${process.env.SERVER_URL}/v1`, apiKey: "none", maxRetries: 0 });
const asking = (content, options = {}) => ({
  model: "chatserver",
  messages: [{ role: "user", content }],
  ...options,
});

test("the server is among the models", async () => {
  assert.deepEqual((await client.models.list()).data.map(({ id }) => id), ["chatserver"]);
});

test("a completion is the whole answer, with the tokens that the model has counted", async () => {
  const { choices, usage } = await client.chat.completions.create(asking("/script tokens=20"));
  assert.equal(choices[0].message.content, scripted(20));
  assert.equal(usage.completion_tokens, 20);
});

test("a stream is the same in pieces, its usage last", async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const pieces = [];
  for await (const piece of await client.chat.completions.create(asking("/script tokens=20", options))) pieces.push(piece);
  assert.equal(pieces.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), scripted(20));
  assert.equal(pieces.at(-1).usage.completion_tokens, 20);
});

test("a model that fails is an error, after the text so far", async () => {
  const text = "/script tokens=20 fail_after=5 error=broken";
  let said = "";
  await assert.rejects(async () => {
    for await (const piece of await client.chat.completions.create(asking(text, { stream: true }))) {
      said += piece.choices[0]?.delta.content ?? "";
    }
  }, (error) => error.code === "model_stream_broken");
  assert.equal(said, scripted(5));
  await assert.rejects(client.chat.completions.create(asking(text)), (error) => error.status === 502);
});

test("a faulty request is the SDK's own kind of error", async () => {
  await assert.rejects(client.chat.completions.create(asking(" ")), (error) => {
    assert.ok(error instanceof OpenAI.UnprocessableEntityError);
    return error.code === "empty_question";
  });
});
