import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, connect } from "node:net";
import { after, test } from "node:test";
import { WebSocket } from "ws";

import { Client, Failure } from "../../../clients/js/index.js";
import { scripted, until } from "./chats.mjs";

const url = process.env.SERVER_URL;
const opened = [];
after(() => opened.forEach((client) => client.close()));

function client(options = {}, to = url) {
  const made = new Client(to, { WebSocket, ...options });
  opened.push(made);
  return made;
}

/** A network that resets each connection after so many bytes from the server. */
async function network(bytes) {
  const server = createServer((down) => {
    const up = connect(Number(new URL(url).port), "127.0.0.1");
    let told = 0;
    up.on("data", (data) => {
      told += data.length;
      down.write(data.subarray(0, Math.max(0, bytes - told + data.length)));
      if (told >= bytes) setTimeout(() => [down, up].forEach((end) => end.destroy()), 5);
    });
    down.on("data", (data) => up.write(data));
    for (const end of [down, up]) end.on("error", () => {}).on("close", () => [down, up].forEach((one) => one.destroy()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

async function entriesOf(stream) {
  const entries = [];
  for await (const entry of stream) entries.push(entry);
  return entries;
}

test("every entry of an answer, once and in order, then it is acknowledged", async () => {
  const one = client();
  const stream = one.ask("/script tokens=20");
  const entries = await entriesOf(stream);
  assert.deepEqual(entries.map(({ seq }) => seq), entries.map((_, n) => n));
  assert.equal(stream.text, scripted(20));
  assert.equal(stream.state, "completed");
  await until(async () => (await client().resume(stream.chat)).length === 0); // another connection may overtake the ack
  assert.equal((await one.doors.answer(stream.id)).text, stream.text);
});

test("a connection that is cut again and again loses nothing and tells nothing twice", async () => {
  for (const bytes of [1500, 1651]) {
    const stream = client({}, await network(bytes)).ask("/script tokens=60 delay_ms=5");
    const entries = await entriesOf(stream);
    assert.deepEqual(entries.map(({ seq, reset }) => [seq, reset]), entries.map((_, n) => [n, false]));
    assert.equal(stream.text, scripted(60));
  }
});

test("another page resumes from the start or after a cursor, and a stop keeps the text", async () => {
  const first = client().ask("/script tokens=100000 delay_ms=5");
  await until(() => first.text.length > 80);
  const cursor = first.cursor;
  const [whole] = await client().resume(first.chat);
  const [rest] = await client().resume(first.chat, [cursor]);
  const seen = entriesOf(rest);
  await until(() => whole.text.length > 120);
  whole.stop();
  const states = await Promise.all([whole, first].map(async (stream) => (await stream.result()).state));
  assert.deepEqual(states, ["stopped", "stopped"]);
  assert.equal(whole.text, first.text);
  assert.equal((await seen)[0].seq, cursor.seq + 1);
});

test("the same id is the same question", async () => {
  const [a, b] = [client(), client()].map((one) => one.ask("/script tokens=10", { chat: "js", id: `js-${url}` }));
  await Promise.all([a.result(), b.result()]);
  assert.equal(a.id, b.id);
});

test("the same id on one client is the same stream, while it is under way", async () => {
  const one = client();
  const stream = one.ask("/script tokens=10 delay_ms=5", { chat: "js", id: `js-one-${url}` });
  assert.equal(one.ask("another", { chat: "js", id: `js-one-${url}` }), stream);
  await stream.result();
  assert.equal((await one.ask("again", { chat: "js", id: `js-one-${url}` }).result()).answer, stream.id);
});

test("two resumes of one chat have each their own reply", async () => {
  const stream = client().ask("/script tokens=100000 delay_ms=5");
  await until(() => stream.text.length > 20);
  const other = client();
  const [[a], [b]] = await Promise.all([other.resume(stream.chat), other.resume(stream.chat, [stream.cursor])]);
  assert.equal(a.id, stream.id);
  assert.equal(a, b);
  stream.stop();
  await stream.result();
});

test("a cursor of what the server does not have gives no stream, and a closed client no promise that hangs", async () => {
  const one = client();
  const cursors = [{ answer: "none", epoch: "none", seq: 3 }];
  assert.deepEqual(await one.resume("js-nobody", cursors), []);
  const never = client({}, "http://127.0.0.1:9"); // nobody answers there
  const waiting = [never.resume("js"), never.ask("q").result()];
  never.close();
  for (const promise of [...waiting, never.resume("js"), never.ask("q").result()])
    await assert.rejects(promise, (error) => error.code === "closed");
});

test("a refusal has its code, and so has the end of the client", async () => {
  const one = client();
  await assert.rejects(one.ask("  ").result(), (error) => error instanceof Failure && error.code === "empty_question");
  const open = one.ask("/script tokens=100000 delay_ms=5").result();
  one.close();
  await assert.rejects(open, (error) => error.code === "closed");
});

test("an answer as server-sent events, through the cuts of a network", async () => {
  const stream = client().ask("/script tokens=60 delay_ms=5");
  await until(() => stream.id !== null);
  const chunks = [];
  for await (const chunk of client({}, await network(1500)).doors.answerEvents(stream.id)) chunks.push(chunk);
  assert.equal(chunks.map(({ delta }) => delta ?? "").join(""), scripted(60));
});

test("the progress of an ingestion", async () => {
  const body = JSON.stringify({ documents: [{ id: "d1", title: "Pump", text: "The pump hums." }], records: [] });
  const headers = { "content-type": "application/json" };
  const begun = await fetch(`${url}/v1/ingest`, { method: "POST", body, headers });
  const { job_id: job } = await begun.json();
  const events = await entriesOf(client().job(job));
  assert.ok(events.length > 0);
  assert.equal((await client().doors.job(job)).status, "completed");
});
