/** Asks, and has the answers whole: a connection of its own, and streams to read. */

import { Connection, PROTOCOL } from "./connection.js";
import { Delivery } from "./delivery.js";
import { doors } from "./doors.js";
import { Failure } from "./exchange.js";
import { AnswerStream } from "./stream.js";
import { empty } from "./transcript.js";

export class Client {
  #connection;
  #delivery;
  #newId;
  /** By chat. @type {Map<string, {reply: Promise<AnswerStream[]>, resolve: function, reject: function}>} */
  #resuming = new Map();
  /** @type {?Failure} why there is no connection any more */
  #ended = null;

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
      onEvent: (event) => this.#delivery.receive(event),
      onState: (state) => {
        if (state.name === "refused") this.#end(new Failure("refused", state.message));
        options.onState?.(state);
      },
    });
    this.#delivery = new Delivery((command) => this.#connection.send(command), {
      accepted: () => {},
      changed: (stream, event) => stream.changed(event),
      lost: (stream, failure) => this.#delivery.fail(stream, failure),
      resumed: (chat, rows) => this.#resumed(chat, rows),
      chats: () => this.#resuming.keys(),
    });
    this.#connection.start();
  }

  /** The answer to `text`; the same `id` again is the same question, also from another page. */
  ask(text, { chat = this.#newId(), id = this.#newId(), ...more } = {}) {
    const known = this.#delivery.find(({ ask }) => ask?.id === id);
    return known ?? this.#stream({ chat, ask: { type: "ask", id, chat, text, ...more } });
  }

  /** The chat's answers that were not acknowledged, and those of `cursors`, which go on after them. */
  async resume(chat, cursors = []) {
    while (this.#resuming.has(chat)) await this.#resuming.get(chat).reply; // one at a time: the next reply is its own
    if (this.#ended) throw this.#ended;
    for (const { answer, epoch, seq } of cursors) {
      const known = this.#delivery.find(({ id }) => id === answer);
      if (!known) this.#stream({ chat, transcript: { ...empty(answer, epoch), seq } });
    }
    const waiting = {};
    waiting.reply = new Promise((resolve, reject) => Object.assign(waiting, { resolve, reject }));
    this.#resuming.set(chat, waiting);
    this.#delivery.resume(chat);
    return waiting.reply;
  }

  /** The progress of an ingestion, event by event, across connections. */
  job(id) {
    return this.doors.jobEvents(id);
  }

  /** Ends the connection; answers under way go on at the server. Open streams fail with `closed`. */
  close() {
    this.#connection.stop();
    this.#end(new Failure("closed", "The client is closed."));
  }

  #stream(parts) {
    const stream = new AnswerStream(this.#delivery, parts);
    this.#delivery.add(stream);
    if (this.#ended) this.#delivery.fail(stream, this.#ended);
    return stream;
  }

  /** Streams of the answers that were asked for; another page's are none of this one's otherwise. */
  #resumed(chat, rows) {
    const asked = this.#resuming.get(chat);
    if (!asked) return;
    this.#resuming.delete(chat);
    const told = rows.filter(({ verdict }) => verdict !== "gone");
    asked.resolve(
      told.map(
        ({ answer, epoch }) =>
          this.#delivery.find(({ id }) => id === answer) ?? this.#stream({ chat, transcript: empty(answer, epoch) }),
      ),
    );
  }

  #end(failure) {
    this.#ended ??= failure;
    this.#delivery.failAll(failure);
    for (const { reject } of this.#resuming.values()) reject(failure);
    this.#resuming.clear();
  }
}
