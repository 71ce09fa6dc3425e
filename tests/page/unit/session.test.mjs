import assert from "node:assert/strict";
import { test } from "node:test";

import { HttpError } from "../../../chatserver/web/api.js";
import { Session } from "../../../chatserver/web/session.js";
import { Storage } from "../../../chatserver/web/storage.js";
import { textOf } from "../../../clients/js/transcript.js";
import { ANSWER, CHUNKS, EPOCH, answerLog, fold } from "./logs.mjs";
import { seeded } from "./random.mjs";

/** What a browser keeps for a page. */
class Area {
  items = new Map();
  getItem = (key) => this.items.get(key) ?? null;
  setItem = (key, value) => void this.items.set(key, value);
  removeItem = (key) => void this.items.delete(key);
}

const LOG = answerLog();
const TEXT = "Check the level [1]. Then start [2].";
const ROW = {
  answer: ANSWER,
  chat: "c",
  question: "q",
  state: "running",
  epoch: EPOCH,
  head: 3,
  text: "Ch",
  citations: [],
  sources: [],
  notices: [],
  error: null,
};
const settled = () => new Promise((resolve) => setImmediate(resolve));

function page({ local = new Area(), tab = new Area(), documents = {} } = {}) {
  const sent = [];
  const wire = { up: true };
  let ids = 0;
  let isAway = false;
  const away = (is) => (isAway = is);
  const session = new Session({
    connection: { send: (command) => wire.up && sent.push(command) > 0 },
    api: {
      answers: async (chat) => {
        if (isAway) throw new TypeError("Failed to fetch");
        return Object.values(documents).filter((one) => one.chat === chat);
      },
      answer: async (id) => {
        if (id in documents) return documents[id];
        throw new HttpError(404, "unknown_answer", "");
      },
    },
    storage: new Storage(local, tab),
    newId: () => `id${(ids += 1)}`,
    onChange: () => {},
  });
  session.open = "c";
  const types = () => sent.map(({ type }) => type);
  const hear = (...events) => events.forEach((event) => session.receive(event));
  return { session, sent, wire, away, types, hear, local, tab, documents };
}

const WELCOME = { type: "welcome" };
const accepted = (id = "id1") => ({ type: "accepted", id, answer: ANSWER, chat: "c", epoch: EPOCH });
const END = { type: "end", answer: ANSWER, seq: LOG.length - 1, state: "completed" };
const resumed = (...answers) => ({ type: "resumed", chat: "c", answers });
const shown = (session) => session.messages("c").map(({ transcript }) => textOf(transcript.content));

test("A question is sent again under the same id on every connection until it is accepted.", async () => {
  const { session, sent, wire, hear } = page();
  wire.up = false;
  session.begin("c");
  session.ask("c", "q");
  wire.up = true;
  hear(WELCOME, WELCOME, accepted());
  sent.splice(2);
  assert.deepEqual(
    sent,
    [0, 1].map(() => ({ type: "ask", id: "id1", chat: "c", text: "q" })),
  );
  hear(WELCOME);
  await settled();
  assert.ok(sent.slice(2).every(({ type }) => type === "resume"));
});

test("A question that was not accepted survives the page, with its id.", () => {
  const first = page();
  first.session.ask("c", "q");
  const second = page({ local: first.local });
  second.hear(WELCOME);
  assert.deepEqual(second.sent[0], first.sent[0]);
  second.hear(accepted());
  assert.equal(page({ local: first.local }).session.messages("c").length, 0);
});

test("A question whose acceptance was lost is there once.", async () => {
  const first = page();
  first.session.ask("c", "q");
  const { session, hear } = page({ local: first.local, documents: { [ANSWER]: ROW } });
  await session.openChat("c");
  assert.equal(session.messages("c").length, 2);
  hear(accepted(), ...LOG, END);
  assert.deepEqual(shown(session), [TEXT]);
});

test("After a drop a running answer is resumed from its cursor and told on in place.", async () => {
  const { session, sent, hear } = page();
  session.begin("c");
  session.ask("c", "q");
  hear(accepted(), ...LOG.slice(0, 11), WELCOME);
  await settled();
  assert.deepEqual(sent.at(-1), { type: "resume", chat: "c", cursors: [{ answer: ANSWER, epoch: EPOCH, seq: 10 }] });
  hear(
    resumed({ answer: ANSWER, epoch: EPOCH, head: 12, state: "running", verdict: "resumed" }),
    ...LOG.slice(11),
    END,
  );
  assert.deepEqual(shown(session), [TEXT]);
});

