/**
 * Has answers whole, whatever becomes of the connections that carry them.
 *
 * Theory of operation
 *   What is wanted is state, not messages: questions that were not accepted, answers that have not ended, wishes to
 *   stop, ends that were shown. Each new connection is told all of it again (every command may be repeated), so
 *   nothing needs to be known of what the last one had still carried. Entries are folded by `transcript.js`, which
 *   knows what was seen; after a gap the chat is resumed from the cursors, once, and nothing is spliced.
 *
 * Nothing here knows what a connection is: commands go out by `send`, events come in by `receive`.
 */

import { Failure } from "./exchange.js";
import { apply, empty, end } from "./transcript.js";

/** @typedef {import("./exchange.js").Exchange} Exchange */

const RETRY_MS = 2_000;

/**
 * What its owner is told, and asked.
 * @typedef {object} Listener
 * @property {(exchange: Exchange) => void} accepted the server has the question; the exchange may be dropped here
 * @property {(exchange: Exchange, event: ?object) => void} changed by an entry or the end (`event`); without one what
 *   was there is void, or it has failed
 * @property {(exchange: Exchange, failure: Failure) => void} lost the server says that it does not have this answer
 * @property {(chat: string, rows: object[]) => void} resumed the verdicts on a chat's answers, after they were heeded;
 *   those of answers that are not known here are the owner's affair
 * @property {() => Iterable<string>} chats to resume although nothing of them is known to be under way
 */
export class Delivery {
  #send;
  #listener;
  /** @type {Set<Exchange>} those that are not over */
  #exchanges = new Set();
  /** Answers with a gap whose resume is under way. */
  #healing = new Set();
  /** Ends that were shown while no connection was there: answer to seq. */
  #unsent = new Map();

  /** @param {(command: object) => boolean} send whether it went out @param {Listener} listener */
  constructor(send, listener) {
    this.#send = send;
    this.#listener = listener;
  }

  /** From now on the exchange is looked after: asked until it is accepted, then had to its end. */
  add(exchange) {
    this.#exchanges.add(exchange);
    if (exchange.unaccepted) this.#tell(exchange);
  }

  /** It is looked after no more; its generation goes on. */
  drop(exchange) {
    this.#exchanges.delete(exchange);
  }

  /** The first that fits, of those that are not over. @returns {Exchange | undefined} */
  find(fits) {
    for (const exchange of this.#exchanges) if (fits(exchange)) return exchange;
  }

  /** Asks for the chat's answers that were not acknowledged; those known here go on after what was seen of them. */
  resume(chat) {
    const cursors = [...this.#underWay()].filter((one) => one.chat === chat).map(({ cursor }) => cursor);
    this.#send({ type: "resume", chat, cursors });
  }

  /** Ends the generation and keeps what it has said: now, or as soon as it can be told. */
  stop(exchange) {
    exchange.stopping = true;
    if (!exchange.unaccepted) this.#tell(exchange);
  }

  /** The end of this answer has been shown. */
  acknowledge(exchange) {
    if (exchange.acknowledged) return;
    exchange.acknowledged = true;
    this.#acknowledge(exchange.id, exchange.transcript.seq);
  }

  /** Nothing more will come of it, for this reason. */
  fail(exchange, failure) {
    if (exchange.over) return;
    exchange.failure = failure;
    this.drop(exchange);
    this.#listener.changed(exchange, null);
  }

  failAll(failure) {
    for (const exchange of this.#exchanges) this.fail(exchange, failure);
  }

  /** One event from the server. */
  receive(event) {
    switch (event.type) {
      case "welcome":
        return this.#tellWanted();
      case "accepted":
        return this.#accepted(event);
      case "chunk":
        return this.#told(event, apply);
      case "end":
        return this.#told(event, end);
      case "resumed":
        return this.#resumed(event);
      case "error":
        return this.#failed(event);
    }
  }

  #tellWanted() {
    this.#healing.clear();
    for (const exchange of this.#exchanges) this.#tell(exchange);
    for (const [answer, seq] of this.#unsent) this.#acknowledge(answer, seq);
    const chats = [...this.#underWay()].map(({ chat }) => chat);
    for (const chat of new Set([...chats, ...this.#listener.chats()])) this.resume(chat);
  }

  /** What is wanted of it beside its entries. */
  #tell({ id, ask, over, stopping }) {
    if (over) return;
    if (id === null) this.#send(ask);
    else if (stopping) this.#send({ type: "stop", answer: id });
  }

  #acknowledge(answer, seq) {
    if (this.#send({ type: "ack", answer, seq })) this.#unsent.delete(answer);
    else this.#unsent.set(answer, seq);
  }

  *#underWay() {
    for (const exchange of this.#exchanges) if (!exchange.over && exchange.id !== null) yield exchange;
  }

  #accepted({ id, answer, epoch }) {
    const exchange = this.find(({ unaccepted, ask }) => unaccepted && ask.id === id);
    if (!exchange) return;
    exchange.transcript = empty(answer, epoch);
    this.#tell(exchange);
    this.#listener.accepted(exchange);
  }

  /** An entry or the end of an answer, folded by `fold`. */
  #told(event, fold) {
    const exchange = this.find(({ id }) => id === event.answer);
    if (!exchange) return;
    const { transcript, verdict } = fold(exchange.transcript, event);
    if (verdict === "gap") return this.#heal(exchange);
    if (verdict === "duplicate") return;
    this.#healing.delete(exchange.id);
    exchange.transcript = transcript;
    if (exchange.over) this.drop(exchange);
    this.#listener.changed(exchange, event);
  }

  #heal({ id, chat }) {
    if (this.#healing.has(id)) return;
    this.#healing.add(id);
    this.resume(chat);
  }

  #resumed({ chat, answers: rows }) {
    for (const row of rows) {
      const exchange = this.find(({ id }) => id === row.answer);
      if (exchange) this.#heed(exchange, row);
    }
    this.#listener.resumed(chat, rows);
  }

  #heed(exchange, { answer, epoch, verdict }) {
    if (verdict === "gone") {
      this.#listener.lost(exchange, new Failure("gone", "The server does not have this answer any more."));
    } else if (verdict === "snapshot") {
      exchange.transcript = empty(answer, epoch);
      this.#listener.changed(exchange, null);
    }
  }

  #failed({ id, answer, code, message, retry_after_ms: wait }) {
    const exchange = this.find((one) => (id ? one.unaccepted && one.ask.id === id : answer && one.id === answer));
    if (exchange && wait) setTimeout(() => this.#tell(exchange), wait);
    else if (exchange && id) this.fail(exchange, new Failure(code, message));
    else if (exchange) this.#listener.lost(exchange, new Failure(code, message));
    else if (!id && !answer) setTimeout(() => this.#tellWanted(), wait ?? RETRY_MS);
  }
}
