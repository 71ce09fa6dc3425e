/** What the tests of the AI SDK's transports share: a chat as `useChat` keeps it, and what is read of a stream. */

import { AbstractChat } from "ai";
import { setTimeout as sleep } from "node:timers/promises";

/** The state that `useChat` holds in React. */
class State {
  status = "ready";
  error = undefined;
  messages = [];
  pushMessage = (message) => void (this.messages = [...this.messages, message]);
  popMessage = () => void (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => void (this.messages = this.messages.with(index, structuredClone(message)));
  snapshot = (thing) => structuredClone(thing);
}

/** A chat of the real package without a page around it. */
export class Chat extends AbstractChat {
  constructor({ id, transport, messages = [] }) {
    const state = new State();
    state.messages = messages;
    super({ id, transport, state });
  }

  get answer() {
    return this.messages.findLast((message) => message.role === "assistant");
  }

  get text() {
    return textOf(this.answer);
  }
}

export const textOf = (message) =>
  (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");

/** What the scripted model says: token n is its number, filled to eight characters. */
export const scripted = (tokens) =>
  Array.from({ length: tokens }, (_, n) => `${`t${n}`.padEnd(7, "x")} `).join("");

export const question = (text, id = crypto.randomUUID()) => ({ id, role: "user", parts: [{ type: "text", text }] });

export async function chunksOf(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** Waits for what another part is about to do. */
export async function until(condition) {
  const ends = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > ends) throw new Error(`still not: ${condition}`);
    await sleep(5);
  }
}
