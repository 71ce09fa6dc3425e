/**
 * A chat as a tree: a question that was edited or asked again stands beside the one it takes the place of. One way
 * through the tree is shown: to the newest question, unless the reader has chosen another version somewhere.
 *
 * Pure. A message follows the answer that its `after` names, none at all when that is empty (or gone), and the message
 * before it in the list when it is null.
 *
 * @typedef {import("./message.js").Message} Message
 */

export class Tree {
  #parents = new Map();
  #children = new Map();
  /** Of each message the place in the list of the newest one at or below it. */
  #newest = new Map();

  /** @param {readonly Message[]} messages oldest first */
  constructor(messages) {
    const known = new Map(messages.map((message) => [message.transcript.answer, message]));
    messages.forEach((message, index) => {
      const told = message.after === "" ? undefined : known.get(message.after);
      const parent = (message.after === null ? messages[index - 1] : told) ?? null;
      this.#parents.set(message, parent);
      this.#children.set(parent, [...(this.#children.get(parent) ?? []), message]);
      this.#newest.set(message, index);
    });
    for (const message of [...messages].reverse()) {
      const parent = this.#parents.get(message);
      if (parent) this.#newest.set(parent, Math.max(this.#newest.get(parent), this.#newest.get(message)));
    }
  }

  /** The message that this one follows; null at the chat's beginning. @returns {?Message} */
  parent(message) {
    return this.#parents.get(message) ?? null;
  }

  /** This message and those beside it, oldest first. @returns {readonly Message[]} */
  versions(message) {
    return this.#children.get(this.parent(message)) ?? [];
  }

  /**
   * @param {ReadonlySet<Message>} chosen versions that the reader wants to see; of two beside each other the later one
   * @returns {Message[]} one way through the tree, oldest first
   */
  way(chosen) {
    const way = [];
    const wanted = [...chosen].reverse();
    let next = this.#children.get(null) ?? [];
    while (next.length > 0) {
      const among = new Set(next);
      const message = wanted.find((one) => among.has(one)) ?? next.reduce((a, b) => this.#later(a, b));
      way.push(message);
      next = this.#children.get(message) ?? [];
    }
    return way;
  }

  #later(a, b) {
    return this.#newest.get(a) > this.#newest.get(b) ? a : b;
  }
}
