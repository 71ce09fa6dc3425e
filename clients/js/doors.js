/** The server's HTTP doors. Failures are errors with a stable `code`. */

import { backoff } from "./connection.js";

export class HttpError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const id = encodeURIComponent;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {{base?: string, token?: ?string, fetch?: typeof fetch}} [options] `base` is the server's address, by default
 *   the page's own
 */
export function doors({ base = "", token = null, fetch = globalThis.fetch.bind(globalThis) } = {}) {
  const proof = token === null ? {} : { authorization: `Bearer ${token}` };

  async function request(path, headers) {
    const response = await fetch(base + path, { headers: { ...proof, ...headers } });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new HttpError(response.status, problem.code ?? "http_error", problem.detail ?? response.statusText);
  }

  const get = async (path) => (await request(path, { accept: "application/json" })).json();

  /** Every event once and in order, to the end, across connections. Raises what is no passing failure. */
  async function* events(path) {
    const place = { id: null, retry: null, ended: false };
    for (let attempt = 0; !place.ended; attempt += 1) {
      try {
        const response = await request(path, place.id === null ? {} : { "last-event-id": place.id });
        if (response.status === 204) return;
        for await (const data of eventsOf(response.body, place)) {
          attempt = 0;
          yield data;
        }
      } catch (error) {
        if (error instanceof HttpError && error.status < 500) throw error;
      }
      if (!place.ended) await pause(place.retry ?? backoff(attempt, Math.random));
      place.retry = null;
    }
  }

  return {
    /** A page of the chats, last used first; `after` is the `next` of the page before, which is null on the last. */
    chats: (after = null) => get(`/v1/chats${after === null ? "" : `?${new URLSearchParams({ after })}`}`),
    answers: async (chat) => (await get(`/v1/chats/${id(chat)}/answers`)).answers,
    answer: (answer) => get(`/v1/answers/${id(answer)}`),
    passage: (passage) => get(`/v1/passages/${id(passage)}`),
    /** @param {{entity: string} | {answer: string}} about @param {string} [namespace] */
    graph: (about, namespace = "") =>
      get(`/v1/graph?${new URLSearchParams(namespace ? { ...about, namespace } : about)}`),
    job: (job) => get(`/v1/jobs/${id(job)}`),
    jobEvents: (job) => events(`/v1/jobs/${id(job)}/events`),
    answerEvents: (answer) => events(`/v1/answers/${id(answer)}/events`),
  };
}

/** The data of server-sent events, parsed; `place` keeps the last id, the time to come back and whether it has ended. */
async function* eventsOf(body, place) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of body) {
    const blocks = (text + decoder.decode(piece, { stream: true })).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const told = Object.fromEntries(block.split("\n").map((line) => /^(\w*): ?(.*)$/s.exec(line)?.slice(1) ?? ["", ""]));
      if (told.retry) place.retry = Number(told.retry);
      if (told.event === "end") place.ended = true;
      if (told.data === undefined || told.event) continue;
      yield JSON.parse(told.data);
      place.id = told.id ?? place.id; // what was not taken comes again
    }
  }
}
