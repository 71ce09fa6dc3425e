/**
 * What the page knows and does: chats, their messages, and the commands that keep them whole.
 *
 * Theory of operation
 *   A question is stored before it is sent and forgotten once the server has accepted it; until then every new
 *   connection sends it again, under the same id. An accepted answer lives in the server's log: on every connection
 *   the open chat and each chat with an unfinished answer are resumed from what their transcripts hold, so an
 *   answer becomes whole whatever broke, and `transcript.js` sees to it that it is there once. An end is
 *   acknowledged only when it has been shown.
 */

import { Tree } from "./branches.js";
import { SEALED, apply, empty, end, fromDocument } from "./client/transcript.js";

const RETRY_MS = 2_000;

/**
 * @typedef {object} Message a question and its answer
 * @property {string} chat
 * @property {string} question
 * @property {?string} after the answer that it follows, empty for none; null: the message before it
 * @property {?string} ask idempotency key while the question is not accepted
 * @property {import("./client/transcript.js").Transcript} transcript
 * @property {boolean} stopping
 * @property {?{code: string, message: string}} refusal why the question was not taken
 * @property {boolean} acknowledged
 */

/** Whether nothing more will come. @param {Message} message */
export const isOver = ({ refusal, transcript }) => refusal !== null || SEALED.has(transcript.state);

