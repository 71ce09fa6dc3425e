/**
 * The spans inside a Markdown block: code, emphasis, links, citation marks, line breaks. Pure.
 *
 * One pass turns the text into nodes and delimiter runs; a second one pairs the runs as CommonMark does (without its
 * multiple-of-three rule). A closer that finds its opener consumes all between, so both passes are linear.
 */

const MAX_DEPTH = 12;

const CITE = /\[(\d{1,3})\](?![(\w])/y;
const TARGET = /\([ ]*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?: +"[^"]*")?[ ]*\)/y;
const URL_TEXT = /https?:\/\/[^\s<>"'\])|*`]+/y;
const ANGLE = /<((?:https?:\/\/|mailto:)[^\s<>]*)>/y;
const BREAK_TAG = /<br ?\/?>/iy;
const PLAIN = /[^\\`*_~[\]!<h\n]+/y;
const WORD = /[\p{L}\p{N}]/u;
const SPACE = /\s/;
const ESCAPABLE = /[!-/:-@[-`{-~]/;

/**
 * @typedef {{type: "text"|"code"|"strong"|"em"|"del"|"link"|"cite"|"break", text?: string, href?: string,
 *   children?: Inline[], n?: number, at?: number}} Inline
 */

/**
 * @param {import("./markdown.js").Line[]} lines of one block
 * @returns {Inline[]}
 */
export function parseInline(lines) {
  const text = lines.map((line) => line.text).join("\n");
  return new Scanner(text, positions(lines)).read(0, text.length, false);
}

/** From an index into the joined lines to the offset in the source. */
function positions(lines) {
  const starts = [];
  let from = 0;
  for (const { text, at } of lines) {
    starts.push({ from, at });
    from += text.length + 1;
  }
  return (index) => {
    let low = 0;
    for (let high = starts.length - 1; low < high;) {
      const middle = Math.ceil((low + high) / 2);
      if (starts[middle].from <= index) low = middle;
      else high = middle - 1;
    }
    return starts[low].at + index - starts[low].from;
  };
}

/** The link's target when it may be followed, else null: only web and mail addresses, nothing that runs. */
export function safeTarget(href) {
  return /^(?:https?:\/\/|mailto:)/i.test(href) && URL.canParse(href) ? href : null;
}

class Scanner {
  constructor(text, position) {
    this.text = text;
    this.position = position;
    this.brackets = matchBrackets(text);
    this.ticks = indexTicks(text);
  }

  read(from, to, inLink) {
    const tokens = [];
    let index = from;
    while (index < to) index = this.#special(index, to, inLink, tokens) ?? this.#plain(index, to, tokens);
    return pair(tokens);
  }

  #plain(index, to, tokens) {
    const run = this.#match(PLAIN, index, to);
    const text = run ? run[0] : this.text[index];
    tokens.push({ type: "text", text });
    return index + text.length;
  }

  #match(pattern, index, to) {
    pattern.lastIndex = index;
    const found = pattern.exec(this.text);
    return found && index + found[0].length <= to ? found : null;
  }

  /** Reads what begins here; the index after it, or null when it is plain text. */
  #special(index, to, inLink, tokens) {
    switch (this.text[index]) {
      case "\\":
        return this.#escape(index, to, tokens);
      case "`":
        return this.#code(index, to, tokens);
      case "*":
      case "_":
      case "~":
        return this.#delimiter(index, to, tokens);
      case "[":
        return this.#cite(index, to, tokens) ?? (inLink ? null : this.#link(index, to, tokens));
      case "!": // an image is never fetched: it becomes a link to itself
        return this.text[index + 1] === "[" && !inLink ? this.#link(index + 1, to, tokens) : null;
      case "<":
        return this.#break(index, to, tokens) ?? (inLink ? null : this.#angle(index, to, tokens));
      case "h":
        return inLink ? null : this.#address(index, to, tokens);
      case "\n":
        return this.#newline(index, tokens);
      default:
        return null;
    }
  }

  #escape(index, to, tokens) {
    const next = this.text[index + 1];
    if (index + 1 >= to) return null;
    if (next === "\n") tokens.push({ type: "break" });
    else if (ESCAPABLE.test(next)) tokens.push({ type: "text", text: next });
    else return null;
    return index + 2;
  }

  #code(index, to, tokens) {
    const length = this.ticks.get(index);
    const close = length === undefined ? undefined : this.ticks.next(index, length);
    if (close !== undefined && close + length <= to) {
      const text = this.text.slice(index + length, close).replaceAll("\n", " ");
      const padded = text.length > 2 && text.startsWith(" ") && text.endsWith(" ");
      tokens.push({ type: "code", text: padded ? text.slice(1, -1) : text });
      return close + length;
    }
    const run = length ?? 1;
    tokens.push({ type: "text", text: "`".repeat(run) });
    return index + run;
  }

  #delimiter(index, to, tokens) {
    const mark = this.text[index];
    let end = index;
    while (end < to && this.text[end] === mark) end += 1;
    const count = end - index;
    const before = this.text[index - 1] ?? " ";
    const after = end < this.text.length ? this.text[end] : " ";
    const opens = flanks(before, after);
    const closes = flanks(after, before);
    const inWord = mark === "_" && WORD.test(before) && WORD.test(after);
    if ((mark === "~" && count !== 2) || inWord) tokens.push({ type: "text", text: mark.repeat(count) });
    else tokens.push({ mark, count, opens, closes });
    return end;
  }

  #cite(index, to, tokens) {
    const found = this.#match(CITE, index, to);
    if (!found) return null;
    tokens.push({ type: "cite", n: Number(found[1]), text: found[0], at: this.position(index) });
    return index + found[0].length;
  }

  #link(index, to, tokens) {
    const close = this.brackets.get(index);
    if (close === undefined || close >= to) return null;
    const target = this.#match(TARGET, close + 1, to);
    const href = target && safeTarget(target[1]);
    if (!href) return null;
    tokens.push({ type: "link", href, children: this.read(index + 1, close, true) });
    return close + 1 + target[0].length;
  }

  #break(index, to, tokens) {
    const found = this.#match(BREAK_TAG, index, to);
    if (!found) return null;
    tokens.push({ type: "break" });
    return index + found[0].length;
  }

  #angle(index, to, tokens) {
    const found = this.#match(ANGLE, index, to);
    if (!found || !safeTarget(found[1])) return null;
    tokens.push({ type: "link", href: found[1], children: [{ type: "text", text: found[1] }] });
    return index + found[0].length;
  }

  #address(index, to, tokens) {
    if (index > 0 && WORD.test(this.text[index - 1])) return null;
    const found = this.#match(URL_TEXT, index, to);
    const href = found?.[0].replace(/[.,:;!?]+$/, "");
    if (!href || !safeTarget(href)) return null;
    tokens.push({ type: "link", href, children: [{ type: "text", text: href }] });
    return index + href.length;
  }

  /** Two spaces before the end of a line break it; else a line's end is a space. */
  #newline(index, tokens) {
    const hard = this.text.slice(Math.max(0, index - 2), index) === "  ";
    tokens.push(hard ? { type: "break" } : { type: "text", text: "\n" });
    return index + 1;
  }
}

