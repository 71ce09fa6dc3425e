import assert from "node:assert/strict";
import { test } from "node:test";

import { findQuote } from "../../../chatserver/web/highlight.js";

const quoted = (texts, quote) => findQuote(texts, quote).map(({ index, start, end }) => texts[index].slice(start, end));

test("A quote is found over line breaks, spaces and the borders of texts.", () => {
  assert.deepEqual(quoted(["The level\n  is 60 %."], "level is 60"), ["level\n  is 60"]);
  assert.deepEqual(
    quoted(["The ", "level", " is 60 %."], "The level is"),
    ["The", "level", " is"].map((text) => text.trim()),
  );
  assert.deepEqual(quoted(["Code", "Alarm", "A-11"], "Code Alarm"), ["Code", "Alarm"]);
});

test("A quote that is not there, or empty, marks nothing.", () => {
  assert.deepEqual(quoted(["The level"], "the level"), []);
  assert.deepEqual(quoted(["The level"], "  "), []);
  assert.deepEqual(quoted([], "x"), []);
});

test("Characters beyond the basic plane keep their place.", () => {
  assert.deepEqual(quoted(["🧊🧊 ice 🧊."], "ice 🧊"), ["ice 🧊"]);
});
