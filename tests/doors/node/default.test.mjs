import { DefaultChatTransport, uiMessageChunkSchema } from "ai";
import assert from "node:assert/strict";
import { test } from "node:test";

import { Chat, question, scripted, until } from "./chats.mjs";

const url = process.env.SERVER_URL;
const transport = () => new DefaultChatTransport({ api: `${url}/api/chat` });
const chat = (options = {}) => new Chat({ id: crypto.randomUUID(), transport: transport(), ...options });
const json = async (path) => (await fetch(`${url}${path}`)).json();

test("a question is answered, and the chat's messages are what the stream has made of it", async () => {
  const one = chat();
  await one.sendMessage({ text: "/script tokens=20" });
  await one.sendMessage({ text: "/script tokens=3" });
  assert.equal(one.status, "ready");
  assert.equal(one.text, scripted(3));
  const { messages } = await json(`/api/chat/${one.id}`);
  const plain = (list) => JSON.parse(JSON.stringify(list.map(({ role, parts }) => ({ role, parts }))));
  assert.deepEqual(plain(messages), plain(one.messages));
});

test("every chunk is valid by the package's own schema", async () => {
  const { validate } = uiMessageChunkSchema();
  const body = JSON.stringify({ id: crypto.randomUUID(), messages: [question("/script tokens=20")] });
  const stream = await (await fetch(`${url}/api/chat`, { method: "POST", body })).text();
  const chunks = stream.split("\n\n").filter((line) => line.startsWith("data: {"));
  for (const chunk of chunks) assert.equal((await validate(JSON.parse(chunk.slice(6)))).success, true, chunk);
  assert.ok(chunks.length > 20);
});

test("leaving stops nothing: a reloaded page has the answer from its start, and a stop at its door ends it", async () => {
  const first = chat();
  void first.sendMessage({ text: "/script tokens=100000 delay_ms=5" });
  await until(() => first.text.length > 80);
  const shown = first.text;
  await first.stop();
  const { messages } = await json(`/api/chat/${first.id}`);
  const reloaded = chat({ id: first.id, messages });
  const resumed = reloaded.resumeStream();
  await until(() => reloaded.text.length > shown.length);
  assert.ok(reloaded.text.startsWith(shown));
  await fetch(`${url}/api/chat/${first.id}/stream`, { method: "DELETE" });
  await resumed;
  assert.equal(reloaded.status, "ready");
  const { answers } = await json(`/v1/chats/${first.id}/answers`);
  assert.equal(answers[0].state, "stopped");
  assert.equal(answers[0].text, reloaded.text);
});

test("where there is nothing to resume there is no stream", async () => {
  assert.equal(await transport().reconnectToStream({ chatId: crypto.randomUUID() }), null);
});

test("a question that is refused is an error of the chat", async () => {
  const one = chat();
  await one.sendMessage({ text: "  " });
  assert.equal(one.status, "error");
  assert.match(one.error.message, /The question is empty/);
});
