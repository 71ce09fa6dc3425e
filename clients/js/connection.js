/**
 * One WebSocket that is always there or on its way back.
 *
 * Waits between attempts are full jitter: a random part of a doubling bound, so that a thousand clients do not come
 * back together. A wait that the server named (`retry_after_ms`) is honoured. A close code that says "do not try
 * again as you are" ends it. A peer that answers no ping within a heartbeat is given up and replaced at once: a dead
 * network would otherwise keep the socket "open" for minutes.
 */

export const PROTOCOL = "chat.v1";

const BASE_MS = 400;
const CAP_MS = 15_000;
const WELCOME_MS = 10_000;
const PROBE_MS = 3_000;
const DEFAULT_HEARTBEAT_S = 20;

/** Close codes after which trying again as before cannot help. */
export const REFUSALS = {
  1008: "The server refused this page's messages. Reload the page; if it stays, the page and the server do not fit.",
  4401: "You are not signed in. Sign in and open the page again.",
  4403: "You have no access to this server.",
};

/** Bound of attempt 0, 1, 2, … doubles up to a cap; the wait is a random part of it. */
export const backoff = (attempt, random) => random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);

/**
 * @typedef {{name: "connecting"|"open"|"draining"|"waiting"|"refused"|"closed", waitMs?: number, message?: string, code?: number}} State
 */
export class Connection {
  #options;
  #socket = null;
  #attempt = 0;
  #notBefore = 0;
  #retry = null;
  #watch = null;
  #heartbeat = null;
  #heard = true;
  #pings = 0;
  /** The ping whose answer is awaited, or null. */
  #probed = null;
  /** @type {State} */
  state = { name: "connecting" };

  /**
   * @param {{url: string, protocols?: string[], onEvent: (event: object) => void, onState: (state: State) => void,
   *   WebSocket?: typeof WebSocket, random?: () => number, now?: () => number}} options
   */
  constructor(options) {
    const page = { protocols: [PROTOCOL], WebSocket: globalThis.WebSocket };
    const defaults = { ...page, random: Math.random, now: () => performance.now() };
    this.#options = { ...defaults, ...options };
  }

  /** Connects now, whatever the wait was. */
  start() {
    this.#abandon();
    const socket = new this.#options.WebSocket(this.#options.url, this.#options.protocols);
    this.#socket = socket;
    this.#become({ name: "connecting" });
    this.#watch = setTimeout(() => this.#lost(), WELCOME_MS);
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code }) => this.#closed(code);
    socket.onerror = () => {}; // the close says it all; without a listener the `ws` package throws, even after our close
  }

  /** Ends it for good: nothing more is heard, and nothing comes back by itself. */
  stop() {
    this.#abandon();
    this.#become({ name: "closed" });
  }

  /** Whether the command went out: only an open connection sends, nothing is queued behind the caller's back. */
  send(command) {
    if (this.state.name !== "open" && this.state.name !== "draining") return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  /** The network or the machine may have changed: come back at once, or find out whether the peer still answers. */
  probe() {
    if (this.state.name === "waiting") return this.start();
    const ping = this.#ping();
    if (!this.send(ping)) return;
    this.#probed = ping.id;
    this.#expect(PROBE_MS);
  }

  #receive(data) {
    this.#heard = true;
    const event = JSON.parse(data);
    this.#watched(event);
    if (event.type === "welcome") this.#welcome(event);
    if (event.type === "draining") this.#become({ name: "draining" });
    if (event.retry_after_ms && (event.type === "draining" || !(event.id || event.answer))) {
      this.#notBefore = this.#options.now() + event.retry_after_ms;
    }
    if (event.type !== "pong") this.#options.onEvent(event);
  }

  /** What was on its way when the network changed is no answer to a probe: it gives the answer behind it more time. */
  #watched({ type, id }) {
    if (this.#probed !== null && !(type === "pong" && id === this.#probed)) return this.#expect(PROBE_MS);
    this.#probed = null;
    clearTimeout(this.#watch);
  }

  #welcome({ heartbeat_s: heartbeat = DEFAULT_HEARTBEAT_S }) {
    this.#attempt = 0;
    this.#notBefore = 0;
    clearInterval(this.#heartbeat);
    this.#heartbeat = setInterval(() => this.#beat(), heartbeat * 1000);
    this.#become({ name: "open" });
  }

  #beat() {
    if (!this.#heard) return this.#lost();
    this.#heard = false;
    this.send(this.#ping());
  }

  #ping() {
    this.#pings += 1;
    return { type: "ping", id: `p${this.#pings}` };
  }

  #expect(ms) {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#lost(), ms);
  }

  #closed(code) {
    if (code in REFUSALS) {
      this.#abandon();
      this.#become({ name: "refused", code, message: REFUSALS[code] });
    } else this.#lost();
  }

  #lost() {
    this.#abandon();
    const named = Math.max(0, this.#notBefore - this.#options.now());
    const waitMs = named || backoff(this.#attempt, this.#options.random);
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.start(), waitMs);
    this.#become({ name: "waiting", waitMs });
  }

  /** Forgets the socket before closing it: its late events must not speak for the next one. */
  #abandon() {
    for (const timer of [this.#retry, this.#watch, this.#heartbeat]) clearTimeout(timer);
    this.#heard = true;
    this.#probed = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state) {
    this.state = state;
    this.#options.onState(state);
  }
}
