/** Where questions are written: Enter sends, Shift+Enter is a new line, a draft outlives the page. */

const MAX_ROWS_PX = 200;

export class Composer {
  #form;
  #text;
  #send;
  #stop;
  #hint;
  #actions;
  #busy = false;
  #editing = false;

  /**
   * @param {HTMLFormElement} form
   * @param {{ask: (text: string) => void, stop: () => void, draft: (text: string) => void,
   *   leaveEditing: () => void}} actions
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

  /** An earlier question, to be asked in other words; emptied, what is written next is a new one. */
  edit(text) {
    this.text = text;
    this.editing = true;
    this.focus();
  }

  set editing(editing) {
    this.#editing = editing;
    this.#tell();
  }

  /** While an answer runs the button stops it; the next question can be written meanwhile. */
  set busy(busy) {
    const hadFocus = document.activeElement === this.#stop;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    this.#busy = busy;
    this.#tell();
    if (!busy && hadFocus) this.focus();
  }

  #tell() {
    const writing = this.#editing ? "Enter asks it in place of the earlier one" : "Enter sends";
    this.#hint.textContent = this.#busy ? "Esc stops the answer" : `${writing}, Shift + Enter makes a new line`;
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
    if (this.#editing && this.text === "") {
      this.editing = false;
      this.#actions.leaveEditing();
    }
  }

  #fit() {
    this.#text.style.height = "auto";
    this.#text.style.height = `${Math.min(MAX_ROWS_PX, this.#text.scrollHeight)}px`;
  }
}
