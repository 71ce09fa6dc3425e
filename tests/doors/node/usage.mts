// A program as somebody writes it who knows the client by its types alone. It is compiled, strictly, and then run.

import assert from "node:assert/strict";
import { Client, Failure, HttpError, doors, textOf } from "chatserver-client";
import type { AnswerStream, Chunk, ConnectionState, Cursor, Entry, Transcript } from "chatserver-client";
import { WebSocket } from "ws";

const url: string = process.env["SERVER_URL"] ?? "";
const states: ConnectionState["name"][] = [];
const client = new Client(url, { WebSocket, onState: (state) => states.push(state.name) });

async function read(stream: AnswerStream): Promise<Transcript> {
  let last = -1;
  for await (const entry of stream) last = inOrder(entry, last);
  return stream.result();
}

function inOrder({ seq, chunk, reset }: Entry, last: number): number {
  assert.equal(typeof chunk.type, "string");
  assert.equal(reset, false);
  assert.equal(seq, last + 1);
  return seq;
}

const stream = client.ask("/script tokens=20", { chat: "typed", id: "typed-1", namespace: "" });
const told = await read(stream);
assert.equal(told.state, "completed");
assert.equal(textOf(told.content), stream.text);
const { answer, seq }: Cursor = stream.cursor;
assert.deepEqual([stream.id, stream.chat, told.answer, told.seq], [answer, "typed", answer, seq]);
assert.deepEqual([told.content.error, told.content.finishReason], [null, "stop"]);

const stopped = client.ask("/script tokens=100000 delay_ms=5", { chat: "typed" });
for await (const { chunk } of stopped) if (chunk.type === "text-delta") stopped.stop();
assert.equal((await stopped.result()).state, "stopped");
const [again] = await client.resume("typed", [stream.cursor]);
assert.equal(again?.id, answer);

const { chats, next } = await client.doors.chats();
assert.equal(chats.find(({ chat }) => chat === "typed")?.answers, 2);
assert.equal(next, null);
const events: Chunk[] = [];
for await (const chunk of doors({ base: url }).answerEvents(answer)) events.push(chunk);
assert.ok(events.some(({ type }) => type === "text-delta"));
await assert.rejects(client.doors.answer("none"), (error) => error instanceof HttpError && error.status === 404);
client.close();
await assert.rejects(client.resume("typed"), (error) => error instanceof Failure && error.code === "closed");
assert.ok(states.includes("open"));

// What the types refuse.
export function refused(): void {
  // @ts-expect-error a question is a text
  client.ask(7);
  // @ts-expect-error there is no such option
  client.ask("x", { chats: "typed" });
  // @ts-expect-error what an answer has is read only
  stream.text = "mine";
  // @ts-expect-error an id may be missing until the question was accepted
  const id: string = stream.id;
  assert.ok(id);
}

console.log("typed program done");
