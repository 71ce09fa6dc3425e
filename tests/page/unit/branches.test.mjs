import assert from "node:assert/strict";
import { test } from "node:test";

import { Tree } from "../../../chatserver/web/branches.js";
import { seeded } from "./random.mjs";

const message = (answer, after = null) => ({ after, transcript: { answer } });
const names = (messages) => messages.map(({ transcript }) => transcript.answer).join("");
const NONE = new Set();

test("A chat in which nobody edits is one way.", () => {
  const messages = ["a", "b", "c"].map((one) => message(one));
  const tree = new Tree(messages);
  assert.equal(names(tree.way(NONE)), "abc");
  assert.equal(names(tree.versions(messages[1])), "b");
  assert.equal(tree.parent(messages[0]), null);
});

test("An edited question and what follows it are shown in place of the old ones; the reader can go back.", () => {
  const [a, b, c, x, y] = [message("a"), message("b"), message("c"), message("x", "a"), message("y")];
  const tree = new Tree([a, b, c, x, y]);
  assert.equal(names(tree.way(NONE)), "axy");
  assert.equal(names(tree.versions(x)), "bx");
  assert.equal(names(tree.way(new Set([b]))), "abc");
  assert.equal(names(tree.way(new Set([b, x]))), "axy");
  assert.equal(names(tree.way(new Set([x, b]))), "abc");
});

test("The branch of the newest question is shown, also when it goes on an old version.", () => {
  const messages = [message("a"), message("b"), message("x", ""), message("z", "b")];
  assert.equal(names(new Tree(messages).way(NONE)), "abz");
  assert.equal(names(new Tree(messages).versions(messages[2])), "ax");
});

test("A question that is not accepted yet has its place; one that follows what is gone begins the chat.", () => {
  const [a, b] = [message("a"), message(null, "a")];
  assert.deepEqual(new Tree([a, b]).way(NONE), [a, b]);
  const lost = message("c", "gone");
  assert.deepEqual(new Tree([a, lost]).versions(lost), [a, lost]);
});

test("Whatever follows whatever before it: each message can be chosen, and then stands on the way.", () => {
  const random = seeded(7);
  for (let round = 0; round < 200; round += 1) {
    const messages = [];
    for (let n = 0; n < 8; n += 1) {
      const earlier = messages[Math.floor(random() * n)]?.transcript.answer;
      messages.push(message(`m${n}`, [null, "", earlier ?? ""][Math.floor(random() * 3)]));
    }
    const tree = new Tree(messages);
    for (const wanted of messages) {
      const chosen = new Set();
      for (let at = wanted; at; at = tree.parent(at)) chosen.add(at);
      assert.ok(tree.way(chosen).includes(wanted));
      assert.ok(tree.versions(wanted).includes(wanted));
    }
    assert.ok(tree.way(NONE).includes(messages.at(-1)));
  }
});
