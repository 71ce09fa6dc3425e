/** The server's chats as far as they were read: a page at first, older ones when the reader asks for them. */

export class Chats {
  #load;
  #next = null;
  /** @type {import("./chat_list.js").Entry[]} newest first */
  listed = [];

  /** @param {typeof import("./api.js").chats} load */
  constructor(load) {
    this.#load = load;
  }

  get hasMore() {
    return this.#next !== null;
  }

  /** Reads the first page anew; what was read behind it stays. Raises what `load` raises. */
  async refresh() {
    const { chats, next } = await this.#load();
    const first = new Set(chats.map(({ chat }) => chat));
    const older = this.listed.filter(({ chat }) => !first.has(chat));
    if (this.listed.length === 0) this.#next = next;
    this.listed = [...chats, ...older];
  }

  /** Raises what `load` raises. */
  async more() {
    const { chats, next } = await this.#load(this.#next);
    const known = new Set(this.listed.map(({ chat }) => chat));
    this.listed = [...this.listed, ...chats.filter(({ chat }) => !known.has(chat))];
    this.#next = next;
  }
}
