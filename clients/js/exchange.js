/** A question and its answer, as far as they have come. `Delivery` makes it go on; a reader adds what it shows of it. */

import { SEALED, empty } from "./transcript.js";

/** Why an answer can't be had. `code` is the server's, or `refused`, `gone`, `closed`. */
export class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Exchange {
  /** The end has been shown. */
  acknowledged = false;
  /** The wish to end it, which outlasts a lost connection. */
  stopping = false;
  /** @type {?Failure} why nothing more will come, where the answer's own entries do not say it */
  failure = null;

  /**
   * @param {{chat: string, ask?: ?{id: string}, transcript?: import("./transcript.js").Transcript}} parts `ask` is the
   *   command; it may be missing where the transcript names an answer
   */
  constructor({ chat, ask = null, transcript = empty() }) {
    this.chat = chat;
    this.ask = ask;
    this.transcript = transcript;
  }

  /** The answer's id; null until the question was accepted. */
  get id() {
    return this.transcript.answer;
  }

  /** The last entry that has come. */
  get cursor() {
    const { answer, epoch, seq } = this.transcript;
    return { answer, epoch, seq };
  }

  /** Whether nothing more will come. */
  get over() {
    return this.failure !== null || SEALED.has(this.transcript.state);
  }

  /** Whether the server has yet to take the question. */
  get unaccepted() {
    return this.id === null && !this.over;
  }
}
