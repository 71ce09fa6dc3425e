/** What the server did for an answer: the decision, each retrieval leg, the passages and records, the time. */

import { h, icon, plural } from "./dom.js";
import { carried } from "./grounding_view.js";
import { recordTables } from "./records_view.js";
import { plainReasons } from "./why.js";

const LEGS = {
  vector: "meaning",
  keyword: "words",
  graph: "names",
  expansion: "links",
  facts: "relations",
  records: "typed records",
};
const LEG_STATES = { ok: "found", late: "too late", failed: "failed" };

export class StepsView {
  element = h("details", { class: "steps" });
  #summary = h("summary");
  #body = h("div", { class: "steps-body" });
  #records = h("details", { class: "steps" });
  #shown = null;

  /**
   * @param {(source: {sourceId: string, title: string}) => void} openSource
   * @param {(from: HTMLElement) => void} showFound shows how the sources were found
   */
  constructor(openSource, showFound) {
    this.openSource = openSource;
    this.showFound = showFound;
    this.element.append(this.#summary, this.#body);
    this.element.hidden = true;
  }

  /** The records found, to be shown beside the steps. */
  get records() {
    return this.#records;
  }

  /** @param {import("./client/transcript.js").Content} content */
  update({ decision, retrieval, records, grounding, timing }) {
    const state = [decision, retrieval, records, grounding, timing];
    if (this.#shown?.every((value, index) => value === state[index])) return;
    this.#shown = state;
    this.element.hidden = decision === null && retrieval === null;
    this.#summary.replaceChildren(...summary(decision, retrieval));
    this.#body.replaceChildren(...this.#details(decision, retrieval, grounding, timing));
    this.#records.hidden = records.length === 0;
    this.#records.replaceChildren(h("summary", {}, icon("table"), recordSummary(records)), ...recordTables(records));
  }

  #details(decision, retrieval, grounding, timing) {
    return [
      decision?.query && h("p", { class: "query" }, `Understood as: ${decision.query}`),
      decision?.reason && h("p", {}, `Decision${by(decision)}: ${decision.kind}. ${sentence(decision.reason)}`),
      retrieval?.asked?.length > 0 && h("p", {}, `Asked of the records (by ${retrieval.planned_by}): ${retrieval.asked.join("; ")}.`),
      retrieval?.legs?.length > 0 && legTable(retrieval.legs),
      retrieval?.passages?.length > 0 && this.#passages(retrieval.passages),
      retrieval && timing && this.#graphButton(),
      retrieval?.facts?.length > 0 && factList(retrieval.facts),
      grounding?.statements > 0 && h("p", {}, `${carried(grounding)}.`),
      timing && h("p", { class: "timing" }, timingText(timing)),
    ].filter(Boolean);
  }

  #passages(passages) {
    const items = passages.map((passage) =>
      h(
        "li",
        { value: passage.n },
        h("button", { type: "button", class: "link", onclick: () => this.#open(passage) }, passage.title),
        h("span", { class: "why" }, ` ${plainReasons(passage).join(" · ")}`),
      ),
    );
    return h("ol", { class: "passages" }, ...items);
  }

  #graphButton() {
    const open = () => this.showFound(button);
    const button = h("button", { type: "button", class: "quiet", onclick: open }, icon("graph"), "How these were found");
    return button;
  }

  #open({ id, n, title }) {
    this.openSource({ sourceId: id, n, title });
  }
}

const by = (decision) => (decision.by === "model" ? " (by the model)" : "");

function summary(decision, retrieval) {
  if (retrieval) {
    const found = `Found ${plural(retrieval.passages.length, "passage")}`;
    return [icon("search"), found, ...retrieval.legs.map(legChip)];
  }
  if (decision?.kind === "retrieve") return [icon("search"), "Searching…"];
  return [icon("info"), "Answered without a search"];
}

function recordSummary(records) {
  const collections = [...new Set(records.map(({ collection }) => collection))];
  return `${plural(records.length, "record")} of ${collections.join(", ")}`;
}

function legChip({ leg, state, ms, hits }) {
  const told = state === "ok" ? `${Math.round(ms)} ms` : (LEG_STATES[state] ?? state);
  const title = `${leg}: ${LEG_STATES[state] ?? state}, ${plural(hits, "hit")} in ${Math.round(ms)} ms`;
  return h("span", { class: `leg leg-${state}`, title }, icon(state === "ok" ? "check" : "warning"), `${leg} ${told}`);
}

function legTable(legs) {
  const head = ["Leg", "Searches by", "State", "Hits", "Time"].map((name, column) =>
    h("th", { scope: "col", class: column > 2 ? "align-right" : null }, name),
  );
  const rows = legs.map(({ leg, state, hits, ms, code }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, leg),
      h("td", {}, LEGS[leg] ?? leg),
      h("td", {}, (LEG_STATES[state] ?? state) + (code ? ` (${code})` : "")),
      h("td", { class: "align-right" }, String(hits)),
      h("td", { class: "align-right" }, `${ms.toFixed(1)} ms`),
    ),
  );
  return h(
    "div",
    { class: "table", tabindex: 0, role: "region", "aria-label": "Retrieval" },
    h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)),
  );
}

function factList(facts) {
  const items = facts.map(({ subject, relation, object }) => h("li", {}, `${subject} ${relation} ${object}`));
  return h("ul", { class: "facts" }, ...items);
}

/** The times of the timing entry by their names, and the model. */
function timingText(timing) {
  const times = Object.entries(timing).filter(([name]) => name.endsWith("_ms"));
  const told = times.map(([name, ms]) => `${name.slice(0, -3).replaceAll("_", " ")} ${Math.round(ms)} ms`);
  return [...told, ...(timing.model ? [`model ${timing.model}`] : [])].join(" · ");
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
