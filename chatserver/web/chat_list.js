/** The list of chats in the sidebar. */

import { h } from "./dom.js";

/** @typedef {{chat: string, title: string, updated_at?: string|number, running?: boolean}} Entry */
export class ChatList {
  #list;
  #more;
  #open;

  /** @param {{list: HTMLElement, more: HTMLElement}} elements @param {(chat: string) => void} open */
  constructor({ list, more }, open) {
    this.#list = list;
    this.#more = more;
    this.#open = open;
  }

  /** @param {Entry[]} entries newest first @param {?string} current @param {boolean} hasMore older ones */
  show(entries, current, hasMore) {
    this.#more.hidden = !hasMore;
    this.#list.replaceChildren(...entries.map((entry) => h("li", {}, this.#button(entry, entry.chat === current))));
  }

  #button({ chat, title, updated_at: updated, running }, current) {
    return h(
      "button",
      {
        type: "button",
        class: "chat",
        "aria-current": current ? "page" : null,
        "data-chat": chat,
        title,
        onclick: () => this.#open(chat),
      },
      h("span", { class: "chat-title" }, title),
      h("span", { class: "chat-time" }, running ? "answering…" : when(updated)),
    );
  }
}

/** Seconds since the epoch or an ISO time, said as briefly as it can be. */
function when(updated) {
  if (!updated) return "";
  const date = new Date(typeof updated === "number" ? updated * 1000 : updated);
  const sameDay = date.toDateString() === new Date().toDateString();
  const form = sameDay ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  return new Intl.DateTimeFormat(undefined, form).format(date);
}
