/** What an answer states and none of the sources it cites carries. */

import { h, icon } from "./dom.js";

/**
 * Closed until somebody wants to know; nothing where all is carried, or nothing is stated.
 * @param {import("./client/transcript.js").Content} content
 * @returns {HTMLElement[]}
 */
export function unsupported({ grounding, parts }) {
  if (!grounding?.unsupported?.length) return [];
  const points = [...parts.map(({ text }) => text).join("")]; // offsets count code points
  const told = grounding.unsupported.map(({ start, end }) => points.slice(start, end).join(""));
  return [
    h(
      "details",
      { class: "steps grounding" },
      h("summary", {}, icon("info"), carried(grounding)),
      h("div", { class: "steps-body" }, h("p", {}, "Not found in a cited source:"), listOf(told)),
    ),
  ];
}

export const carried = ({ supported, statements }) =>
  `${supported} of ${statements} statements found in the sources they cite`;

const listOf = (statements) => h("ul", {}, ...statements.map((statement) => h("li", {}, plain(statement))));

/** Without Markdown's stars and our marks. */
const plain = (text) => text.replace(/\[\d+\]/g, "").replace(/[*_`|]+/g, " ").trim();