test("A snapshot replaces what was shown, also in the same epoch.", () => {
  const { session, hear } = page();
  session.ask("c", "q");
  hear(accepted(), ...LOG.slice(0, 12));
  hear(resumed({ answer: ANSWER, epoch: EPOCH, head: 11, state: "running", verdict: "snapshot" }));
  assert.deepEqual(shown(session), [""]);
  hear(...LOG, END);
  assert.deepEqual(shown(session), [TEXT]);
});

test("A gap is resumed once, from before it, and not spliced.", async () => {
  const { session, sent, hear } = page();
  session.begin("c");
  session.ask("c", "q");
  hear(accepted(), ...LOG.slice(0, 4), ...LOG.slice(6, 9));
  await settled();
  const resumes = sent.filter(({ type }) => type === "resume");
  assert.deepEqual(
    resumes.map(({ cursors }) => cursors[0].seq),
    [3],
  );
  hear(resumed({ answer: ANSWER, epoch: EPOCH, head: 9, state: "running", verdict: "resumed" }), ...LOG.slice(4), END);
  assert.deepEqual(shown(session), [TEXT]);
});

test("A reload goes on in place from the tab's own transcript, another tab from the start.", async () => {
  const documents = { [ANSWER]: ROW };
  const first = page({ documents });
  await first.session.openChat("c");
  first.hear(...LOG.slice(0, 11));
  first.session.save();
  const again = page({ documents, tab: first.tab });
  await again.session.openChat("c");
  assert.deepEqual(shown(again.session), ["Check the level [1]. "]);
  assert.equal(again.sent.at(-1).cursors[0].seq, 10);
  const other = page({ documents });
  await other.session.openChat("c");
  assert.deepEqual(other.sent.at(-1).cursors, [{ answer: ANSWER, epoch: EPOCH, seq: -1 }]);
});

test("Finished answers come from their documents and are not told again.", async () => {
  const sealed = { ...ROW, state: "completed", head: LOG.length, text: TEXT };
  const { session, hear } = page({ documents: { [ANSWER]: sealed } });
  await session.openChat("c");
  hear(
    resumed({ answer: ANSWER, epoch: EPOCH, head: LOG.length, state: "completed", verdict: "snapshot" }),
    ...LOG,
    END,
  );
  assert.deepEqual(shown(session), [TEXT]);
});

test("An answer that the log does not have any more is read from its document, or is said to be lost.", async () => {
  const gone = resumed({ answer: ANSWER, epoch: EPOCH, head: 0, state: "gone", verdict: "gone" });
  const { session, hear, documents } = page();
  session.ask("c", "q");
  hear(accepted(), ...LOG.slice(0, 11));
  documents[ANSWER] = { ...ROW, state: "completed", head: LOG.length, text: TEXT };
  hear(gone);
  await settled();
  assert.deepEqual(shown(session), [TEXT]);

  const lost = page();
  lost.session.ask("c", "q");
  lost.hear(accepted(), gone);
  await settled();
  const [message] = lost.session.messages("c");
  assert.deepEqual([message.transcript.state, message.transcript.content.error.code], ["failed", "gone"]);
  lost.session.shown(message);
  assert.deepEqual(lost.types(), ["ask"]);
});

test("A question asked in another tab appears with the resume that names its answer.", async () => {
  const { session, hear, documents } = page();
  await session.openChat("c");
  documents[ANSWER] = ROW;
  hear(resumed({ answer: ANSWER, epoch: EPOCH, head: 3, state: "running", verdict: "snapshot" }));
  await settled();
  assert.deepEqual(
    session.messages("c").map(({ question }) => question),
    ["q"],
  );
});

