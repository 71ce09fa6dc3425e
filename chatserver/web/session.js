/**
 * What the page knows and does: chats, their messages, what of them outlives the page, and what the reader sees of them.
 *
 * Theory of operation
 *   A question is stored before it is sent and forgotten once the server has accepted it. What was accepted lives in
 *   the server's log: finished answers are read as documents, unfinished ones are had to their end by the client's
 *   `Delivery`, which asks, resumes, stops and acknowledges over any number of connections. An end is acknowledged
 *   only when it has been shown.
 */

import { Tree } from "./branches.js";
import { Delivery } from "./client/delivery.js";
import { SEALED, empty, fromDocument } from "./client/transcript.js";
import { Message } from "./message.js";

export class Session {
  #delivery;
  #api;
  #storage;
  #newId;
  #onChange;
  #saved;
  /** @type {Map<string, Message[]>} */
  #chats = new Map();
  /** @type {Map<string, Message>} */
  #byAnswer = new Map();
  /** @type {Map<string, Promise<void>>} */
  #loads = new Map();
  /** @type {WeakMap<readonly Message[], Tree>} */
  #trees = new WeakMap();
  /** Versions that the reader has chosen. @type {Set<Message>} */
  #chosen = new Set();
  /** The chat on the screen. @type {?string} */
  open = null;

