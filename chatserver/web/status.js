/** Says how the connection is, in a few words and a colour, and offers to try again at once. */

const WORDS = {
  connecting: "Connecting…",
  open: "Connected",
  draining: "Restarting…",
  refused: "Not connected",
};
const DRAINING = "The server is restarting; your answers are safe and go on by themselves.";

export class Status {
  #dot;
  #words;
  #banner;
  #told;
  #retry;
  #timer = null;
  #wasOpen = false;

  /** @param {{indicator: HTMLElement, banner: HTMLElement}} elements @param {() => void} retry */
  constructor({ indicator, banner }, retry) {
    this.#dot = indicator;
    this.#words = indicator.querySelector("[data-words]");
    this.#banner = banner;
    this.#told = banner.querySelector("p");
    this.#retry = banner.querySelector("button");
    this.#retry.addEventListener("click", retry);
  }

  /** @param {import("./client/connection.js").State} state */
  show(state) {
    clearInterval(this.#timer);
    const returning = state.name === "waiting" || (state.name === "connecting" && this.#wasOpen);
    if (state.name === "open") this.#wasOpen = true;
    this.#dot.dataset.state = returning ? "waiting" : state.name;
    this.#words.textContent = returning ? "Reconnecting…" : WORDS[state.name];
    this.#banner.hidden = state.name === "open" || state.name === "connecting";
    this.#retry.hidden = state.name === "draining";
    if (state.name === "waiting") this.#countDown(state.waitMs);
    else this.#told.textContent = state.message ?? DRAINING;
  }

  #countDown(ms) {
    const until = performance.now() + ms;
    const say = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      const when = left > 1 ? `in ${left} s` : "now";
      this.#told.textContent = `The connection is lost; trying again ${when}. Your answers go on at the server.`;
    };
    say();
    this.#timer = setInterval(say, 1000);
  }
}
