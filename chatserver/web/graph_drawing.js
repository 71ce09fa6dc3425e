/** A tree of the graph as an SVG drawing: pointed at or reached by the arrow keys, a node is chosen. */

import { s } from "./dom.js";
import { childrenOf, mindMap, outline } from "./graph_layout.js";

export const KINDS = { question: "Question", passage: "Passage", entity: "Name", document: "Document", record: "Record" };

const MARKS = {
  entity: "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
  passage: "M-5-5h10v10h-10z",
  document: "M-4.5-6h6l3 3v9h-9z",
  record: "M0-6.5L6.5 0 0 6.5-6.5 0z",
  question: "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
};
const FONT = 'system-ui, "Liberation Sans", sans-serif';
const LABEL_AT = 12;
const LONGEST = { label: 236, centre: 270 };
const PADDING = 14;
const LEAST_SCALE = 0.85;

const ruler = document.createElement("canvas").getContext("2d");

/** @param {string} kind @returns {SVGElement} the mark of this kind of node, as it stands in the legend */
export const markOf = (kind) => s("path", { class: `mark mark-${kind}`, d: MARKS[kind] ?? MARKS.entity });

export class GraphDrawing {
  element = s("svg", { class: "graph", role: "group", "aria-roledescription": "graph" });
  #onChoose;
  #nodes = [];
  #groups = new Map();
  #ways = [];
  #places = new Map();
  #scale = 1;

