import assert from "node:assert/strict";
import { test } from "node:test";

import { Delivery } from "../../../clients/js/delivery.js";
import { AnswerStream } from "../../../clients/js/stream.js";
import { empty } from "../../../clients/js/transcript.js";
import { ANSWER, EPOCH, answerLog } from "./logs.mjs";

const LOG = answerLog();
const ASK = { type: "ask", id: "q1", chat: "c", text: "q" };
const WELCOME = { type: "welcome" };
const ACCEPTED = { type: "accepted", id: "q1", answer: ANSWER, chat: "c", epoch: EPOCH };
const RESUMED = { answer: ANSWER, epoch: EPOCH, head: 9, state: "running", verdict: "resumed" };
const cursor = (seq) => ({ answer: ANSWER, epoch: EPOCH, seq });
const resumed = (...answers) => ({ type: "resumed", chat: "c", answers });

/** A delivery, what went out of it, and what its owner was told. */
function delivery() {
  const sent = [];
  const told = [];
  const wire = { up: true, chats: [] };
  const made = new Delivery((command) => wire.up && sent.push(command) > 0, {
    accepted: () => told.push("accepted"),
    changed: (stream, event) => stream.changed(event),
    lost: (_, { code }) => told.push(code),
    resumed: (chat, rows) => told.push([chat, rows.length]),
    chats: () => wire.chats,
  });
  const add = (parts) => {
    const stream = new AnswerStream(made, { chat: "c", ...parts });
    made.add(stream);
    return stream;
  };
  const hear = (...events) => events.forEach((event) => made.receive(event));
  const took = () => sent.splice(0);
  return { delivery: made, add, hear, took, told, wire };
}

/** The next entries, of which there are as many. */
async function read(stream, count) {
  const entries = stream[Symbol.asyncIterator]();
  const seen = [];
  while (seen.length < count) seen.push((await entries.next()).value);
  return seen.map(({ seq, reset }) => (reset ? `reset ${seq}` : seq));
}

test("Each connection is told all that is wanted: questions, stops, ends that were shown, chats.", async () => {
  const { add, hear, took, wire } = delivery();
  wire.up = false;
  const [asked, stopped] = [add({ ask: ASK }), add({ transcript: { ...empty("a2", EPOCH), seq: 4 } })];
  stopped.stop();
  const whole = add({ transcript: { ...empty("a3", EPOCH), seq: 8 } });
  hear({ type: "end", answer: "a3", seq: 8, state: "completed" });
  await whole.result();
  wire.up = true;
  wire.chats = ["c", "d"];
  const cursors = [{ answer: "a2", epoch: EPOCH, seq: 4 }];
  const wanted = [
    ASK,
    { type: "stop", answer: "a2" },
    { type: "ack", answer: "a3", seq: 8 },
    { type: "resume", chat: "c", cursors },
    { type: "resume", chat: "d", cursors: [] },
  ];
  hear(WELCOME);
  assert.deepEqual(took(), wanted);
  hear(WELCOME);
  assert.deepEqual(took(), wanted.filter(({ type }) => type !== "ack"));
  assert.equal(asked.unaccepted, true);
});

test("A resume names an accepted answer that has no entry yet.", () => {
  const { add, hear, took } = delivery();
  add({ ask: ASK });
  hear(ACCEPTED, WELCOME);
  assert.deepEqual(took(), [ASK, { type: "resume", chat: "c", cursors: [cursor(-1)] }]);
});

test("A stop and a question that the server could not take now are told again after the time that it named.", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { add, hear, took } = delivery();
  const stream = add({ ask: ASK });
  hear({ type: "error", id: "q1", code: "unavailable", message: "", retry_after_ms: 300 });
  context.mock.timers.tick(300);
  assert.deepEqual(took(), [ASK, ASK]);
  hear(ACCEPTED);
  stream.stop();
  hear({ type: "error", answer: ANSWER, code: "unavailable", message: "", retry_after_ms: 300 });
  context.mock.timers.tick(300);
  const stop = { type: "stop", answer: ANSWER };
  assert.deepEqual(took(), [stop, stop]);
  hear(...LOG, { type: "error", answer: ANSWER, code: "unavailable", message: "", retry_after_ms: 300 });
  context.mock.timers.tick(300);
  assert.deepEqual(took(), []);
});

test("After an error of no command of its own, a resume for one, all is told again.", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { add, hear, took } = delivery();
  add({ ask: ASK });
  hear(ACCEPTED);
  took();
  hear({ type: "error", code: "unavailable", message: "", retry_after_ms: 300 });
  context.mock.timers.tick(300);
  assert.deepEqual(took(), [{ type: "resume", chat: "c", cursors: [cursor(-1)] }]);
});

test("A gap is resumed once, and again when there is another one after it was healed.", () => {
  const { add, hear, took } = delivery();
  const stream = add({ ask: ASK });
  hear(ACCEPTED, ...LOG.slice(0, 2), ...LOG.slice(5, 9));
  assert.deepEqual(took().slice(1), [{ type: "resume", chat: "c", cursors: [cursor(1)] }]);
  hear(resumed(RESUMED), ...LOG.slice(2, 4), LOG[7]);
  assert.deepEqual(took(), [{ type: "resume", chat: "c", cursors: [cursor(3)] }]);
  hear(resumed(RESUMED), ...LOG.slice(4));
  assert.equal(stream.text, "Check the level [1]. Then start [2].");
});

test("The first entry of each new telling is marked, and nothing else is.", async () => {
  const { add, hear } = delivery();
  const stream = add({ ask: ASK });
  hear(ACCEPTED, ...LOG.slice(0, 2), resumed({ ...RESUMED, verdict: "snapshot" }), ...LOG.slice(0, 2));
  hear(...answerLog(undefined, ANSWER, "e2").slice(0, 2));
  assert.deepEqual(await read(stream, 6), [0, 1, "reset 0", 1, "reset 0", 1]);
});

test("Where a reader's own cursor is void, the first entry says so.", async () => {
  for (const [verdict, entries] of [["resumed", [3, 4]], ["snapshot", ["reset 0", 1]]]) {
    const { add, hear } = delivery();
    const stream = add({ transcript: { ...empty(ANSWER, EPOCH), seq: 2 } });
    hear(resumed({ ...RESUMED, verdict }), ...LOG.slice(verdict === "resumed" ? 3 : 0));
    assert.deepEqual(await read(stream, 2), entries);
  }
});

test("What the server does not have is the owner's affair, and so are answers that are not known.", () => {
  const { add, hear, told, took } = delivery();
  add({ ask: ASK });
  hear(ACCEPTED, resumed({ ...RESUMED, verdict: "gone" }, { ...RESUMED, answer: "a9" }), { ...LOG[0], answer: "a9" });
  hear({ type: "error", answer: ANSWER, code: "unknown_answer", message: "" });
  assert.deepEqual(told, ["accepted", "gone", ["c", 2], "unknown_answer"]);
  assert.deepEqual(took(), [ASK]);
});
