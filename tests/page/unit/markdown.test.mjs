import assert from "node:assert/strict";
import { test } from "node:test";

import { safeTarget } from "../../../chatserver/web/inline.js";
import { parse } from "../../../chatserver/web/markdown.js";
import { pick, seeded } from "./random.mjs";

/** A tree in short: `p(a strong(b))`. */
function brief(node) {
  if (Array.isArray(node)) return node.map(brief).join(" ");
  const { type } = node;
  if (type === "text") return node.text;
  if (type === "cite") return `cite(${node.n})`;
  if (type === "code") return `code(${node.text})`;
  if (type === "table") return `table(${[node.head, ...node.rows].map((row) => row.map(brief).join("|")).join("/")})`;
  if (type === "list") return `${node.ordered ? "ol" : "ul"}(${node.items.map((item) => `[${brief(item)}]`).join("")})`;
  if (type === "link") return `link(${node.href} ${brief(node.children)})`;
  if (type === "break" || type === "rule") return type;
  return `${{ paragraph: "p", heading: `h${node.level}` }[type] ?? type}(${brief(node.inline ?? node.blocks ?? node.children)})`;
}

const CASES = [
  ["A paragraph goes over lines until a blank one.", "a\nb\n\nc", "p(a\nb) p(c)"],
  ["Headings have one to six marks and may be closed.", "# A\n###### B ##\n#no", "h1(A) h6(B) p(#no)"],
  ["A rule is three marks.", "---\n* * *", "rule rule"],
  ["Emphasis nests.", "a **b *c* d** _e_ ~~f~~", "p(a  strong(b  em(c)  d)   em(e)   del(f))"],
  ["Underscores inside words and lonely stars are text.", "pump_p_101 2 * 3 **x", "p(pump_p_101 2 * 3 **x)"],
  ["Code keeps what is in it.", "`a *b* [1]` ``x ` y``", "p(code(a *b* [1])   code(x ` y))"],
  [
    "A fence goes to its end, or to the end of what has come so far.",
    "```py\n# x\n\n*y*\n```\nz\n~~~\nq",
    "code(# x\n\n*y*) p(z) code(q)",
  ],
  [
    "Lists nest by indentation, with two columns as with three.",
    "1. a\n  - b\n2. c\n   d",
    "ol([p(a) ul([p(b)])][p(c\nd)])",
  ],
  ["An item may hold more blocks.", "- a\n\n  b\n- c", "ul([p(a) p(b)][p(c)])"],
  ["A quote may go on lazily.", "> a\nb\n> - c", "quote(p(a\nb) ul([p(c)]))"],
  [
    "A table needs its rule, and rows are cut or filled to its columns.",
    "| a | b |\n|---|:-:|\n| 1 \\| 2 |\n| 3 | 4 | 5 |",
    "table(a|b/1 | 2|/3|4)",
  ],
  ["Lines with bars but without a rule are text.", "a | b\nc | d", "p(a | b\nc | d)"],
  [
    "Marks are citations, also side by side, but not in links.",
    "a [1][2] [12](https://x.y/) [b]",
    "p(a  cite(1) cite(2)   link(https://x.y/ 12)  [b])",
  ],
  [
    "Links may have titles and brackets.",
    '[a *b*](https://x.y/(z) "t") <https://q.r>',
    "p(link(https://x.y/(z) a  em(b))   link(https://q.r https://q.r))",
  ],
  [
    "Bare addresses are links without the sentence's own marks.",
    "See https://x.y/a_b_c. Or (http://z.w).",
    "p(See  link(https://x.y/a_b_c https://x.y/a_b_c) . Or ( link(http://z.w http://z.w) ).)",
  ],
  ["An image is a link to itself: nothing is fetched.", "![alt](https://x.y/i.png)", "p(link(https://x.y/i.png alt))"],
  ["HTML is text, but for a line break.", "<b>a</b><br>c <script>", "p(<b>a</b> break c <script>)"],
  [
    "A backslash or two spaces break a line, and a backslash takes a mark's meaning.",
    "a\\\nb  \nc \\*d\\*",
    "p(a break b   break c *d*)",
  ],
];

