/** One question and its answer on the screen. */

import { h, icon } from "./dom.js";
import { unsupported } from "./grounding_view.js";
import { MarkdownView } from "./markdown_view.js";
import { StepsView } from "./steps_view.js";
import { citationAt, textOf } from "./client/transcript.js";
import { plainReasons } from "./why.js";

/**
 * @typedef {object} Actions
 * @property {(message: import("./message.js").Message) => void} again
 * @property {(message: import("./message.js").Message) => void} edit
 * @property {(message: import("./message.js").Message) => readonly import("./message.js").Message[]} versions
 * @property {(message: import("./message.js").Message) => void} choose
 * @property {(source: object, citation: ?object, chip: HTMLElement, message: object) => void} openSource
 * @property {(message: import("./message.js").Message, from: HTMLElement) => void} showFound
 */
export class AnswerView {
  #actions;
  #message;
  #texts = new Map();
  #steps;
  #question = h("p");
  #versions = h("div", { class: "versions" });
  #shown = [];
  #body = h("div", { class: "text" });
  #waiting = h("p", { class: "waiting" }, h("span", { class: "dots", "aria-hidden": "true" }), h("span"));
  #notices = h("div", { class: "notices" });
  #grounding = h("div");
  #sources = h("div", { class: "sources" });
  #foot = h("div", { class: "foot" });

  /** @param {import("./message.js").Message} message @param {Actions} actions */
  constructor(message, actions) {
    this.#message = message;
    this.#actions = actions;
    this.#steps = new StepsView(
      (source) => actions.openSource(source, null, this.#steps.element, this.#message),
      (from) => actions.showFound(this.#message, from),
    );
    this.element = h(
      "article",
      { class: "turn", "aria-label": `Question: ${message.question}` },
      h("div", { class: "question" }, h("h2", { class: "sr-only" }, "Question"), this.#question),
      this.#versions,
      h(
        "div",
        { class: "answer" },
        h("h2", { class: "sr-only" }, "Answer"),
        this.#steps.element,
        this.#steps.records,
        this.#waiting,
        this.#body,
        this.#notices,
        this.#grounding,
        this.#sources,
        this.#foot,
      ),
    );
    this.#question.textContent = message.question;
    this.update();
  }

  update() {
    const { transcript, failure, over } = this.#message;
    const { content } = transcript;
    this.element.classList.toggle("running", !over);
    this.element.setAttribute("aria-busy", String(!over));
    if (content.decision?.language) this.#body.lang = content.decision.language;
    this.#showVersions(over);
    this.#steps.update(content);
    this.#showTexts(content, over);
    this.#showWaiting(over);
    this.#notices.replaceChildren(...content.notices.map(noticeOf));
    this.#grounding.replaceChildren(...(over ? unsupported(content) : []));
    this.#sources.replaceChildren(...(over ? this.#sourceList(content) : []));
    this.#foot.replaceChildren(...(over ? this.#footOf(transcript, failure) : []));
  }

  #showTexts({ parts }, over) {
    const ids = new Set(parts.map(({ id }) => id));
    for (const [id, { element }] of this.#texts) {
      if (ids.has(id)) continue; // a reset step took it back
      element.remove();
      this.#texts.delete(id);
    }
    parts.forEach((part, index) => this.#textOf(part).update(part.text, { open: !over && index === parts.length - 1 }));
  }

  #textOf({ id }) {
    if (!this.#texts.has(id)) {
      const element = h("div", { class: "part" });
      this.#body.append(element);
      this.#texts.set(id, { element, view: new MarkdownView(element, (n, at) => this.#chip(id, n, at)) });
    }
    return this.#texts.get(id).view;
  }

  #chip(partId, n, at) {
    const source = this.#message.transcript.content.sources.find((one) => one.n === n);
    if (!source) return null;
    const open = () => {
      const part = this.#message.transcript.content.parts.find(({ id }) => id === partId);
      this.#actions.openSource(source, part && citationAt(part, source, at), chip, this.#message);
    };
    const label = `Source ${n}: ${source.title}`;
    const labels = { "aria-label": label, title: source.title };
    const chip = h("button", { type: "button", class: "cite", ...labels, onclick: open }, String(n));
    return chip;
  }

