import { Parser } from "@asyncapi/parser";
import assert from "node:assert/strict";
import { test } from "node:test";

test("the description of the sockets is AsyncAPI, by the standard's own parser, without an error or a warning", async () => {
  const text = await (await fetch(`${process.env.SERVER_URL}/asyncapi.json`)).text();
  const { document, diagnostics } = await new Parser().parse(text);
  assert.deepEqual(diagnostics.filter(({ severity }) => severity < 3), []);
  assert.deepEqual(document.channels().all().map((channel) => channel.address()), ["/ws", "/ws/ai-sdk"]);
});
