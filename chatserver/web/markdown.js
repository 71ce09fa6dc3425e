/**
 * Markdown to a tree of plain objects: the blocks and spans that models write, nothing else. Pure.
 *
 * Safe by construction: the tree has text, a fixed set of node types and checked link targets; HTML is text. Every
 * line keeps its offset in the source (`at`), so that a citation mark `[n]` knows where it stands. Time is linear in
 * the text, nesting is bounded.
 */

import { parseInline } from "./inline.js";

/**
 * @typedef {{text: string, at: number}} Line
 * @typedef {{type: string, source?: string, level?: number, text?: string, language?: string, ordered?: boolean,
 *   start?: number, inline?: object[], blocks?: Block[], items?: Block[][], head?: object[][], rows?: object[][][],
 *   aligns?: string[]}} Block
 */

const MAX_DEPTH = 12;

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+|$)/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?: +(?=\S)| *$)/;
const DELIMITERS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/**
 * @param {string} source
 * @returns {Block[]} top-level blocks; `source` and `at` of each say what it was made from
 */
export function parse(source) {
  return readBlocks(linesOf(source), 0);
}

function linesOf(source) {
  let at = 0;
  return source.split("\n").map((told) => {
    const text = told.replace(/^[ \t]+/, (margin) => margin.replaceAll("\t", "    "));
    const line = { text, at: at + told.length - text.length }; // right for all that follows the margin
    at += told.length + 1;
    return line;
  });
}

const isBlank = ({ text }) => text.trim() === "";
const cut = ({ text, at }, count) => ({ text: text.slice(count), at: at + count });
const indent = ({ text }) => text.length - text.trimStart().length;

/** Readers of one block each: from lines and an index to `[block, next index]`, or null when it is another kind. */
const READERS = [readFence, readHeading, readRule, readQuote, readList, readTable];

function readBlocks(lines, depth) {
  const blocks = [];
  let index = 0;
  while (index < lines.length) {
    if (isBlank(lines[index])) {
      index += 1;
      continue;
    }
    const [block, next] = readBlock(lines, index, depth);
    const told = lines.slice(index, next);
    blocks.push({ ...block, at: told[0].at, source: told.map(({ text }) => text).join("\n") });
    index = next;
  }
  return blocks;
}

function readBlock(lines, index, depth) {
  for (const read of depth < MAX_DEPTH ? READERS : []) {
    const found = read(lines, index, depth);
    if (found) return found;
  }
  return readParagraph(lines, index, depth);
}

function readFence(lines, index) {
  const open = FENCE.exec(lines[index].text);
  if (!open) return null;
  const [, fence, info] = open;
  const margin = indent(lines[index]);
  const closes = ({ text }) =>
    text.trim().length >= fence.length && text.trim() === fence[0].repeat(text.trim().length);
  let last = index + 1;
  while (last < lines.length && !closes(lines[last])) last += 1;
  const body = lines.slice(index + 1, last).map((line) => line.text.slice(Math.min(margin, indent(line))));
  return [
    { type: "code", language: info.trim().split(" ")[0], text: body.join("\n") },
    Math.min(last + 1, lines.length),
  ];
}

function readHeading(lines, index) {
  const mark = HEADING.exec(lines[index].text);
  if (!mark) return null;
  const line = cut(lines[index], mark[0].length);
  const bare = line.text.trimEnd();
  const text = / #+$/.test(` ${bare}`) ? bare.slice(0, bare.search(/#+$/)).trimEnd() : bare;
  return [{ type: "heading", level: mark[1].length, inline: parseInline([{ text, at: line.at }]) }, index + 1];
}

function readRule(lines, index) {
  return RULE.test(lines[index].text) ? [{ type: "rule" }, index + 1] : null;
}

function readQuote(lines, index, depth) {
  if (!QUOTE.test(lines[index].text)) return null;
  const inner = [];
  let next = index;
  while (next < lines.length && (QUOTE.test(lines[next].text) || continuesParagraph(lines, next))) {
    const mark = QUOTE.exec(lines[next].text);
    inner.push(mark ? cut(lines[next], mark[0].length) : lines[next]);
    next += 1;
  }
  return [{ type: "quote", blocks: readBlocks(inner, depth + 1) }, next];
}