  /** @param {(node: import("./graph_layout.js").Node) => void} onChoose */
  constructor(onChoose) {
    this.#onChoose = onChoose;
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * @param {{nodes: import("./graph_layout.js").Node[], edges: object[]}} view
   * @param {{narrow: boolean, room: number}} options `room`: how many pixels wide
   */
  show({ nodes, edges }, { narrow, room }) {
    const labels = new Map(nodes.map((node) => [node.id, labelOf(node, narrow ? room : Infinity)]));
    const widths = { node: ({ id }) => labels.get(id).width, heading: headingWidth };
    const { places, headings, box } = narrow ? outline(nodes, widths) : mindMap(nodes, widths);
    [this.#nodes, this.#places] = [nodes, places];
    const { left, top, width, height } = box;
    this.#scale = narrow ? 1 : Math.max(LEAST_SCALE, Math.min(1, room / width));
    const size = { width: width * this.#scale, height: height * this.#scale };
    for (const [name, value] of Object.entries({ viewBox: `${left} ${top} ${width} ${height}`, ...size }))
      this.element.setAttribute(name, value);
    this.element.classList.toggle("narrow", narrow);
    this.element.setAttribute("aria-label", `Graph around ${nodes[0].label}`);
    const bend = narrow ? elbow : curve;
    this.#ways = [
      ...nodes.slice(1).map(({ id, parent }) => this.#way(parent, id, bend(places.get(parent), places.get(id)))),
      ...edges.map((edge) => this.#beside(edge, narrow)),
    ];
    this.#groups = new Map(nodes.map((node) => [node.id, this.#group(node, labels.get(node.id).text)]));
    this.element.replaceChildren(...this.#ways.map(({ path }) => path), ...headings.map(headingOf), ...this.#groups.values());
    this.#reachable(nodes[0].id);
  }

  /** Where the centre is in the drawing, in pixels. */
  get middle() {
    const { x, y } = this.#places.get(this.#nodes[0].id);
    const [left, top] = this.element.getAttribute("viewBox").split(" ").map(Number);
    return { x: (x - left) * this.#scale, y: (y - top) * this.#scale };
  }

  /** To the centre. */
  focus() {
    this.#groups.get(this.#nodes[0].id).focus({ preventScroll: true });
  }

  #way(source, target, d, props = {}) {
    return { ends: [source, target], path: s("path", { class: "way", d, ...props }) };
  }

  #beside({ source, target, relation }, narrow) {
    const [from, to] = [this.#places.get(source), this.#places.get(target)];
    const reach = narrow ? -14 : 40 * Math.sign(from.x + to.x || 1);
    const d = `M${from.x} ${from.y}C${from.x - reach} ${from.y} ${to.x - reach} ${to.y} ${to.x} ${to.y}`;
    const way = this.#way(source, target, d, { class: "way beside" });
    way.path.append(s("title", {}, relation.toLowerCase().replaceAll("_", " ")));
    return way;
  }

  #group(node, text) {
    const { x, y, width, side } = this.#places.get(node.id);
    const number = node.n ? `, source ${node.n}` : "";
    const told = `${node.label}, ${KINDS[node.kind] ?? node.kind}${number}${node.words ? `, ${node.words}` : ""}`;
    const inside =
      side === 0
        ? [
            s("rect", { class: "pill", x: -width / 2, y: -15, width, height: 30, rx: 15 }),
            s("text", { x: 0, y: 0, "text-anchor": "middle" }, text),
          ]
        : [
            s("rect", { class: "target", x: side > 0 ? -8 : -width, y: -12, width: width + 8, height: 24, rx: 8 }),
            markOf(node.kind),
            s("text", { x: side * LABEL_AT, y: 0, "text-anchor": side > 0 ? "start" : "end" }, text),
          ];
    const choose = () => this.#onChoose(node);
    const props = { class: `node kind-${node.kind}`, transform: `translate(${x} ${y})`, role: "button", tabindex: -1 };
    return s(
      "g",
      {
        ...props,
        "aria-label": told,
        "data-id": node.id,
        onclick: choose,
        onfocus: () => this.#light(node.id),
        onmouseenter: () => this.#light(node.id),
        onmouseleave: () => this.#light(null),
      },
      s("title", {}, told),
      ...inside,
    );
  }

  /** Shows the way to a node, and what else leads there. */
  #light(id) {
    const lit = new Set();
    const parents = new Map(this.#nodes.map((node) => [node.id, node.parent]));
    for (let at = id; at && parents.get(at); at = parents.get(at)) lit.add(at);
    this.#ways.forEach(({ ends: [source, target], path }) => {
      const beside = path.classList.contains("beside");
      path.classList.toggle("lit", id !== null && (beside ? [source, target].includes(id) : lit.has(target)));
    });
  }

  /** One node at a time is in the order of the Tab key; the arrows lead to the others. */
  #reachable(id) {
    for (const [key, group] of this.#groups) group.setAttribute("tabindex", key === id ? 0 : -1);
  }

  #key(event) {
    const id = event.target.closest?.("[data-id]")?.dataset.id;
    const node = this.#nodes.find((one) => one.id === id);
    if (!node) return;
    if (event.key === "Enter" || event.key === " ") this.#onChoose(node);
    else if (!this.#move(node, event.key)) return;
    event.preventDefault();
  }

  /** Up and down to the next node that is drawn on this side, left and right along the branches. */
  #move(node, key) {
    const next = this.#next(node, key);
    if (next === undefined) return key.startsWith("Arrow");
    this.#reachable(next);
    this.#groups.get(next).focus();
    return true;
  }

  #next(node, key) {
    const { y, side } = this.#places.get(node.id);
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (step) return this.#nearest(([, at]) => (at.y - y) * step > 0 && (side === 0 || at.side === side), y, node.depth);
    const out = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (!out) return undefined;
    if (side !== 0 && out !== side) return node.parent ?? undefined;
    const below = childrenOf(this.#nodes).get(node.id);
    return below.find(({ id }) => this.#places.get(id).side === out)?.id;
  }

  #nearest(fits, y, depth) {
    const depths = new Map(this.#nodes.map((node) => [node.id, node.depth]));
    const near = [...this.#places].filter(fits).map(([id, at]) => [Math.abs(at.y - y), Math.abs(depths.get(id) - depth), id]);
    return near.sort((a, b) => a[0] - b[0] || a[1] - b[1])[0]?.[2];
  }
}

function labelOf(node, room) {
  const centre = node.parent === null;
  const longest = Math.min(centre ? LONGEST.centre : LONGEST.label, room - node.depth * 22 - 64);
  ruler.font = `${centre ? "600 " : ""}13.5px ${FONT}`;
  const whole = node.n ? `${node.n}  ${node.label}` : node.label;
  const text = shortened(whole, longest);
  const width = ruler.measureText(text).width;
  return { text, width: centre ? width + 2 * PADDING : LABEL_AT + width + 6 };
}

function shortened(text, longest) {
  if (ruler.measureText(text).width <= longest) return text;
  let kept = text;
  while (kept && ruler.measureText(`${kept}…`).width > longest) kept = kept.slice(0, -1);
  return `${kept.trimEnd()}…`;
}

function headingWidth(text) {
  ruler.font = `11.5px ${FONT}`;
  return ruler.measureText(text).width;
}

const headingOf = ({ x, y, side, text }) =>
  s("text", { class: "heading", x: x - side * 5, y: y + 3, "text-anchor": side > 0 ? "start" : "end" }, text);

/** From the end of the parent's label to the child's mark. */
function curve(parent, child) {
  const from = parent.side === 0 ? child.side * (parent.width / 2) : parent.x + child.side * parent.width;
  const to = child.x - child.side * 8;
  const middle = (from + to) / 2;
  return `M${from} ${parent.y}C${middle} ${parent.y} ${middle} ${child.y} ${to} ${child.y}`;
}

/** From under the parent's mark down and to the child's mark. */
function elbow(parent, child) {
  const x = child.x - 22 + (parent.side === 0 ? 8 : 0);
  return `M${x} ${parent.y + (parent.side === 0 ? 15 : 8)}V${child.y}H${child.x - 8}`;
}
