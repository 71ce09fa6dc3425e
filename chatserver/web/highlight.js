/** Marks a quote in a shown text, whatever the spaces, line breaks and markup between its words. */

import { h } from "./dom.js";

/** @returns {boolean} whether the quote was found below `root` and is marked now */
export function markQuote(root, quote) {
  const nodes = textNodes(root);
  const pieces = findQuote(
    nodes.map((node) => node.data),
    quote,
  );
  for (const { index, start, end } of pieces) markPiece(nodes[index], start, end);
  return pieces.length > 0;
}

/**
 * Where a quote stands in a sequence of texts; spaces count nowhere, as markup and line breaks change them.
 * @param {string[]} texts
 * @param {string} quote
 * @returns {{index: number, start: number, end: number}[]} one piece for each text that it touches, none when it is
 *   not there
 */
export function findQuote(texts, quote) {
  const wanted = quote.replace(/\s/g, "");
  const places = texts.flatMap((text, index) => lettersOf(text).map((at) => ({ index, at })));
  const from = wanted
    ? places
        .map(({ index, at }) => texts[index][at])
        .join("")
        .indexOf(wanted)
    : -1;
  if (from < 0) return [];
  const pieces = [];
  for (const { index, at } of places.slice(from, from + wanted.length)) {
    if (pieces.at(-1)?.index === index) pieces.at(-1).end = at + 1;
    else pieces.push({ index, start: at, end: at + 1 });
  }
  return pieces;
}

const lettersOf = (text) => [...text.matchAll(/\S/g)].map(({ index }) => index);

function textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  return nodes;
}

function markPiece(node, start, end) {
  const quoted = node.splitText(start);
  quoted.splitText(end - start);
  quoted.replaceWith(h("mark", {}, quoted.data));
}