/** Whether a run between these two characters can open (swapped: close) emphasis: CommonMark's flanking rule. */
function flanks(before, after) {
  const punctuation = (char) => !WORD.test(char) && !SPACE.test(char);
  return !SPACE.test(after) && (!punctuation(after) || SPACE.test(before) || punctuation(before));
}

function matchBrackets(text) {
  const pairs = new Map();
  const open = [];
  for (let index = 0; index < text.length; index += 1) {
    if (text[index] === "\\") index += 1;
    else if (text[index] === "[") open.push(index);
    else if (text[index] === "]" && open.length) pairs.set(open.pop(), index);
  }
  return pairs;
}

/** Runs of backticks: the length of the one at an index, and the next of the same length. */
function indexTicks(text) {
  const lengths = new Map();
  const following = new Map();
  const last = new Map();
  for (const { 0: run, index } of text.matchAll(/`+/g)) {
    lengths.set(index, run.length);
    const before = last.get(run.length);
    if (before !== undefined) following.set(before, index);
    last.set(run.length, index);
  }
  return { get: (index) => lengths.get(index), next: (index) => following.get(index) };
}

const asText = (token) => (token.mark ? { type: "text", text: token.mark.repeat(token.count) } : token);
const depthOf = (nodes) => nodes.reduce((deepest, node) => Math.max(deepest, node.depth ?? 0), 0);

/** Pairs delimiter runs; what stays unpaired is text. `waiting` counts the openers in `out`. */
function pair(tokens) {
  const out = [];
  const waiting = { "*": 0, _: 0, "~": 0 };
  for (const token of tokens) {
    if (!token.mark) out.push(token);
    else closeAndOpen(out, waiting, { ...token });
  }
  return merge(out.map(asText));
}

function closeAndOpen(out, waiting, run) {
  while (run.closes && run.count > 0 && waiting[run.mark] > 0) {
    let from = out.length - 1;
    while (out[from].mark !== run.mark) {
      if (out[from].mark) waiting[out[from].mark] -= 1;
      from -= 1;
    }
    wrap(out, waiting, from, run);
  }
  if (run.count === 0) return;
  if (run.opens) waiting[run.mark] += 1;
  out.push(run.opens ? run : asText(run));
}

function wrap(out, waiting, from, run) {
  const opener = out[from];
  const width = run.mark === "~" || Math.min(opener.count, run.count) >= 2 ? 2 : 1;
  const inner = out.splice(from + 1).map(asText);
  opener.count -= width;
  run.count -= width;
  if (opener.count === 0) {
    out.pop();
    waiting[run.mark] -= 1;
  }
  const depth = depthOf(inner) + 1;
  if (depth > MAX_DEPTH) return out.push(...inner);
  const type = run.mark === "~" ? "del" : width === 2 ? "strong" : "em";
  return out.push({ type, depth, children: merge(inner) });
}

/** Neighbouring texts as one, without the marks of the algorithm. */
function merge(nodes) {
  const out = [];
  for (const { depth, ...node } of nodes) {
    const last = out.at(-1);
    if (node.type === "text" && last?.type === "text") out[out.length - 1] = { ...last, text: last.text + node.text };
    else out.push(node);
  }
  return out;
}
