import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Connection, backoff } from "../../../clients/js/connection.js";

/** The browser's end of a WebSocket, moved by the test instead of a network. */
class Wire {
  static opened = [];
  sent = [];
  closed = false;

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    Wire.opened.push(this);
  }

  send(frame) {
    this.sent.push(JSON.parse(frame));
  }

  close() {
    this.closed = true;
  }

  say(event) {
    this.onmessage?.({ data: JSON.stringify(event) });
  }

  drop(code) {
    this.onclose?.({ code });
  }
}

const WELCOME = { type: "welcome", connection: "c", heartbeat_s: 20 };
let clock = 0;

beforeEach((context) => {
  Wire.opened = [];
  clock = 0;
});

function start(context, { random = () => 0.5 } = {}) {
  context.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  const seen = { events: [], states: [] };
  const connection = new Connection({
    url: "ws://host/ws",
    onEvent: (event) => seen.events.push(event.type),
    onState: (state) => seen.states.push(state),
    WebSocket: Wire,
    random,
    now: () => clock,
  });
  const pass = (ms) => {
    clock += ms;
    context.mock.timers.tick(ms);
  };
  connection.start();
  return { connection, seen, pass };
}

test("A connection offers chat.v1 and is open with the welcome, not before.", (context) => {
  const { connection } = start(context);
  assert.deepEqual(Wire.opened[0].protocols, ["chat.v1"]);
  assert.equal(connection.send({ type: "ping" }), false);
  Wire.opened[0].say(WELCOME);
  assert.equal(connection.send({ type: "ask" }), true);
  assert.deepEqual(Wire.opened[0].sent, [{ type: "ask" }]);
});

test("Waits are a random part of a bound that doubles to 15 seconds.", () => {
  const bounds = [0, 1, 2, 3, 10, 1000].map((attempt) => backoff(attempt, () => 1));
  assert.deepEqual(bounds, [400, 800, 1600, 3200, 15_000, 15_000]);
  assert.equal(
    backoff(3, () => 0),
    0,
  );
});

test("A lost connection comes back, waiting longer each time until it is welcomed.", (context) => {
  const { connection, pass } = start(context);
  const waits = [];
  for (let attempt = 0; attempt < 3; attempt += 1) {
    Wire.opened.at(-1).drop(1006);
    waits.push(connection.state.waitMs);
    pass(connection.state.waitMs);
  }
  assert.deepEqual(waits, [200, 400, 800]);
  Wire.opened.at(-1).say(WELCOME);
  Wire.opened.at(-1).drop(1012);
  assert.equal(connection.state.waitMs, 200);
});

for (const code of [1008, 4401, 4403]) {
  test(`Close code ${code} ends the trying and says so in words.`, (context) => {
    const { connection, pass } = start(context);
    Wire.opened[0].drop(code);
    pass(3_600_000);
    assert.equal(Wire.opened.length, 1);
    assert.equal(connection.state.name, "refused");
    assert.match(connection.state.message, /\w{4}/);
  });
}

for (const code of [1000, 1001, 1011, 1012, 1013, 4408, 4429]) {
  test(`After close code ${code} the page comes back.`, (context) => {
    const { connection, pass } = start(context);
    Wire.opened[0].say(WELCOME);
    Wire.opened[0].drop(code);
    assert.equal(connection.state.name, "waiting");
    pass(connection.state.waitMs);
    assert.equal(Wire.opened.length, 2);
  });
}

test("A draining server's own wait is honoured; until it closes, commands still go out.", (context) => {
  const { connection, pass } = start(context);
  Wire.opened[0].say(WELCOME);
  Wire.opened[0].say({ type: "draining", retry_after_ms: 5000 });
  assert.equal(connection.state.name, "draining");
  assert.equal(connection.send({ type: "ack" }), true);
  pass(2000);
  Wire.opened[0].drop(1012);
  assert.equal(connection.state.waitMs, 3000);
});

test("A wait named before a close with 4429 is honoured; one for a single command is not taken for it.", (context) => {
  const { connection } = start(context);
  Wire.opened[0].say(WELCOME);
  Wire.opened[0].say({ type: "error", id: "q1", code: "overloaded", retry_after_ms: 60_000 });
  Wire.opened[0].say({ type: "error", code: "rate_limited", retry_after_ms: 7000 });
  Wire.opened[0].drop(4429);
  assert.equal(connection.state.waitMs, 7000);
});

test("A peer that answers pings stays; one that is silent for a heartbeat is replaced.", (context) => {
  const { connection, pass, seen } = start(context);
  const [wire] = Wire.opened;
  wire.say(WELCOME);
  for (let beat = 0; beat < 3; beat += 1) {
    pass(20_000);
    wire.say({ type: "pong", id: wire.sent.at(-1).id });
  }
  assert.equal(connection.state.name, "open");
  assert.ok(!seen.events.includes("pong"));
  pass(20_000);
  pass(20_000);
  assert.equal(connection.state.name, "waiting");
  assert.ok(wire.closed);
});

test("A server that never welcomes is given up.", (context) => {
  const { connection, pass } = start(context);
  pass(10_000);
  assert.equal(connection.state.name, "waiting");
});

test("A change of network tests an open connection and ends a wait.", (context) => {
  const { connection, pass } = start(context);
  Wire.opened[0].say(WELCOME);
  connection.probe();
  assert.equal(Wire.opened[0].sent.at(-1).type, "ping");
  pass(3000);
  assert.equal(connection.state.name, "waiting");
  connection.probe();
  assert.equal(Wire.opened.length, 2);
});

test("What was on its way when the network changed is no answer to the test of the connection.", (context) => {
  const { connection, pass } = start(context);
  const [wire] = Wire.opened;
  wire.say(WELCOME);
  connection.probe();
  wire.say({ type: "pong", id: "another" });
  pass(2000);
  wire.say({ type: "chunk" });
  pass(2999);
  assert.equal(connection.state.name, "open");
  pass(1);
  assert.equal(connection.state.name, "waiting");
});

test("A test of the connection that is answered ends, however late behind what was on its way.", (context) => {
  const { connection, pass } = start(context);
  const [wire] = Wire.opened;
  wire.say(WELCOME);
  connection.probe();
  const { id } = wire.sent.at(-1);
  for (let late = 0; late < 5; late += 1) {
    pass(2000);
    wire.say({ type: "chunk" });
  }
  wire.say({ type: "pong", id });
  pass(9000);
  assert.equal(connection.state.name, "open");
});

test("What an abandoned socket still says is not heard.", (context) => {
  const { connection, pass, seen } = start(context);
  const [old] = Wire.opened;
  pass(10_000);
  pass(connection.state.waitMs);
  Wire.opened[1].say(WELCOME);
  const before = seen.events.length;
  old.say({ type: "chunk" });
  old.drop(1008);
  assert.equal(seen.events.length, before);
  assert.equal(connection.state.name, "open");
});
