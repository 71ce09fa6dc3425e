/** One answer, entry by entry. */

import { SEALED, apply, empty, end, textOf } from "./transcript.js";

/** Why an answer can't be had. `code` is the server's, or `refused`, `gone`, `closed`. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Iterate to get every entry `{seq, chunk, reset}` once, in order, across connections, until the answer is sealed.
 * `reset` marks the first entry of a new telling: what was shown before is void. Leaving the loop ends nothing at the
 * server. Taking the end acknowledges the answer.
 */
export class AnswerStream {
  #link;
  #entries = [];
  #failure = null;
  #wake = () => {};
  #reset = false;
  stopping = false;

  /** @param {{send(command: object): boolean}} link @param {?object} ask the command, while it is not accepted */
  constructor(link, { chat, ask = null, answer = null, epoch = null }) {
    this.#link = link;
    this.chat = chat;
    this.ask = ask;
    this.transcript = empty(answer, epoch);
  }

  /** The answer's id; null until the question was accepted. */
  get id() {
    return this.transcript.answer;
  }

  get text() {
    return textOf(this.transcript.content);
  }

  get state() {
    return this.transcript.state;
  }

  /** The last entry that has come, to go on from with `client.resume`. */
  get cursor() {
    const { answer, epoch, seq } = this.transcript;
    return { answer, epoch, seq };
  }

  get over() {
    return this.#failure !== null || SEALED.has(this.state);
  }

  async *[Symbol.asyncIterator]() {
    while (true) {
      while (this.#entries.length) yield this.#entries.shift();
      if (this.#failure) throw this.#failure;
      if (this.over) break;
      await new Promise((resolve) => (this.#wake = resolve));
    }
    this.#link.send({ type: "ack", answer: this.id, seq: this.transcript.seq });
  }

  /** The whole answer's transcript, once it is sealed. */
  async result() {
    for await (const _ of this);
    return this.transcript;
  }

  /** Ends the generation and keeps what it has said. The wish outlasts a lost connection. */
  stop() {
    this.stopping = true;
    if (this.id !== null && !this.over) this.#link.send({ type: "stop", answer: this.id });
  }

  // What the client tells its streams.

  accept({ answer, epoch }) {
    this.ask = null;
    this.transcript = empty(answer, epoch);
    if (this.stopping) this.stop();
  }

  /** An entry or an end; "gap" asks for a resume. */
  told(event) {
    const fold = event.type === "end" ? end : apply;
    const { transcript, verdict } = fold(this.transcript, event);
    if (verdict === "applied" && event.type === "chunk") {
      const reset = this.#reset || (event.epoch !== this.transcript.epoch && this.transcript.seq >= 0);
      this.#entries.push({ seq: event.seq, chunk: event.chunk, reset });
      this.#reset = false;
    }
    this.transcript = transcript;
    this.#wake();
    return verdict;
  }

  resumed({ answer, epoch, verdict }) {
    if (verdict === "gone") return this.fail(new Failure("gone", "The server does not have this answer any more."));
    if (verdict === "snapshot" && !this.over) {
      this.#reset = this.transcript.seq >= 0;
      this.transcript = empty(answer, epoch);
    }
    if (this.stopping) this.stop();
  }

  fail(failure) {
    if (!this.over) this.#failure = failure;
    this.#wake();
  }
}
