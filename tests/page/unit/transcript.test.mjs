import assert from "node:assert/strict";
import { test } from "node:test";

import { apply, citationAt, empty, end, fromDocument, textOf } from "../../../clients/js/transcript.js";
import { ANSWER, EPOCH, answerLog, fold } from "./logs.mjs";

const LOG = answerLog();

test("A transcript shows every kind of entry of an answer.", () => {
  const { state, seq, content } = fold(LOG);
  assert.equal(state, "completed");
  assert.equal(seq, LOG.length - 1);
  assert.equal(textOf(content), "Check the level [1]. Then start [2].");
  assert.deepEqual(
    content.sources.map(({ n, sourceId }) => [n, sourceId]),
    [
      [1, "a.md"],
      [2, "record:Event/E1"],
    ],
  );
  assert.equal(content.decision.kind, "retrieve");
  assert.equal(content.retrieval.legs[0].leg, "vector");
  assert.equal(content.records[0].id, "E1");
  assert.equal(content.notices[0].code, "no_model");
  assert.equal(content.grounding.supported, 1);
  assert.equal(content.timing.total_ms, 5);
  assert.equal(content.parts[0].citations.length, 2);
});

test("Cut at any entry and replayed from any earlier one, the transcript is the same.", () => {
  const whole = fold(LOG);
  for (let cut = 0; cut <= LOG.length; cut += 1) {
    for (let from = 0; from <= cut; from += 1) {
      assert.deepEqual(fold([...LOG.slice(0, cut), ...LOG.slice(from)]), whole);
    }
  }
});

test("An entry after a hole is a gap and changes nothing.", () => {
  const some = fold(LOG.slice(0, 3));
  assert.deepEqual(apply(some, LOG[4]), { transcript: some, verdict: "gap" });
});

test("An entry that was seen is a duplicate and changes nothing.", () => {
  const some = fold(LOG.slice(0, 3));
  assert.deepEqual(apply(some, LOG[1]), { transcript: some, verdict: "duplicate" });
});

test("Nothing follows the end.", () => {
  const whole = fold(LOG);
  const late = { ...LOG.at(-1), seq: LOG.length, chunk: { type: "text-delta", id: "t", delta: "more" } };
  assert.deepEqual(apply(whole, late), { transcript: whole, verdict: "duplicate" });
});

test("Another epoch replaces the transcript with its entry 0 and is a gap with any other.", () => {
  const some = fold(LOG.slice(0, 12));
  const other = LOG.map((event) => ({ ...event, epoch: "e2" }));
  assert.equal(apply(some, other[5]).verdict, "gap");
  const { transcript, verdict } = apply(some, other[0]);
  assert.equal(verdict, "applied");
  assert.deepEqual(transcript, { ...fold(LOG.slice(0, 1)), epoch: "e2" });
});

test("A reset step takes back what the step has shown, and what it then tells stands.", () => {
  const said = LOG.findIndex(({ chunk }) => chunk.type === "text-delta");
  const told = LOG.slice(0, said + 1).map(({ chunk }) => chunk);
  const before = fold(LOG.slice(0, said - 1)).content;
  const reset = fold(answerLog([...told, { type: "reset-step" }]));
  assert.deepEqual(reset.content, before);
  const retold = [
    { type: "text-start", id: "t" },
    { type: "text-delta", id: "t", delta: "Other." },
  ];
  for (const opening of [[], [{ type: "start-step" }]]) {
    const again = fold(answerLog([...told, { type: "reset-step" }, ...opening, ...retold]));
    assert.equal(textOf(again.content), "Other.");
    assert.deepEqual(again.content.sources, before.sources);
  }
});

test("An end is believed only when every entry up to it was seen.", () => {
  const some = fold(LOG.slice(0, 4));
  assert.equal(end(some, { seq: LOG.length - 1, state: "completed" }).verdict, "gap");
  const { transcript, verdict } = end(some, { seq: 3, state: "stopped" });
  assert.deepEqual([transcript.state, verdict], ["stopped", "applied"]);
});

test("A stopped and a failed answer keep their text; the failure says why.", () => {
  const told = LOG.slice(0, -3).map(({ chunk }) => chunk);
  const stopped = fold(answerLog([...told, { type: "abort", reason: "stopped" }]));
  assert.deepEqual([stopped.state, textOf(stopped.content)], ["stopped", "Check the level [1]. Then start [2]."]);
  const failed = fold(answerLog([...told, { type: "error", errorText: "Too slow.", code: "answer_timeout" }]));
  assert.deepEqual([failed.state, failed.content.error], ["failed", { code: "answer_timeout", text: "Too slow." }]);
});

test("A sealed answer's document shows what its entries show; an unfinished one waits for its log.", () => {
  const { content, state, seq } = fold(LOG);
  const document = {
    answer: ANSWER,
    epoch: EPOCH,
    head: LOG.length,
    state,
    text: textOf(content),
    sources: content.sources,
    citations: content.parts[0].citations,
    notices: content.notices,
    data: {
      decision: content.decision,
      retrieval: content.retrieval,
      records: content.records,
      grounding: content.grounding,
      timing: content.timing,
    },
    error: null,
  };
  const shown = fromDocument(document);
  const parts = [{ ...content.parts[0], id: "text" }];
  assert.deepEqual(shown.content, { ...content, parts, finishReason: null });
  assert.equal(shown.seq, seq);
  assert.deepEqual(fromDocument({ ...document, state: "running" }), empty(ANSWER, EPOCH));
});

test("A mark stands for the citation of its source whose words end nearest, counted in code points.", () => {
  const text = "🧊 Ice [1]. Water [1].";
  const first = { sourceId: "a", start: 0, end: 5, quote: "ice" };
  const second = { sourceId: "a", start: 11, end: 16, quote: "water" };
  const part = { id: "t", text, citations: [{ ...first, sourceId: "b" }, first, second] };
  assert.equal(citationAt(part, { sourceId: "a" }, text.indexOf("[1]")), first);
  assert.equal(citationAt(part, { sourceId: "a" }, text.lastIndexOf("[1]")), second);
  assert.equal(citationAt(part, { sourceId: "c" }, 0), null);
});

test("What a later step finds comes after what an earlier one found.", () => {
  const step = (leg, id) => [
    { type: "start-step" },
    { type: "data-retrieval", data: { legs: [{ leg }], passages: [{ id }], facts: [] } },
    { type: "finish-step" },
  ];
  const chunks = [...step("vector", "a"), ...step("keyword", "b")];
  const { content } = fold(chunks.map((chunk, seq) => ({ answer: ANSWER, epoch: EPOCH, seq, chunk })));
  assert.deepEqual(content.retrieval.legs.map(({ leg }) => leg), ["vector", "keyword"]);
  assert.deepEqual(content.retrieval.passages.map(({ id }) => id), ["a", "b"]);
});
