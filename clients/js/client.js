/**
 * Asks, and has the answers whole.
 *
 * Theory of operation
 *   What is wanted is state, not messages: questions that were not accepted, answers that have not ended. Each new
 *   connection is told all of it again (every command may be repeated), so nothing needs to be known of what the last
 *   one had still carried.
 */

import { Connection, PROTOCOL } from "./connection.js";
import { doors } from "./doors.js";
import { AnswerStream, Failure } from "./stream.js";

const RETRY_MS = 2_000;

export class Client {
  #connection;
  #newId;
  /** @type {Set<AnswerStream>} those that are not over */
  #streams = new Set();
  /** @type {Map<string, {resolve: (streams: AnswerStream[]) => void, cursors: object[]}>} by chat */
  #resuming = new Map();
  #healing = new Set();

  /**
   * @param {string} [url] the server's address; by default the page's own
   * @param {{token?: ?string, WebSocket?: typeof WebSocket, fetch?: typeof fetch, newId?: () => string,
   *   onState?: (state: import("./connection.js").State) => void}} [options]
   */
  constructor(url = globalThis.location?.origin, options = {}) {
    const { token = null, WebSocket = globalThis.WebSocket, fetch, newId = () => crypto.randomUUID() } = options;
    const base = url.replace(/\/$/, "");
    this.#newId = newId;
    this.doors = doors({ base, token, ...(fetch && { fetch }) });
    this.#connection = new Connection({
      url: `${base.replace(/^http/, "ws")}/ws`,
      protocols: token === null ? [PROTOCOL] : [PROTOCOL, `bearer.${token}`],
      WebSocket,
      onEvent: (event) => this.#receive(event),
      onState: (state) => {
        if (state.name === "refused") this.#failAll(new Failure("refused", state.message));
        options.onState?.(state);
      },
    });
    this.#connection.start();
  }

  /** The answer to `text`; the same `id` again is the same question, also from another page. */
  ask(text, { chat = this.#newId(), id = this.#newId(), ...more } = {}) {
    const ask = { type: "ask", id, chat, text, ...more };
    const stream = new AnswerStream(this.#connection, { chat, ask });
    this.#streams.add(stream);
    this.#connection.send(ask);
    return stream;
  }

  /** The chat's answers that were not acknowledged, and those of `cursors`, which go on after them. */
  resume(chat, cursors = []) {
    return new Promise((resolve) => {
      this.#resuming.set(chat, { resolve, cursors });
      this.#resume(chat);
    });
  }

  /** The progress of an ingestion, event by event, across connections. */
  job(id) {
    return this.doors.jobEvents(id);
  }

  /** Ends the connection; answers under way go on at the server. Open streams fail with `closed`. */
  close() {
    this.#connection.stop();
    this.#failAll(new Failure("closed", "The client is closed."));
  }

  #receive(event) {
    switch (event.type) {
      case "welcome":
        return this.#tellWanted();
      case "accepted":
        return this.#find(({ ask }) => ask?.id === event.id)?.accept(event);
      case "chunk":
      case "end":
        return this.#told(event);
      case "resumed":
        return this.#resumed(event);
      case "error":
        return this.#failed(event);
    }
  }

  #tellWanted() {
    this.#healing.clear();
    const chats = new Set(this.#resuming.keys());
    for (const { ask, chat } of this.#streams) ask ? this.#connection.send(ask) : chats.add(chat);
    for (const chat of chats) this.#resume(chat);
  }

  #resume(chat) {
    const known = [...this.#streams].filter((stream) => stream.chat === chat && stream.id !== null);
    const given = this.#resuming.get(chat)?.cursors ?? [];
    const cursors = [...known.map(({ cursor }) => cursor), ...given];
    this.#connection.send({ type: "resume", chat, cursors });
  }

  #told(event) {
    const stream = this.#find(({ id }) => id === event.answer);
    if (!stream) return;
    const verdict = stream.told(event);
    if (verdict === "applied") this.#healing.delete(stream.chat);
    else if (verdict === "gap" && !this.#healing.has(stream.chat)) {
      this.#healing.add(stream.chat);
      this.#resume(stream.chat);
    }
    if (stream.over) this.#streams.delete(stream);
  }

  #resumed({ chat, answers }) {
    const asked = this.#resuming.get(chat);
    this.#resuming.delete(chat);
    const streams = answers.map((row) => this.#of(chat, row, asked?.cursors ?? null)).filter(Boolean);
    asked?.resolve(streams);
  }

  /** The stream of an answer that was resumed; one of another page's only if it was asked for. */
  #of(chat, row, cursors) {
    let stream = this.#find(({ id }) => id === row.answer);
    if (!stream && row.verdict !== "gone" && cursors !== null) {
      stream = new AnswerStream(this.#connection, { chat, answer: row.answer, epoch: row.epoch });
      const cursor = cursors.find(({ answer }) => answer === row.answer);
      if (cursor && row.verdict === "resumed") stream.transcript = { ...stream.transcript, seq: cursor.seq };
      this.#streams.add(stream);
    }
    stream?.resumed(row);
    return stream;
  }

  #failed({ id, answer, code, message, retry_after_ms: wait }) {
    const stream = this.#find((one) => (id ? one.ask?.id === id : answer && one.id === answer));
    if (!stream) {
      if (!id && !answer) setTimeout(() => this.#tellWanted(), wait ?? RETRY_MS);
    } else if (wait) setTimeout(() => stream.ask && this.#connection.send(stream.ask), wait);
    else {
      stream.fail(new Failure(code, message));
      this.#streams.delete(stream);
    }
  }

  #failAll(failure) {
    for (const stream of this.#streams) stream.fail(failure);
    this.#streams.clear();
  }

  #find(fits) {
    return [...this.#streams].find(fits);
  }
}