/** A line without its container's mark that goes on with the paragraph before it. */
function continuesParagraph(lines, index) {
  return index > 0 && !isBlank(lines[index]) && !isBlank(lines[index - 1]) && !startsBlock(lines, index);
}

function startsBlock(lines, index) {
  const { text } = lines[index];
  return [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(text));
}

const isOrdered = (mark) => /\d/.test(mark);

function readList(lines, index, depth) {
  const first = ITEM.exec(lines[index].text);
  if (!first || RULE.test(lines[index].text)) return null;
  const ordered = isOrdered(first[2]);
  const items = [];
  let next = index;
  for (;;) {
    const mark = next < lines.length ? ITEM.exec(lines[next].text) : null;
    if (!mark || isOrdered(mark[2]) !== ordered || RULE.test(lines[next].text)) break;
    const [item, after] = readItem(lines, next, mark, depth);
    items.push(item);
    next = after;
  }
  const start = ordered ? Number.parseInt(first[2], 10) : 1;
  return [{ type: "list", ordered, start, items }, next];
}

function readItem(lines, index, mark, depth) {
  // Two columns are enough to belong to an item: models indent below "1." by two as often as by three.
  const needed = mark[1].length + 2;
  const inner = [cut(lines[index], mark[0].length)];
  let next = index + 1;
  while (next < lines.length && belongs(lines, next, needed)) {
    const line = lines[next];
    inner.push(cut(line, Math.min(indent(line), mark[0].length, line.text.length)));
    next += 1;
  }
  return [readBlocks(inner, depth + 1), next];
}

function belongs(lines, index, needed) {
  if (!isBlank(lines[index])) return indent(lines[index]) >= needed || continuesParagraph(lines, index);
  const after = lines.slice(index + 1, index + 3).find((line) => !isBlank(line));
  return after !== undefined && (indent(after) >= needed || ITEM.test(after.text));
}

function readTable(lines, index) {
  const rule = lines[index + 1];
  if (!rule || !lines[index].text.includes("|") || !rule.text.includes("-") || !DELIMITERS.test(rule.text)) return null;
  const head = cellsOf(lines[index]);
  const aligns = cellsOf(rule).map(({ text }) => alignOf(text));
  if (head.length !== aligns.length) return null;
  const rows = [];
  let next = index + 2;
  while (next < lines.length && lines[next].text.includes("|") && !startsBlock(lines, next)) {
    const cells = cellsOf(lines[next]);
    rows.push(head.map((_, column) => parseInline(cells[column] ? [cells[column]] : [])));
    next += 1;
  }
  return [{ type: "table", aligns, head: head.map((cell) => parseInline([cell])), rows }, next];
}

function cellsOf(line) {
  const cells = [];
  let from = 0;
  for (let index = 0; index <= line.text.length; index += 1) {
    if (index < line.text.length && (line.text[index] !== "|" || line.text[index - 1] === "\\")) continue;
    const cell = cut({ text: line.text.slice(0, index), at: line.at }, from);
    cells.push({ text: cell.text.trim(), at: cell.at + indent(cell) });
    from = index + 1;
  }
  if (cells.length > 1 && cells[0].text === "") cells.shift();
  if (cells.length > 1 && cells.at(-1).text === "") cells.pop();
  return cells;
}

function alignOf(text) {
  if (text.endsWith(":")) return text.startsWith(":") ? "center" : "right";
  return "left";
}

function readParagraph(lines, index, depth) {
  let next = index + 1;
  while (next < lines.length && !isBlank(lines[next]) && !interrupts(lines, next, depth)) next += 1;
  const told = lines.slice(index, next).map((line) => cut(line, indent(line)));
  return [{ type: "paragraph", inline: parseInline(told) }, next];
}

function interrupts(lines, index, depth) {
  return depth < MAX_DEPTH && (startsBlock(lines, index) || readTable(lines, index) !== null);
}
