/** An answer's log for these tests, and the folding of it. */

import { apply, empty } from "../../../clients/js/transcript.js";

export const ANSWER = "a1";
export const EPOCH = "e1";

const source = (id, title) => ({ type: "source", sourceType: "document", id, mediaType: "text/plain", title });

const CITATIONS = [
  { source: source("a.md", "A"), startIndex: 0, endIndex: 15, citedText: "Check the level" },
  { source: source("record:Event/E1", "Event E1"), startIndex: 21, endIndex: 31, citedText: "start" },
];

export const CHUNKS = [
  { type: "start", messageId: ANSWER },
  { type: "start-step" },
  { type: "data-decision", data: { kind: "retrieve", reason: "a question", language: "en" } },
  {
    type: "data-retrieval",
    data: { legs: [{ leg: "vector", state: "ok", ms: 1, hits: 1 }], passages: [{ id: "a.md", n: 1 }] },
  },
  { type: "source-document", sourceId: "a.md", title: "A", mediaType: "text/plain" },
  { type: "source-document", sourceId: "record:Event/E1", title: "Event E1", mediaType: "application/json" },
  { type: "data-records", data: [{ collection: "Event", id: "E1", fields: { value: 1 } }] },
  { type: "finish-step" },
  { type: "start-step" },
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: "Check the level [1]. " },
  { type: "text-delta", id: "t", delta: "Then start [2]." },
  { type: "text-end", id: "t", citations: CITATIONS },
  { type: "data-notice", data: { code: "no_model", message: "Extracts." } },
  { type: "data-grounding", data: { share: 0.5, statements: 2, supported: 1, unsupported: [{ start: 21, end: 31 }] } },
  { type: "data-timing", data: { total_ms: 5 } },
  { type: "data-of-a-later-version", data: {} },
  { type: "finish-step" },
  { type: "finish", finishReason: "stop" },
];

/** The `chunk` events of an answer. */
export const answerLog = (chunks = CHUNKS, answer = ANSWER, epoch = EPOCH) =>
  chunks.map((chunk, seq) => ({ type: "chunk", answer, epoch, seq, chunk }));

/** What a reader of these events sees. */
export const fold = (events) =>
  events.reduce((transcript, event) => apply(transcript, event).transcript, empty(ANSWER, EPOCH));