  /**
   * @param {{connection: {send(command: object): boolean}, api: typeof import("./api.js"),
   *   storage: import("./storage.js").Storage, newId: () => string,
   *   onChange: (chat: string, message: ?Message) => void}} parts `onChange` without a message: some came or went
   */
  constructor({ connection, api, storage, newId, onChange }) {
    this.#api = api;
    this.#storage = storage;
    this.#newId = newId;
    this.#onChange = onChange;
    this.#saved = storage.transcripts();
    this.#delivery = new Delivery((command) => connection.send(command), {
      accepted: (message) => this.#accepted(message),
      changed: (message) => this.#changed(message),
      lost: (message) => void this.#reread(message),
      resumed: (chat, rows) => this.#resumed(chat, rows),
      chats: () => (this.messages(this.open).some(({ id }) => id !== null) ? [this.open] : []),
    });
    for (const question of storage.pending()) this.#ask(question);
  }

  /** @returns {readonly Message[]} oldest first */
  messages(chat) {
    return this.#chats.get(chat) ?? [];
  }

  /** The way through the chat that is shown. @returns {readonly Message[]} oldest first */
  branch(chat) {
    return this.#tree(chat).way(this.#chosen);
  }

  /** This message and those it took the place of, or that took its. @returns {readonly Message[]} oldest first */
  versions(message) {
    return this.#tree(message.chat).versions(message);
  }

  /** Shows this version and what followed it. */
  choose(message) {
    this.#chosen.delete(message);
    this.#chosen.add(message); // now it is the last one
    this.#onChange(message.chat, null);
  }

  /** The chat's answer that is still to come or coming, if any. */
  running(chat) {
    return this.messages(chat).find(({ over }) => !over) ?? null;
  }

  /** Chats that hold a question which the server has not accepted. */
  unaccepted() {
    return [...this.#chats].filter(([, messages]) => messages.some(({ unaccepted }) => unaccepted));
  }

  /** Asks behind what is shown, or in the place of a message: one that was never taken goes. */
  ask(chat, text, { insteadOf = null } = {}) {
    const after = insteadOf ? this.#before(insteadOf) : this.#behind(chat);
    if (insteadOf?.failure) this.#remove(insteadOf);
    const question = { id: this.#newId(), chat, text, after };
    this.#storage.addPending(question);
    const message = this.#ask(question);
    this.choose(message);
    return message;
  }

  /** Asks the same question anew. */
  again(message) {
    return this.ask(message.chat, message.question, { insteadOf: message });
  }

  /** Null where a plain question comes to stand there anyway: behind the newest. */
  #behind(chat) {
    const last = this.branch(chat).at(-1);
    return !last || last === this.messages(chat).at(-1) ? null : last.id;
  }

  /** Made anew when a message has come or gone. */
  #tree(chat) {
    const messages = this.messages(chat);
    if (!this.#trees.has(messages)) this.#trees.set(messages, new Tree(messages));
    return this.#trees.get(messages);
  }

  #before(message) {
    const parent = this.#tree(message.chat).parent(message);
    return parent === null ? "" : parent.id;
  }

  /** Ends the answer and keeps what is there. */
  stop(message) {
    this.#delivery.stop(message);
    this.#onChange(message.chat, message);
  }

  /** A chat begun here needs no load: nothing of it is elsewhere. */
  begin(chat) {
    this.#loads.set(chat, Promise.resolve());
  }

  /** Shows a chat: finished answers from their documents, unfinished ones from the log. Raises what `api` raises. */
  async openChat(chat) {
    this.open = chat;
    await this.#refresh(chat);
  }

  /** This message has been drawn as it is. */
  shown(message) {
    const { seq, state } = message.transcript;
    if (seq >= 0 && SEALED.has(state)) this.#delivery.acknowledge(message);
  }

  /** Keeps unfinished transcripts for the page that this tab shows next. */
  save() {
    const transcripts = [...this.#byAnswer.values()].map((message) => message.transcript);
    this.#storage.saveTranscripts(transcripts.filter(({ state, seq }) => !SEALED.has(state) && seq >= 0));
  }

  /** One event from the server. */
  receive(event) {
    this.#delivery.receive(event);
    if (event.type === "welcome" && this.open !== null && !this.#loads.has(this.open)) this.#attempt(this.open);
  }

  /** The connection's state tells of a failure; the next connection tries again. */
  #attempt(chat) {
    this.#refresh(chat).catch(() => {});
  }

  async #refresh(chat) {
    if (!this.#loads.has(chat)) this.#loads.set(chat, this.#load(chat));
    try {
      await this.#loads.get(chat);
    } catch (error) {
      this.#loads.delete(chat);
      throw error;
    }
    if (this.messages(chat).some(({ id }) => id !== null)) this.#delivery.resume(chat);
  }

  async #load(chat) {
    const documents = await this.#api.answers(chat);
    const known = this.messages(chat);
    const loaded = documents.map((one) => this.#byAnswer.get(one.answer) ?? this.#fromDocument(chat, one));
    const local = known.filter((message) => !loaded.includes(message));
    this.#chats.set(chat, [...loaded, ...local]);
    this.#onChange(chat, null);
  }

  #fromDocument(chat, document) {
    let transcript = fromDocument(document);
    const saved = this.#saved.get(document.answer);
    if (!SEALED.has(transcript.state) && saved?.epoch === document.epoch) transcript = saved;
    const message = new Message({ chat, question: document.question, after: document.after ?? null, transcript });
    this.#byAnswer.set(document.answer, message);
    if (!message.over) this.#delivery.add(message);
    return message;
  }

  #accepted(message) {
    this.#storage.dropPending(message.ask.id);
    if (this.#byAnswer.has(message.id)) return this.#remove(message); // its first acceptance was lost on the way
    this.#byAnswer.set(message.id, message);
    this.#onChange(message.chat, message);
  }

  #changed(message) {
    if (message.failure) this.#storage.dropPending(message.ask.id);
    this.#onChange(message.chat, message);
  }

  #resumed(chat, rows) {
    if (rows.some(({ answer, verdict }) => verdict !== "gone" && !this.#byAnswer.has(answer))) this.#reload(chat);
  }

  /** Another tab has asked in this chat. */
  #reload(chat) {
    this.#loads.delete(chat);
    this.#attempt(chat);
  }

  /** The log tells nothing of this answer any more: its document does, or it is lost. */
  async #reread(message) {
    const { answer, epoch } = message.transcript;
    try {
      const transcript = fromDocument(await this.#api.answer(answer));
      if (SEALED.has(transcript.state) && !message.over) message.transcript = transcript;
    } catch (error) {
      if (error.status !== 404) return;
      const lost = { code: "gone", text: "The server does not have this answer any more." };
      const unknown = empty(answer, epoch);
      message.transcript = { ...unknown, state: "failed", content: { ...unknown.content, error: lost } };
    }
    if (message.over) this.#delivery.drop(message);
    this.#onChange(message.chat, message);
  }

  #ask({ id, chat, text, after = null }) {
    const ask = { type: "ask", id, chat, text, ...(after === null ? {} : { after }) };
    const message = new Message({ chat, question: text, after, ask });
    this.#chats.set(chat, [...this.messages(chat), message]);
    this.#delivery.add(message);
    return message;
  }

  #remove(message) {
    this.#delivery.drop(message);
    this.#chats.set(
      message.chat,
      this.messages(message.chat).filter((one) => one !== message),
    );
    this.#onChange(message.chat, null);
  }
}
