import { WebSocketChatTransport } from "ai";
import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket } from "ws";

import { Chat, chunksOf, question, scripted, textOf, until } from "./chats.mjs";
import { Server } from "./server.mjs";

let server;
const opened = [];

before(async () => {
  server = await new Server(await mkdtemp(join(tmpdir(), "doors-"))).start();
});
after(async () => {
  for (const transport of opened) transport.close();
  await server.end();
});

function transport(options = {}) {
  const made = new WebSocketChatTransport({ url: `${server.url}/ws/ai-sdk`, webSocket: WebSocket, ...options });
  opened.push(made);
  return made;
}
const chat = (options = {}) => new Chat({ id: crypto.randomUUID(), transport: transport(), ...options });
const send = (over, chatId, text, options = {}) =>
  over.sendMessages({ chatId, messages: [question(text)], trigger: "submit-message", ...options });
const told = async (chat) => (await (await fetch(`${server.url}/v1/chats/${chat}/answers`)).json()).answers;

/** Frames by hand, for what the package never sends. */
async function socket() {
  const raw = new WebSocket(`${server.url}/ws/ai-sdk`);
  const frames = [];
  let code = 0;
  raw.on("message", (data) => frames.push(JSON.parse(data)));
  raw.on("close", (told) => (code = told));
  await new Promise((resolve) => raw.on("open", resolve));
  return { frames, code: () => code, say: (frame) => raw.send(typeof frame === "string" ? frame : JSON.stringify(frame)) };
}

test("a question is answered, every chunk valid, the message named by the answer", async () => {
  const one = chat();
  await one.sendMessage({ text: "/script tokens=20" });
  assert.equal(one.status, "ready");
  assert.equal(one.text, scripted(20));
  assert.equal(one.answer.id, (await told(one.id))[0].answer);
});

test("the turns of a chat are the question's history, and each question is answered once", async () => {
  const one = chat();
  await one.sendMessage({ text: "/script tokens=3" });
  await one.sendMessage({ text: "/script tokens=4" });
  assert.deepEqual(one.messages.map(textOf), ["/script tokens=3", scripted(3), "/script tokens=4", scripted(4)]);
  assert.equal((await told(one.id)).length, 2);
});

test("the same message sent again is the same answer; answered anew it is another", async () => {
  const over = transport();
  const messages = [question("/script tokens=5")];
  const ask = { chatId: crypto.randomUUID(), messages };
  const ids = [];
  for (const trigger of ["submit-message", "submit-message", "regenerate-message"]) {
    const [start] = await chunksOf(await over.sendMessages({ ...ask, trigger }));
    ids.push(start.messageId);
  }
  assert.equal(ids[0], ids[1]);
  assert.notEqual(ids[0], ids[2]);
});

test("stop ends the generation and keeps what was said", async () => {
  const one = chat();
  const sent = one.sendMessage({ text: "/script tokens=100000 delay_ms=5" });
  await until(() => one.text.length > 40);
  await one.stop();
  await sent;
  const shown = one.text;
  await untilState(one.id, "stopped");
  const [{ text }] = await told(one.id);
  assert.ok(text.startsWith(shown) && shown.length > 0);
});

test("a lost page resumes with the whole answer, and a stop after the resume works", async () => {
  const first = chat();
  void first.sendMessage({ text: "/script tokens=100000 delay_ms=5" });
  await until(() => first.text.length > 80);
  const shown = first.text;
  opened.at(-1).close();
  const reloaded = new Chat({ id: first.id, transport: transport(), messages: [first.messages[0]] });
  void reloaded.resumeStream();
  await until(() => reloaded.text.length > shown.length);
  assert.ok(reloaded.text.startsWith(shown));
  await reloaded.stop();
  await untilState(first.id, "stopped");
});

test("an answer that ended while nobody was there is told whole", async () => {
  const over = transport();
  const chatId = crypto.randomUUID();
  const stream = await send(over, chatId, "/script tokens=50 delay_ms=2");
  await stream.getReader().read();
  over.close();
  await untilState(chatId, "completed");
  const again = new Chat({ id: chatId, transport: transport() });
  await again.resumeStream();
  assert.equal(again.text, scripted(50));
});

test("where there is nothing to resume there is no stream", async () => {
  assert.equal(await transport().reconnectToStream({ chatId: crypto.randomUUID() }), null);
});

test("two requests on one socket, and two readers of one answer, each have their own", async () => {
  let sockets = 0;
  class Counted extends WebSocket {
    constructor(...options) {
      super(...options);
      sockets += 1;
    }
  }
  const over = transport({ webSocket: Counted });
  const [a, b] = [crypto.randomUUID(), crypto.randomUUID()];
  const streams = [await send(over, a, "/script tokens=60 delay_ms=2"), await send(over, b, "/script tokens=40 delay_ms=2")];
  streams.push(await over.reconnectToStream({ chatId: a }));
  const texts = (await Promise.all(streams.map(chunksOf))).map((chunks) => chunks.map(({ delta }) => delta ?? "").join(""));
  assert.deepEqual(texts, [scripted(60), scripted(40), scripted(60)]);
  assert.equal(sockets, 1);
});

test("a faulty request ends alone, with a code", async () => {
  const { say, frames, code } = await socket();
  const body = { id: "c-faulty", trigger: "submit-message", messages: [question("/script tokens=400 delay_ms=5")] };
  say({ type: "send", requestId: "good", headers: {}, body: {}, ...body });
  await until(() => frames.some((frame) => frame.type === "chunk"));
  say({ type: "send", requestId: "bad", headers: {}, body: {}, ...body, messages: "none" });
  say({ type: "dance", requestId: "odd" });
  await until(() => frames.filter((frame) => frame.type === "error").length === 2);
  const faults = frames.filter((frame) => frame.type === "error").map(({ requestId, code }) => [requestId, code]);
  assert.deepEqual(faults, [["bad", "invalid_field"], ["odd", "unknown_type"]]);
  await until(() => frames.at(-1).type === "end");
  assert.equal(frames.at(-1).requestId, "good");
  assert.equal(code(), 0);
});

test("a frame that names no request closes with 1008, and the answer is still there", async () => {
  const { say, frames, code } = await socket();
  const body = { id: crypto.randomUUID(), trigger: "submit-message", messages: [question("/script tokens=300 delay_ms=5")] };
  say({ type: "send", requestId: "r", headers: {}, body: {}, ...body });
  await until(() => frames.length > 0);
  say("{");
  await until(() => code() === 1008);
  const again = new Chat({ id: body.id, transport: transport() });
  await again.resumeStream();
  assert.equal(again.text, scripted(300));
});

test("a question that is refused is an error of the chat, in words", async () => {
  const one = chat();
  await one.sendMessage({ text: "   " });
  assert.equal(one.status, "error");
  assert.equal(one.error.message, "The question is empty.");
});

test("a server killed in mid-answer: the chat hears of it, resumes, and has every word once", async () => {
  const one = chat();
  const sent = one.sendMessage({ text: "/script tokens=200 delay_ms=10" });
  await until(() => one.text.length > 80);
  await server.end("SIGKILL");
  await sent;
  assert.equal(one.status, "error");
  await server.start();
  await one.resumeStream();
  assert.equal(one.status, "ready");
  assert.equal(one.text, scripted(200));
  assert.equal(one.messages.length, 2);
});

async function untilState(chat, state) {
  const ends = Date.now() + 30_000;
  while ((await told(chat))[0]?.state !== state) {
    if (Date.now() > ends) throw new Error(`still not ${state}`);
    await sleep(10);
  }
}