for (const [sentence, source, tree] of CASES) {
  test(sentence, () => assert.equal(brief(parse(source)), tree));
}

test("Only web and mail addresses are targets.", () => {
  for (const href of ["https://a.b", "HTTP://a.b", "mailto:a@b.c"]) assert.equal(safeTarget(href), href);
  const refused = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///x",
    "//a.b",
    "/a",
    "a",
    "",
    "https://",
    "\u0001javascript:x",
  ];
  for (const href of refused) assert.equal(safeTarget(href), null, href);
});

test("A refused link stays visible as it was written.", () => {
  assert.equal(brief(parse("[a](javascript:alert(1))")), "p([a](javascript:alert(1)))");
});

test("Every mark knows where it stands in the source.", () => {
  const source =
    "# A [1]\n\n> - b [2]\n>\ttail [3]\n\n| c [4] | d |\n|--|--|\n|  e [5] | [6] |\n\n1. x\n   y **z [7]**";
  const marks = [];
  JSON.stringify(parse(source), (_, value) => {
    if (value?.type === "cite") marks.push(value);
    return value;
  });
  assert.deepEqual(
    marks.map(({ n, at }) => [n, at]),
    [1, 2, 3, 4, 5, 6, 7].map((n) => [n, source.indexOf(`[${n}]`)]),
  );
});

test("Any text parses, and no letter of it is lost or doubled.", () => {
  const random = seeded(7);
  const bits = [
    "a",
    "b ",
    "*",
    "**",
    "_",
    "`",
    "```",
    "\n",
    "\n\n",
    "- ",
    "1. ",
    "> ",
    "#",
    "# ",
    "|",
    "|-|",
    "[",
    "]",
    "(",
    ")",
    "[1]",
    "](https://c.d)",
    "<",
    ">",
    "~~",
    "\\",
    "  ",
    "\t",
    "!",
    "🧊",
    "é",
  ];
  for (let round = 0; round < 3000; round += 1) {
    const source = Array.from({ length: 1 + Math.floor(random() * 30) }, () => pick(random, bits)).join("");
    const letters = source.replaceAll("](https://c.d)", "").replace(/[^abé🧊]/gu, "");
    const told = [];
    JSON.stringify(parse(source), (key, value) => {
      if (["source", "href", "language"].includes(key)) return undefined;
      if (value?.type === "code" && value.language) told.push(value.language);
      if (typeof value === "string" && key === "text") told.push(value.replaceAll("](https://c.d)", ""));
      return value;
    });
    const kept = told.join("").replace(/[^abé🧊]/gu, "");
    const infoLost = source.includes("```"); // of a fence's info string only the first word is kept
    if (infoLost) assert.ok(kept.length <= letters.length, JSON.stringify(source));
    else assert.equal([...kept].sort().join(""), [...letters].sort().join(""), JSON.stringify(source));
  }
});

test("Long and hostile texts take no more than time in proportion.", () => {
  const hostile = [
    "[",
    "*a ",
    "*a_ ",
    "`",
    "> ",
    "- ",
    "|a",
    "**a",
    "a** ",
    "[a](",
    "<h",
    "*",
    "* a\n",
    "~~a ",
    "(http://",
    "# ",
    "![",
    "\\",
  ];
  for (const bit of hostile) {
    const source = bit.repeat(Math.ceil(60_000 / bit.length));
    const began = performance.now();
    parse(source);
    assert.ok(
      performance.now() - began < 3000,
      `${JSON.stringify(bit)} took ${Math.round(performance.now() - began)} ms`,
    );
  }
  const nested = `${"*a".repeat(20_000)}${"a*".repeat(20_000)}`;
  assert.doesNotThrow(() => JSON.stringify(parse(nested)));
});