test("The wish to stop is sent when the answer has an id, and over every later connection, until it is over.", () => {
  const { session, types, hear } = page();
  const message = session.ask("c", "q");
  session.stop(message);
  assert.deepEqual(types(), ["ask"]);
  hear(accepted());
  assert.deepEqual(types(), ["ask", "stop"]);
  hear(WELCOME, resumed({ answer: ANSWER, epoch: EPOCH, head: 0, state: "running", verdict: "snapshot" }));
  assert.deepEqual(types(), ["ask", "stop", "stop", "resume"]);
  hear(...answerLog([...CHUNKS.slice(0, 11), { type: "abort", reason: "stopped" }]), WELCOME);
  assert.equal(types().filter((type) => type === "stop").length, 2);
  assert.deepEqual(shown(session), ["Check the level [1]. "]);
});

test("A refused question says why, is not sent again, and can be asked anew.", () => {
  const { session, types, hear, local } = page();
  const message = session.ask("c", "q");
  hear({ type: "error", id: "id1", code: "question_too_long", message: "Too long." }, WELCOME);
  assert.deepEqual([message.failure.code, message.failure.message], ["question_too_long", "Too long."]);
  assert.deepEqual(types(), ["ask"]);
  assert.equal(session.running("c"), null);
  assert.equal(page({ local }).session.messages("c").length, 0);
  session.again(message);
  assert.deepEqual(
    session.messages("c").map(({ ask }) => ask.id),
    ["id2"],
  );
});

test("A question that the server is too busy for is sent again after the time that it named.", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { session, types, hear } = page();
  session.ask("c", "q");
  hear({ type: "error", id: "id1", code: "overloaded", message: "Busy.", retry_after_ms: 700 });
  context.mock.timers.tick(699);
  assert.deepEqual(types(), ["ask"]);
  context.mock.timers.tick(1);
  assert.deepEqual(types(), ["ask", "ask"]);
});

test("An end is acknowledged once, when it has been shown; without a connection, over the next one.", () => {
  const ack = { type: "ack", answer: ANSWER, seq: LOG.length - 1 };
  for (const up of [true, false]) {
    const { session, sent, wire, hear } = page();
    const message = session.ask("c", "q");
    hear(accepted(), ...LOG.slice(0, -1));
    session.shown(message);
    hear(LOG.at(-1), END);
    assert.deepEqual(sent.slice(1), []);
    wire.up = up;
    session.shown(message);
    session.shown(message);
    assert.deepEqual(sent.slice(1), up ? [ack] : []);
    wire.up = true;
    hear(WELCOME, WELCOME);
    assert.deepEqual(sent.filter(({ type }) => type === "ack"), [ack]);
  }
});

test("The chat on the screen is loaded over the next connection when its load has failed.", async () => {
  const { session, sent, hear, documents, away } = page({ documents: { [ANSWER]: ROW } });
  away(true);
  await assert.rejects(session.openChat("c"));
  hear(WELCOME);
  await settled();
  assert.deepEqual(sent, []);
  away(false);
  hear(WELCOME);
  await settled();
  assert.deepEqual(Object.keys(documents), session.messages("c").map(({ id }) => id));
  assert.deepEqual(sent.map(({ type }) => type), ["resume"]);
});

test("Whatever is cut, doubled or held back on the way, the answer is there whole and once.", async () => {
  for (let seed = 0; seed < 100; seed += 1) {
    const random = seeded(seed);
    const { session, sent, hear } = page();
    session.begin("c");
    session.ask("c", "q");
    let next = 0;
    hear(accepted());
    for (let step = 0; step < 200 && session.running("c"); step += 1) {
      if (random() < 0.2) hear(WELCOME); // a new connection
      await settled();
      const asked = sent.splice(0).findLast(({ type }) => type === "resume");
      if (asked) {
        const cursor = asked.cursors[0];
        next = cursor ? cursor.seq + 1 : 0;
        const verdict = cursor ? "resumed" : "snapshot";
        hear(resumed({ answer: ANSWER, epoch: EPOCH, head: LOG.length, state: "running", verdict }));
      }
      if (random() < 0.2) next = Math.min(LOG.length, next + Math.floor(random() * 3)); // lost on the way
      if (random() < 0.2) next = Math.max(0, next - Math.floor(random() * 3)); // told twice
      if (next < LOG.length) hear(LOG[next]);
      else hear(END);
      next += 1;
    }
    const [{ transcript }] = session.messages("c");
    assert.deepEqual(transcript, fold(LOG), `seed ${seed}`);
  }
});
