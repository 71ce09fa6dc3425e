/**
 * One answer as the reader sees it, folded from the entries of its log.
 *
 * Pure: values in, values out. The log is the truth and a transcript is a prefix of it: `seq` is the last entry
 * folded. An entry at or before `seq` was seen already and changes nothing; one beyond `seq + 1` is a gap, and the
 * caller resumes from `seq` instead of splicing. Another epoch means that the log was lost or rolled back: only its
 * entry 0 may replace what is shown.
 *
 * A step may be withdrawn: `start-step` remembers the content, `reset-step` goes back to it.
 *
 * @typedef {{id: string, text: string, citations: Citation[]}} Part
 * @typedef {{sourceId: string, start: number, end: number, quote: string}} Citation offsets in code points
 * @typedef {{n: number, sourceId: string, title: string}} Source
 * @typedef {{parts: Part[], sources: Source[], decision: ?object, retrieval: ?object, records: object[],
 *   notices: object[], grounding: ?object, timing: ?object, error: ?{code: string, text: string}, finishReason: ?string}} Content
 * @typedef {{answer: ?string, epoch: ?(string|number), seq: number, state: string, content: Content,
 *   checkpoint: Content}} Transcript
 */

export const SEALED = new Set(["completed", "stopped", "failed"]);

const EMPTY = Object.freeze({
  parts: [],
  sources: [],
  decision: null,
  retrieval: null,
  records: [],
  notices: [],
  grounding: null,
  timing: null,
  error: null,
  finishReason: null,
});

/** @returns {Transcript} */
export function empty(answer = null, epoch = null) {
  return { answer, epoch, seq: -1, state: "running", content: EMPTY, checkpoint: EMPTY };
}

/**
 * Folds one `chunk` event.
 * @param {Transcript} transcript
 * @param {{epoch: string|number, seq: number, chunk: object}} event
 * @returns {{transcript: Transcript, verdict: "applied"|"duplicate"|"gap"}}
 */
export function apply(transcript, event) {
  const restarted = event.epoch !== transcript.epoch && event.seq === 0;
  const base = restarted ? empty(transcript.answer, event.epoch) : transcript;
  if (event.epoch !== base.epoch) return { transcript, verdict: "gap" };
  if (event.seq <= base.seq || SEALED.has(base.state)) return { transcript, verdict: "duplicate" };
  if (event.seq !== base.seq + 1) return { transcript, verdict: "gap" };
  const fold = FOLDS[event.chunk.type];
  const folded = fold ? fold(base, event.chunk) : base;
  return { transcript: { ...folded, seq: event.seq }, verdict: "applied" };
}

/**
 * What an `end` event means: the whole answer was seen, or entries before the end are missing.
 * @returns {{transcript: Transcript, verdict: "applied"|"gap"}}
 */
export function end(transcript, event) {
  if (SEALED.has(transcript.state)) return { transcript, verdict: "applied" };
  if (transcript.seq < event.seq) return { transcript, verdict: "gap" };
  return { transcript: { ...transcript, state: event.state }, verdict: "applied" };
}

/** An answer as its document (`GET /v1/answers/{id}`) tells it: whole when it is sealed, else to be resumed. */
export function fromDocument(document) {
  const transcript = empty(document.answer, document.epoch);
  if (!SEALED.has(document.state)) return transcript;
  const { text, citations, sources, notices, error, data = {} } = document;
  const content = {
    ...EMPTY,
    parts: text ? [{ id: "text", text, citations }] : [],
    sources,
    decision: data.decision ?? null,
    retrieval: data.retrieval ?? null,
    records: data.records ?? [],
    notices,
    grounding: data.grounding ?? null,
    timing: data.timing ?? null,
    error: error && { code: error.code, text: error.message },
  };
  return { ...transcript, seq: document.head - 1, state: document.state, content };
}

/** The text of all parts, as it would be copied. */
export const textOf = (content) => content.parts.map((part) => part.text).join("\n\n");

/**
 * The citation that a mark `[n]` stands for: of the same source, the one whose words end nearest before the mark.
 * @param {Part} part
 * @param {Source} source
 * @param {number} at index of the mark in the part's text, in UTF-16 units as JavaScript counts
 * @returns {?Citation}
 */
export function citationAt(part, source, at) {
  const mark = [...part.text.slice(0, at)].length;
  const distance = ({ start, end }) => (start <= mark && mark <= end ? 0 : Math.abs(mark - end));
  return part.citations
    .filter((citation) => citation.sourceId === source.sourceId)
    .reduce((best, one) => (best === null || distance(one) < distance(best) ? one : best), null);
}

/** A citation of the wire as the HTTP doors tell it, and as the views read it. */
const citationOf = ({ source, startIndex, endIndex, citedText }) => ({
  sourceId: source.id,
  start: startIndex,
  end: endIndex,
  quote: citedText,
});

const change = (transcript, fields) => ({ ...transcript, content: { ...transcript.content, ...fields } });

function changePart(transcript, id, edit) {
  const { parts } = transcript.content;
  const known = parts.some((part) => part.id === id);
  const all = known ? parts : [...parts, { id, text: "", citations: [] }];
  return change(transcript, { parts: all.map((part) => (part.id === id ? { ...part, ...edit(part) } : part)) });
}

/** Sources are numbered in the order in which they are told: `[n]` is the n-th. */
function addSource(transcript, { sourceId, title }) {
  const { sources } = transcript.content;
  return change(transcript, { sources: [...sources, { n: sources.length + 1, sourceId, title }] });
}

/** What an earlier step found and what a later one adds. */
const together = (known, told) =>
  known === null
    ? told
    : {
        ...known,
        ...told,
        legs: [...known.legs, ...told.legs],
        passages: [...known.passages, ...told.passages],
        facts: [...(known.facts ?? []), ...(told.facts ?? [])],
      };

/** Chunk type to fold; a type that is not here is not shown. @type {Record<string, function>} */
const FOLDS = {
  "start-step": (transcript) => ({ ...transcript, checkpoint: transcript.content }),
  "reset-step": (transcript) => ({ ...transcript, content: transcript.checkpoint }),
  "text-start": (transcript, { id }) => changePart(transcript, id, () => ({})),
  "text-delta": (transcript, { id, delta }) => changePart(transcript, id, ({ text }) => ({ text: text + delta })),
  "text-end": (transcript, { id, citations = [] }) =>
    changePart(transcript, id, () => ({ citations: citations.map(citationOf) })),
  "source-document": addSource,
  "data-decision": (transcript, { data }) => change(transcript, { decision: data }),
  "data-retrieval": (transcript, { data }) => change(transcript, { retrieval: together(transcript.content.retrieval, data) }),
  "data-records": (transcript, { data }) => change(transcript, { records: [...transcript.content.records, ...data] }),
  "data-notice": (transcript, { data }) => change(transcript, { notices: [...transcript.content.notices, data] }),
  "data-grounding": (transcript, { data }) => change(transcript, { grounding: data }),
  "data-timing": (transcript, { data }) => change(transcript, { timing: data }),
  finish: (transcript, { finishReason }) => ({ ...change(transcript, { finishReason }), state: "completed" }),
  abort: (transcript) => ({ ...transcript, state: "stopped" }),
  error: (transcript, { code = "failed", errorText }) => ({
    ...change(transcript, { error: { code, text: errorText } }),
    state: "failed",
  }),
};
