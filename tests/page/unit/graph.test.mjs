import assert from "node:assert/strict";
import { test } from "node:test";

import { mindMap, outline } from "../../../chatserver/web/graph_layout.js";
import { plainReason, plainReasons } from "../../../chatserver/web/why.js";
import { seeded } from "./random.mjs";

const WIDTHS = { node: ({ label }) => 20 + 7 * label.length, heading: (text) => 6 * text.length };

/** A tree in depth-first order, with siblings of the same words side by side. */
function someTree(next) {
  const nodes = [{ id: "0", label: "centre", kind: "entity", depth: 0, parent: null, words: "" }];
  const grow = (parent, left) => {
    for (let count = Math.floor(next() * 6), index = 0; index < count && left > 0; index += 1) {
      const words = ["called", "mentioned in", "next"][Math.floor(index / 2)];
      const label = "x".repeat(1 + Math.floor(next() * 30));
      const node = { id: `${nodes.length}`, label, kind: "passage", depth: parent.depth + 1, parent: parent.id, words };
      nodes.push(node);
      if (next() < 0.4) grow(node, left - 1);
    }
  };
  grow(nodes[0], 3);
  return nodes;
}

const extent = ({ x, width, side }) =>
  side === 0 ? [x - width / 2, x + width / 2] : side > 0 ? [x - 8, x + width] : [x - width, x + 8];

function apart(layout) {
  const boxes = [...layout.places.values()].map((place) => ({ ...place, ends: extent(place) }));
  boxes.forEach((a, index) => {
    for (const b of boxes.slice(index + 1)) {
      const beside = a.ends[1] <= b.ends[0] || b.ends[1] <= a.ends[0];
      assert.ok(beside || Math.abs(a.y - b.y) >= 24, `${JSON.stringify(a)} over ${JSON.stringify(b)}`);
    }
  });
}

for (const [name, draw] of Object.entries({ mindMap, outline }))
  test(`${name}: no label over another, all inside the box, the same each time`, () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const nodes = someTree(seeded(seed));
      const layout = draw(nodes, WIDTHS);
      assert.equal(layout.places.size, nodes.length);
      apart(layout);
      const { left, top, width, height } = layout.box;
      for (const place of layout.places.values()) {
        const [from, to] = extent(place);
        assert.ok(from >= left && to <= left + width && place.y >= top && place.y <= top + height);
      }
      for (const { x, y, side, text } of layout.headings) {
        const ends = [x, x + side * WIDTHS.heading(text)];
        assert.ok(Math.min(...ends) >= left && Math.max(...ends) <= left + width && y >= top);
      }
      assert.deepEqual(draw(nodes, WIDTHS), layout);
    }
  });

test("one heading over siblings that hang on their parent in the same way", () => {
  const child = (id, words) => ({ id, label: id, kind: "passage", depth: 1, parent: "c", words });
  const centre = { id: "c", label: "c", kind: "entity", depth: 0, parent: null, words: "" };
  const nodes = [centre, child("a", "mentions"), child("b", "mentions"), child("d", "next")];
  assert.deepEqual(
    outline(nodes, WIDTHS).headings.map(({ text }) => text),
    ["mentions", "next"],
  );
});

test("a reason in plain words", () => {
  const plain = {
    "vector #1": "1st by meaning",
    "keyword #2": "2nd by words",
    "keyword #13": "13th by words",
    "keyword #23": "23rd by words",
    "graph #111: mentions «P-101: pump»": "111th by names: mentions «P-101: pump»",
    "expansion: next chunk of «Alarms»": "linked: next chunk of «Alarms»",
    "late interaction #4": "late interaction #4",
    "": "",
  };
  for (const [told, words] of Object.entries(plain)) assert.equal(plainReason(told), words);
  assert.deepEqual(plainReasons(undefined), []);
});
