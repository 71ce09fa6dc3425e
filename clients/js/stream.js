/** One answer, entry by entry. */

import { Exchange } from "./exchange.js";
import { textOf } from "./transcript.js";

/**
 * Iterate to get every entry `{seq, chunk, reset}` once, in order, across connections, until the answer is sealed.
 * `reset` marks the first entry of a new telling: what was shown before is void. Leaving the loop ends nothing at the
 * server. Taking the end acknowledges the answer.
 */
export class AnswerStream extends Exchange {
  #delivery;
  #entries = [];
  #wake = () => {};
  /** Whether the reader has something of the answer. */
  #begun;

  /** @param {import("./delivery.js").Delivery} delivery @param {ConstructorParameters<typeof Exchange>[0]} parts */
  constructor(delivery, parts) {
    super(parts);
    this.#delivery = delivery;
    this.#begun = this.transcript.seq >= 0;
  }

  get text() {
    return textOf(this.transcript.content);
  }

  get state() {
    return this.transcript.state;
  }

  async *[Symbol.asyncIterator]() {
    while (true) {
      while (this.#entries.length) yield this.#entries.shift();
      if (this.failure) throw this.failure;
      if (this.over) break;
      await new Promise((resolve) => (this.#wake = resolve));
    }
    this.#delivery.acknowledge(this);
  }

  /** The whole answer's transcript, once it is sealed. */
  async result() {
    for await (const _ of this);
    return this.transcript;
  }

  /** Ends the generation and keeps what it has said. The wish outlasts a lost connection. */
  stop() {
    this.#delivery.stop(this);
  }

  /** What the delivery says of it. */
  changed(event) {
    if (event?.type === "chunk") {
      this.#entries.push({ seq: event.seq, chunk: event.chunk, reset: this.#begun && event.seq === 0 });
      this.#begun = true;
    }
    this.#wake();
  }
}
