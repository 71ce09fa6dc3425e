/** The side panel that opens a citation: the passage with the quoted words marked, or the record. */

import { h, icon } from "./dom.js";
import { markQuote } from "./highlight.js";
import { MarkdownView } from "./markdown_view.js";
import { recordTables, valueText } from "./records_view.js";

const RECORD = "record:";

export class Panel {
  #actions;
  #from = null;
  #asked = 0;
  #title = h("h2", { tabindex: -1 });
  #body = h("div", { class: "panel-body" });

  /**
   * @param {HTMLElement} element
   * @param {object} actions
   * @param {(id: string) => Promise<{title: string, text: string, document: string, metadata: object}>} actions.load
   * @param {(open: boolean) => void} actions.onToggle
   * @param {(id: string, from: HTMLElement) => void} actions.showAround shows the graph around a node
   */
  constructor(element, actions) {
    this.element = element;
    this.#actions = actions;
    const close = h("button", {
      type: "button",
      class: "plain",
      "aria-label": "Close source",
      onclick: () => this.close(),
    });
    close.append(icon("close"));
    element.append(h("header", {}, this.#title, close), this.#body);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /**
   * @param {{sourceId: string, title: string, n?: number}} source
   * @param {{citation: ?{quote: string}, records: object[], why: string[]}} told the records that the answer was given,
   *   and why this source is among its own
   * @param {HTMLElement} from gets the focus back
   */
  async open(source, told, from) {
    this.#from?.classList.remove("current");
    this.#from = from;
    from.classList.add("current");
    this.#asked += 1;
    const asked = this.#asked;
    this.#title.textContent = source.n ? `[${source.n}] ${source.title}` : source.title;
    this.#body.replaceChildren(h("p", { class: "waiting" }, "Opening…"));
    this.element.hidden = false;
    this.#actions.onToggle(true);
    this.#title.focus();
    const shown = await this.#content(source, told);
    if (asked !== this.#asked) return; // another source was opened meanwhile
    this.#body.replaceChildren(...shown);
    this.#body.querySelector("mark")?.scrollIntoView({ block: "center" });
  }

  close() {
    if (!this.isOpen) return;
    this.#asked += 1;
    this.element.hidden = true;
    this.#actions.onToggle(false);
    this.#from.classList.remove("current");
    const back = this.#from.isConnected ? this.#from : document.querySelector("#question");
    (back.matches("details") ? back.firstElementChild : back).focus();
  }

  async #content({ sourceId }, { citation, records, why }) {
    const record = records.find(({ collection, id }) => sourceId === `${RECORD}${collection}/${id}`);
    if (record) return [...recordTables([record]), this.#foundBy(["by its fields"], sourceId)];
    try {
      const passage = await this.#actions.load(sourceId);
      return [...passageNodes(passage, citation?.quote ?? ""), this.#foundBy(why, `passage:${sourceId}`)];
    } catch (error) {
      const told =
        error.status === 404 ? "This source is no longer in the knowledge base." : "The source could not be opened.";
      const quote = citation ? [h("p", {}, "The answer quoted:"), h("blockquote", {}, citation.quote)] : [];
      return [h("p", { class: "trouble", role: "alert" }, icon("warning"), h("span", {}, told)), ...quote];
    }
  }

  /** Why the source is there, and the way into the graph. */
  #foundBy(why, node) {
    const around = h("button", { type: "button", class: "quiet" }, icon("graph"), "Show in the graph");
    around.addEventListener("click", () => this.#actions.showAround(node, around));
    const reasons = why.length > 0 && [h("h3", {}, "Why it was found"), reasonList(why)];
    return h("section", { class: "found-by" }, ...(reasons || []), around);
  }
}

/** @param {string[]} why */
const reasonList = (why) => h("ul", {}, ...why.map((reason) => h("li", {}, reason)));

function passageNodes(passage, quote) {
  const text = passageText(passage);
  const found = markQuote(text, quote);
  const rows = Object.entries({ document: passage.document, ...passage.metadata }).map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, Array.isArray(value) ? value.join(", ") : valueText(value))),
  );
  return [!found && quote && h("blockquote", {}, quote), text, h("dl", {}, ...rows)].filter(Boolean);
}

function passageText({ text, metadata }) {
  if (metadata.format !== "markdown") return h("div", { class: "passage" }, text);
  const element = h("div", { class: "part" });
  new MarkdownView(element, () => null).update(text, { open: false });
  return element;
}
