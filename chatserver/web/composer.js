/** Where questions are written: Enter sends, Shift+Enter is a new line, a draft outlives the page. */

const MAX_ROWS_PX = 200;

export class Composer {
  #form;
  #text;
  #send;
  #stop;
  #hint;
  #actions;

  /**
   * @param {HTMLFormElement} form
   * @param {{ask: (text: string) => void, stop: () => void, draft: (text: string) => void}} actions
   */
  constructor(form, actions) {
    this.#form = form;
    this.#actions = actions;
    [this.#text, this.#send, this.#stop, this.#hint] = ["#question", "#send", "#stop", "#hint"].map((id) =>
      form.querySelector(id),
    );
    form.addEventListener("submit", (event) => this.#submit(event));
    this.#stop.addEventListener("click", () => actions.stop());
    this.#text.addEventListener("input", () => this.#changed());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
  }

  get text() {
    return this.#text.value;
  }

  set text(text) {
    this.#text.value = text;
    this.#fit();
  }

  focus() {
    this.#text.focus();
  }

  /** While an answer runs the button stops it; the next question can be written meanwhile. */
  set busy(busy) {
    const hadFocus = document.activeElement === this.#stop;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    this.#hint.textContent = busy ? "Esc stops the answer" : "Enter sends, Shift + Enter makes a new line";
    if (!busy && hadFocus) this.focus();
  }

  #submit(event) {
    event.preventDefault();
    const text = this.text.trim();
    if (text === "" || this.#send.hidden) return;
    this.text = "";
    this.#actions.draft("");
    this.#actions.ask(text);
  }

  #key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #changed() {
    this.#actions.draft(this.text);
    this.#fit();
  }

  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(MAX_ROWS_PX, this.#text.scrollHeight)}px`;
  }
}
