/** The open chat's messages: draws at most once a frame, follows the end unless the reader has scrolled away. */

import { AnswerView } from "./answer_view.js";
import { textOf } from "./client/transcript.js";

const NEAR_PX = 80;

export class Conversation {
  #list;
  #scroller;
  #parts;
  #views = new Map();
  #dirty = new Set();
  #frame = null;
  #following = true;
  #running = new WeakSet();

  /**
   * @param {{list: HTMLElement, scroller: HTMLElement, jump: HTMLElement}} elements
   * @param {{actions: import("./answer_view.js").Actions, shown: (message: object) => void,
   *   announce: (text: string) => void}} parts `shown` when a message has been drawn, `announce` tells screen readers
   */
  constructor({ list, scroller, jump }, parts) {
    this.#list = list;
    this.#scroller = scroller;
    this.#parts = parts;
    scroller.addEventListener("scroll", () => {
      this.#following = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
      jump.hidden = this.#following;
    });
    jump.addEventListener("click", () => this.follow());
  }

  /** @param {readonly import("./message.js").Message[]} messages */
  show(messages) {
    for (const [message, view] of this.#views) {
      if (messages.includes(message)) continue;
      view.element.remove();
      this.#views.delete(message);
    }
    for (const message of messages) {
      if (!this.#views.has(message)) this.#views.set(message, new AnswerView(message, this.#parts.actions));
    }
    const elements = messages.map((message) => this.#views.get(message).element);
    if (elements.some((element, index) => this.#list.children[index] !== element))
      this.#list.replaceChildren(...elements);
    messages.forEach((message) => this.changed(message));
  }

  /** Draws this message at the next frame. */
  changed(message) {
    if (!this.#views.has(message)) return;
    this.#dirty.add(message);
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  /** Goes to the end and stays there. */
  follow() {
    this.#following = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #draw() {
    this.#frame = null;
    const messages = [...this.#dirty];
    this.#dirty.clear();
    for (const message of messages) {
      this.#views.get(message)?.update();
      this.#tell(message);
    }
    if (this.#following) this.follow();
  }

  #tell(message) {
    if (!message.over) return void this.#running.add(message);
    this.#parts.shown(message);
    if (this.#running.delete(message)) this.#parts.announce(finished(message));
  }
}

function finished({ transcript, failure }) {
  if (failure) return `The question was not taken: ${failure.message}`;
  const heading = { completed: "Answer:", stopped: "Answer stopped:", failed: "The answer failed:" }[transcript.state];
  return `${heading} ${textOf(transcript.content)
    .replace(/[*_`#|]/g, "")
    .trim()}`;
}
