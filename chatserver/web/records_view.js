/** Typed records as small tables, one for each collection. */

import { h, plural } from "./dom.js";

const MAX_COLUMNS = 8;

/** @param {{collection: string, id: string, fields: Record<string, unknown>}[]} records */
export function recordTables(records) {
  const names = [...new Set(records.map(({ collection }) => collection))];
  return names.map((name) =>
    recordTable(
      name,
      records.filter(({ collection }) => collection === name),
    ),
  );
}

function recordTable(collection, records) {
  const columns = [...new Set(records.flatMap(({ fields }) => Object.keys(fields)))]
    .filter((column) => column !== "id")
    .slice(0, MAX_COLUMNS);
  const rows = records.map(({ id, fields }) =>
    h("tr", {}, h("th", { scope: "row" }, id), ...columns.map((column) => valueCell(fields[column]))),
  );
  const heads = ["id", ...columns].map((column) => h("th", { scope: "col" }, column));
  return h(
    "div",
    { class: "table records", tabindex: 0, role: "region", "aria-label": `Records: ${collection}` },
    h(
      "table",
      {},
      h("caption", {}, h("b", {}, collection), ` ${plural(records.length, "record")}`),
      h("thead", {}, h("tr", {}, ...heads)),
      h("tbody", {}, ...rows),
    ),
  );
}

function valueCell(value) {
  return h("td", { class: typeof value === "number" ? "align-right" : null }, valueText(value));
}

/** A field's value as a reader sees it: times without the `T`, nothing as a dash. */
export function valueText(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value.replace(/^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:\.\d+)?/, "$1 $2$3");
  return String(value);
}
