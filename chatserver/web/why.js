/** Why a passage was found, in plain words. Pure. */

const WAYS = { vector: "by meaning", keyword: "by words", graph: "by names" };
const REASON = /^(\w+)(?: #(\d+))?(?:: (.*))?$/s;

/**
 * @param {string} reason as `data-retrieval` tells it: `keyword #3`, `graph #1: mentions «P-101»`, `expansion: next …`
 * @returns {string} `3rd by words`; what is of another form stays as it is
 */
export function plainReason(reason) {
  const [, leg, rank, told] = REASON.exec(reason) ?? [];
  if (leg === "expansion" && told) return `linked: ${told}`;
  if (!(leg in WAYS) || !rank) return reason;
  return `${ordinal(Number(rank))} ${WAYS[leg]}${told ? `: ${told}` : ""}`;
}

/** @param {?{why?: string[]}} passage @returns {string[]} */
export const plainReasons = (passage) => (passage?.why ?? []).map(plainReason);

function ordinal(n) {
  const teen = n % 100 > 10 && n % 100 < 14;
  return `${n}${(!teen && { 1: "st", 2: "nd", 3: "rd" }[n % 10]) || "th"}`;
}