  #showWaiting(over) {
    const { transcript, unaccepted, stopping } = this.#message;
    const silent = transcript.content.parts.every(({ text }) => text === "");
    this.#waiting.hidden = over || (!silent && !stopping);
    const told = unaccepted ? "Sending…" : transcript.content.retrieval ? "Writing…" : "Working…";
    this.#waiting.lastChild.textContent = stopping ? "Stopping…" : told;
  }

  /** The sources that the text cites; without citations, all that were given. */
  #sourceList({ sources, parts }) {
    const cited = new Set(parts.flatMap(({ citations }) => citations.map(({ sourceId }) => sourceId)));
    const listed = cited.size ? sources.filter(({ sourceId }) => cited.has(sourceId)) : [];
    if (listed.length === 0) return [];
    const items = listed.map((source) => h("li", {}, this.#sourceButton(source, parts)));
    return [h("h3", {}, "Sources"), h("ul", {}, ...items)];
  }

  #sourceButton(source, parts) {
    const citation = parts.flatMap(({ citations }) => citations).find(({ sourceId }) => sourceId === source.sourceId);
    const open = () => this.#actions.openSource(source, citation ?? null, button, this.#message);
    const passage = this.#message.transcript.content.retrieval?.passages.find(({ id }) => id === source.sourceId);
    const title = plainReasons(passage).join("\n") || null;
    const button = h(
      "button",
      { type: "button", class: "source", onclick: open, title },
      h("span", { class: "number" }, String(source.n)),
      h("span", {}, source.title),
    );
    return button;
  }

  #footOf(transcript, failure) {
    if (failure) return [trouble(failure.message), this.#button("Edit the question", "edit", "retry")];
    const { state, content } = transcript;
    const copy = textOf(content) ? [this.#copyButton()] : [];
    const again = this.#button(state === "failed" ? "Try again" : "Ask again", "again", "retry");
    if (state === "failed")
      return [trouble(content.error?.text || "The answer could not be finished."), again, ...copy];
    if (state === "stopped") return [h("p", { class: "state" }, "Stopped. What was written is kept."), again, ...copy];
    const cut = content.finishReason === "length";
    return [...(cut ? [trouble("The answer was cut at the length limit.")] : []), again, ...copy];
  }

  /** Which version of the question this is, the way to the others, and to a new one. */
  #showVersions(over) {
    const all = this.#actions.versions(this.#message);
    const shown = [over, ...all];
    if (shown.length === this.#shown.length && shown.every((one, index) => one === this.#shown[index])) return;
    this.#shown = shown; // drawn only when it changes: a button keeps its focus
    this.#versions.replaceChildren(...this.#versionsOf(all, over));
  }

  #versionsOf(all, over) {
    const edit = over && !this.#message.failure ? [this.#button("Edit", "edit", "edit")] : [];
    if (all.length < 2) return edit;
    const at = all.indexOf(this.#message);
    const place = h("span", {}, `${at + 1} of ${all.length}`);
    return [this.#stepTo(all[at - 1], "Earlier version", "previous"), place, this.#stepTo(all[at + 1], "Later version", "next"), ...edit];
  }

  #stepTo(version, label, name) {
    const go = () => this.#actions.choose(version);
    return h("button", { type: "button", class: "plain", "aria-label": label, disabled: !version, onclick: go }, icon(name));
  }

  #button(label, action, name) {
    const act = () => this.#actions[action](this.#message);
    return h("button", { type: "button", class: "quiet", onclick: act }, icon(name), label);
  }

  #copyButton() {
    const copy = async () => {
      await navigator.clipboard.writeText(textOf(this.#message.transcript.content));
      button.lastChild.textContent = "Copied";
    };
    const button = h("button", { type: "button", class: "quiet", onclick: copy }, icon("copy"), "Copy");
    return button;
  }
}

const trouble = (text) => h("p", { class: "trouble", role: "alert" }, icon("warning"), h("span", {}, text));
const noticeOf = ({ message, code }) =>
  h("p", { class: "notice", "data-code": code }, icon("info"), h("span", {}, message));
