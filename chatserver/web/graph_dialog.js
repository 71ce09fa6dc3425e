/** The graph in front of the page: how an answer's sources were found, and around each thing that is chosen there. */

import { h, icon, s } from "./dom.js";
import { GraphDrawing, KINDS, markOf } from "./graph_drawing.js";
import { childrenOf } from "./graph_layout.js";

const WIDE = matchMedia("(min-width: 821px)");

/**
 * @typedef {{entity: string} | {answer: string}} About
 * @typedef {object} Actions
 * @property {(about: About, namespace?: string) => Promise<{nodes: object[], edges: object[], complete: boolean,
 *   namespace: string}>} load
 * @property {(passage: {sourceId: string, title: string}) => void} read opens a passage
 */
export class GraphDialog {
  #dialog;
  #actions;
  #drawing = new GraphDrawing((node) => this.#choose(node));
  #title = h("h2", { id: "graph-title", tabindex: -1 });
  #told = h("p", { class: "graph-told", role: "status" });
  #canvas = h("div", { class: "graph-canvas" }, this.#drawing.element);
  #list = h("div", { class: "graph-list", hidden: true });
  #legend = h("ul", { class: "legend", "aria-label": "Marks" });
  #name = h("input", { type: "search", name: "name", placeholder: "Look up a name", "aria-label": "Look up a name" });
  #back = button("back", "Back", () => this.#goBack());
  #toggle = button("list", "List", () => this.#view && this.#showAs(!this.#asList));
  #read = button("search", "Read it", () => this.#readCentre());
  #asList = false;
  #visited = [];
  #view = null;
  #asked = 0;
  #from = null;

  /** @param {HTMLDialogElement} dialog @param {Actions} actions */
  constructor(dialog, actions) {
    this.#dialog = dialog;
    this.#actions = actions;
    const close = h("button", { type: "button", class: "plain", "aria-label": "Close graph", onclick: () => dialog.close() });
    close.append(icon("close"));
    const lookUp = h("form", { role: "search", class: "look-up" }, this.#name);
    lookUp.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#name.value.trim()) this.#go({ entity: this.#name.value.trim() });
    });
    dialog.append(
      h("header", {}, this.#title, close),
      h("div", { class: "graph-bar" }, this.#back, this.#toggle, this.#read, lookUp),
      this.#told,
      this.#canvas,
      this.#list,
      this.#legend,
    );
    dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation()); // it closes this
    dialog.addEventListener("close", () => this.#from?.isConnected && this.#from.focus());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    WIDE.addEventListener("change", () => this.#view && this.#draw());
  }

  /** @param {About} about @param {HTMLElement} from gets the focus back */
  open(about, from) {
    this.#from = from;
    this.#visited = [];
    this.#name.value = "";
    this.#view = null;
    this.#title.textContent = "Graph";
    for (const part of [this.#back, this.#read, this.#canvas, this.#list, this.#legend]) part.hidden = true;
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#title.focus();
    this.#go(about);
  }

  /** Shows something else; what was shown before is one step back. */
  async #go(about, { returning = false } = {}) {
    this.#asked += 1;
    const asked = this.#asked;
    this.#told.textContent = "Looking…";
    const { namespace = "" } = this.#view ?? {};
    const { view, error } = await this.#load(about, about.answer ? "" : namespace);
    if (asked !== this.#asked) return;
    if (error) {
      this.#told.textContent = error.status === 404 ? error.message : "The graph could not be read. Try again.";
      return;
    }
    if (returning) this.#visited.pop();
    else this.#visited.push(about);
    this.#view = view;
    const chosen = [this.#canvas, this.#list].some((part) => part.contains(document.activeElement));
    this.#draw();
    this.#keepFocus(chosen);
  }

  async #load(about, namespace) {
    try {
      return { view: await this.#actions.load(about, namespace) };
    } catch (error) {
      return { error };
    }
  }

  #choose({ id }) {
    if (id !== this.#view.nodes[0].id) this.#go({ entity: id });
  }

  #goBack() {
    this.#go(this.#visited.at(-2), { returning: true });
  }

  #readCentre() {
    const [{ id, label }] = this.#view.nodes;
    this.#from = null; // the passage takes the focus
    this.#dialog.close();
    this.#actions.read({ sourceId: id.slice("passage:".length), title: label.replace(/ #\d+$/, "") });
  }

  /** Where something was chosen the next choice is made; a button that is gone gives the focus to the title. */
  #keepFocus(chosen) {
    if (chosen && !this.#asList) this.#drawing.focus();
    else if (chosen || document.activeElement.hidden || !this.#dialog.contains(document.activeElement)) this.#title.focus();
  }

  #draw() {
    const { nodes, edges, complete } = this.#view;
    const [centre] = nodes;
    this.#title.textContent = centre.kind === "question" ? "How the sources were found" : centre.label;
    this.#told.textContent = toldOf(nodes, complete);
    this.#back.hidden = this.#visited.length < 2;
    this.#read.hidden = centre.kind !== "passage";
    this.#drawing.show({ nodes, edges }, { narrow: !WIDE.matches, room: this.#dialog.clientWidth });
    this.#list.replaceChildren(this.#listOf(centre, childrenOf(nodes)));
    const kinds = [...new Set(nodes.slice(1).map(({ kind }) => kind))];
    this.#legend.replaceChildren(...kinds.map(legendOf));
    this.#showAs(this.#asList);
  }

  /** As a list or as a drawing. */
  #showAs(list) {
    this.#asList = list;
    this.#list.hidden = !list;
    this.#canvas.hidden = list;
    this.#legend.hidden = list;
    this.#toggle.replaceChildren(icon(list ? "graph" : "list"), list ? "Drawing" : "List");
    if (list) return;
    const { x, y } = this.#drawing.middle;
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.scrollTo(WIDE.matches ? x - clientWidth / 2 : 0, WIDE.matches ? y - clientHeight / 2 : 0);
  }

  #listOf(node, children) {
    const below = children.get(node.id);
    const label = node.n ? `[${node.n}] ${node.label}` : node.label;
    const name =
      node.parent === null
        ? h("strong", {}, label)
        : h("button", { type: "button", class: "link", onclick: () => this.#choose(node) }, label);
    const told = node.words && h("span", { class: "why" }, `${node.words}: `);
    const kind = h("span", { class: "why" }, ` ${KINDS[node.kind] ?? node.kind}`);
    const inside = [told, name, kind, below.length > 0 && h("ul", {}, ...below.map((one) => h("li", {}, this.#listOf(one, children))))];
    const item = document.createDocumentFragment();
    item.append(...inside.filter(Boolean));
    return item;
  }
}

function toldOf(nodes, complete) {
  const [{ kind }] = nodes;
  if (nodes.length === 1) return kind === "question" ? "Nothing was searched for this answer." : "Nothing hangs on this.";
  const more = complete ? "" : ` The first ${nodes.length - 1} are shown, nearest first.`;
  return `Choose one to see what is around it.${more}`;
}

function legendOf(kind) {
  const mark = s("svg", { class: "graph", viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" });
  mark.append(markOf(kind));
  return h("li", {}, mark, KINDS[kind] ?? kind);
}

function button(name, label, onclick) {
  return h("button", { type: "button", class: "quiet", onclick }, icon(name), label);
}
