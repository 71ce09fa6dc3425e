/** Shows growing Markdown: only blocks whose source changed are built anew, so that a selection and a link's focus
 * survive the next token. */

import { h } from "./dom.js";
import { parse } from "./markdown.js";

/** A mark whose closing bracket is still to come would flicker as text. */
const HALF_MARK = /\[\d*$/;

export class MarkdownView {
  #root;
  #cite;
  #shown = [];
  #top = 1;

  /**
   * @param {HTMLElement} root
   * @param {(n: number, at: number) => ?Node} cite the chip for a mark `[n]` at an offset; null leaves it as text
   */
  constructor(root, cite) {
    this.#root = root;
    this.#cite = cite;
  }

  /** @param {string} text @param {{open: boolean}} state `open` while more may come */
  update(text, { open }) {
    const blocks = parse(open ? text.replace(HALF_MARK, "") : text);
    this.#top = Math.min(...blocks.map(({ level }) => level ?? Infinity));
    const keys = blocks.map(({ at, level, source }) => `${at}:${level ? this.#top : ""}:${source}`);
    let kept = 0;
    while (kept < keys.length && keys[kept] === this.#shown[kept]) kept += 1;
    while (this.#root.childNodes.length > kept) this.#root.lastChild.remove();
    this.#root.append(...blocks.slice(kept).map((block) => this.#block(block)));
    this.#shown = keys;
  }

  #block(block) {
    return BLOCKS[block.type](block, {
      top: this.#top,
      blocks: (blocks) => blocks.map((one) => this.#block(one)),
      spans: (spans) => spans.map((one) => this.#span(one)),
      tight: (blocks) => this.#tight(blocks),
    });
  }

  /** A list item's first paragraph stands in the item itself. */
  #tight([first, ...rest]) {
    if (first?.type !== "paragraph") return [first, ...rest].filter(Boolean).map((one) => this.#block(one));
    return [...first.inline.map((one) => this.#span(one)), ...rest.map((one) => this.#block(one))];
  }

  #span(span) {
    if (span.type === "cite") return this.#cite(span.n, span.at) ?? span.text;
    return SPANS[span.type](span, (children) => children.map((one) => this.#span(one)));
  }
}

/** An identifier, a number or a time: it would be broken at its hyphens. */
const isOneWord = (spans) => spans.length === 1 && /^\S{1,24}$/.test(spans[0].text ?? "");

const BLOCKS = {
  paragraph: ({ inline }, { spans }) => h("p", {}, ...spans(inline)),
  // The page's own headings are h1 and h2: the text's highest ones come next, whatever their level in the source.
  heading: ({ level, inline }, { spans, top }) =>
    h(`h${Math.min(6, 3 + Math.max(0, level - top))}`, {}, ...spans(inline)),
  rule: () => h("hr"),
  code: ({ text, language }) => h("pre", { tabindex: 0 }, h("code", { "data-language": language || null }, text)),
  quote: ({ blocks }, build) => h("blockquote", {}, ...build.blocks(blocks)),
  list: ({ ordered, start, items }, build) =>
    h(
      ordered ? "ol" : "ul",
      { start: ordered && start !== 1 ? start : null },
      ...items.map((item) => h("li", {}, ...build.tight(item))),
    ),
  table: ({ head, rows, aligns }, { spans }) => {
    const cell = (tag) => (inline, column) =>
      h(tag, { class: `align-${aligns[column]}${isOneWord(inline) ? " one-word" : ""}` }, ...spans(inline));
    const row = (tag) => (cells) => h("tr", {}, ...cells.map(cell(tag)));
    return h(
      "div",
      { class: "table", tabindex: 0, role: "region", "aria-label": "Table" },
      h("table", {}, h("thead", {}, row("th")(head)), h("tbody", {}, ...rows.map(row("td")))),
    );
  },
};

const SPANS = {
  text: ({ text }) => text,
  code: ({ text }) => h("code", {}, text),
  strong: ({ children }, spans) => h("strong", {}, ...spans(children)),
  em: ({ children }, spans) => h("em", {}, ...spans(children)),
  del: ({ children }, spans) => h("del", {}, ...spans(children)),
  break: () => h("br"),
  link: ({ href, children }, spans) =>
    h("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...spans(children)),
};