export class Session {
  #connection;
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
  /** Answers with a gap whose resume is under way. */
  #healing = new Set();
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
    this.#connection = connection;
    this.#api = api;
    this.#storage = storage;
    this.#newId = newId;
    this.#onChange = onChange;
    this.#saved = storage.transcripts();
    for (const { id, chat, text, after = null } of storage.pending()) this.#add(chat, text, { ask: id, after });
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
    return this.messages(chat).find((message) => !isOver(message)) ?? null;
  }

  /** Chats that hold a question which the server has not accepted. */
  unaccepted() {
    return [...this.#chats].filter(([, messages]) => messages.some(({ ask }) => ask !== null));
  }

  /** Asks behind what is shown, or in the place of a message: one that was never taken goes. */
  ask(chat, text, { insteadOf = null } = {}) {
    const id = this.#newId();
    const after = insteadOf ? this.#before(insteadOf) : this.#behind(chat);
    if (insteadOf?.refusal) this.#remove(insteadOf);
    this.#storage.addPending({ id, chat, text, after });
    const message = this.#add(chat, text, { ask: id, after });
    this.#sendAsk(message);
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
    return !last || last === this.messages(chat).at(-1) ? null : last.transcript.answer;
  }

  /** Made anew when a message has come or gone. */
  #tree(chat) {
    const messages = this.messages(chat);
    if (!this.#trees.has(messages)) this.#trees.set(messages, new Tree(messages));
    return this.#trees.get(messages);
  }

  #before(message) {
    const parent = this.#tree(message.chat).parent(message);
    return parent === null ? "" : parent.transcript.answer;
  }

  /** Ends the answer and keeps what is there. The wish outlasts a lost connection: it is sent until it holds. */
  stop(message) {
    message.stopping = true;
    this.#sendStop(message);
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

  /** The reader has seen the end of this answer. */
  shown(message) {
    const { answer, seq, state } = message.transcript;
    if (message.acknowledged || answer === null || seq < 0 || !SEALED.has(state)) return;
    message.acknowledged = this.#connection.send({ type: "ack", answer, seq });
  }

  /** Keeps unfinished transcripts for the page that this tab shows next. */
  save() {
    const transcripts = [...this.#byAnswer.values()].map((message) => message.transcript);
    this.#storage.saveTranscripts(transcripts.filter(({ state, seq }) => !SEALED.has(state) && seq >= 0));
  }

  /** One event from the server. */
  receive(event) {
    switch (event.type) {
      case "welcome":
        return this.#restore();
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

  #restore() {
    this.#healing.clear();
    for (const [, messages] of this.unaccepted()) messages.forEach((message) => this.#sendAsk(message));
    const unfinished = [...this.#chats.keys()].filter((chat) => this.running(chat));
    for (const chat of new Set([...unfinished, this.open])) {
      if (chat !== null) this.#refresh(chat).catch(() => {}); // the connection's state tells; the next one tries again
    }
  }

  async #refresh(chat) {
    if (!this.#loads.has(chat)) this.#loads.set(chat, this.#load(chat));
    try {
      await this.#loads.get(chat);
    } catch (error) {
      this.#loads.delete(chat);
      throw error;
    }
    this.#resume(chat);
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
    const message = newMessage(chat, document.question, { transcript, after: document.after ?? null });
    this.#byAnswer.set(document.answer, message);
    return message;
  }

  #resume(chat) {
    const accepted = this.messages(chat).filter(({ transcript }) => transcript.answer !== null);
    if (accepted.length === 0) return;
    const cursors = accepted
      .filter((message) => !isOver(message) && message.transcript.seq >= 0)
      .map(({ transcript: { answer, epoch, seq } }) => ({ answer, epoch, seq }));
    this.#connection.send({ type: "resume", chat, cursors });
  }

  #accepted({ id, answer, chat, epoch }) {
    this.#storage.dropPending(id);
    const message = this.messages(chat).find(({ ask }) => ask === id);
    if (!message) return;
    message.ask = null;
    if (this.#byAnswer.has(answer)) return this.#remove(message); // its first acceptance was lost on the way
    message.transcript = empty(answer, epoch);
    this.#byAnswer.set(answer, message);
    if (message.stopping) this.#sendStop(message);
    this.#onChange(chat, message);
  }

  /** An entry or the end of an answer, folded by `fold`. */
  #told(event, fold) {
    const message = this.#byAnswer.get(event.answer);
    if (!message) return; // of a chat that is not shown here; opening it resumes it
    const { transcript, verdict } = fold(message.transcript, event);
    if (verdict === "gap") return this.#heal(message);
    if (verdict === "duplicate") return;
    this.#healing.delete(event.answer);
    message.transcript = transcript;
    this.#onChange(message.chat, message);
  }

  #heal(message) {
    const { answer } = message.transcript;
    if (this.#healing.has(answer)) return;
    this.#healing.add(answer);
    this.#resume(message.chat);
  }

  #resumed({ chat, answers }) {
    const told = new Map(answers.map((row) => [row.answer, row]));
    for (const message of this.messages(chat)) {
      if (isOver(message) || message.transcript.answer === null) continue;
      const row = told.get(message.transcript.answer);
      if (!row || row.verdict === "gone") this.#reread(message);
      else if (row.verdict === "snapshot") message.transcript = empty(row.answer, row.epoch);
      if (message.stopping) this.#sendStop(message);
    }
    if (answers.some(({ answer, verdict }) => verdict !== "gone" && !this.#byAnswer.has(answer))) this.#reload(chat);
  }

  /** Another tab has asked in this chat. */
  #reload(chat) {
    this.#loads.delete(chat);
    this.#refresh(chat).catch(() => {});
  }

  /** The log tells nothing of this answer any more: it was finished and acknowledged elsewhere, or it is lost. */
  async #reread(message) {
    const { answer, epoch } = message.transcript;
    try {
      const transcript = fromDocument(await this.#api.answer(answer));
      if (SEALED.has(transcript.state) && !isOver(message)) message.transcript = transcript;
    } catch (error) {
      if (error.status !== 404) return;
      const lost = { code: "gone", text: "The server does not have this answer any more." };
      const unknown = empty(answer, epoch);
      message.transcript = { ...unknown, state: "failed", content: { ...unknown.content, error: lost } };
    }
    this.#onChange(message.chat, message);
  }

  #failed({ id, answer, code, message: text, retry_after_ms: wait }) {
    const asked = [...this.#chats.values()].flat().find(({ ask }) => id && ask === id);
    if (asked && wait) setTimeout(() => this.#sendAsk(asked), wait);
    else if (asked) this.#refuse(asked, { code, message: text });
    else if (!id && !answer) setTimeout(() => this.#restore(), wait ?? RETRY_MS);
  }

  #refuse(message, refusal) {
    this.#storage.dropPending(message.ask);
    message.ask = null;
    message.refusal = refusal;
    this.#onChange(message.chat, message);
  }

  #sendAsk({ ask, chat, question, after }) {
    if (ask === null) return;
    this.#connection.send({ type: "ask", id: ask, chat, text: question, ...(after === null ? {} : { after }) });
  }

  #sendStop({ transcript: { answer, state } }) {
    if (answer !== null && !SEALED.has(state)) this.#connection.send({ type: "stop", answer });
  }

  #add(chat, question, fields) {
    const message = newMessage(chat, question, fields);
    this.#chats.set(chat, [...this.messages(chat), message]);
    return message;
  }

  #remove(message) {
    this.#chats.set(
      message.chat,
      this.messages(message.chat).filter((one) => one !== message),
    );
    this.#onChange(message.chat, null);
  }
}

/** @returns {Message} */
const newMessage = (chat, question, fields) => ({
  chat,
  question,
  after: null,
  ask: null,
  transcript: empty(),
  stopping: false,
  refusal: null,
  acknowledged: false,
  ...fields,
});
