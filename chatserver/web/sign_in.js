/**
 * The form that asks for a token when the server wants one. The token goes to the server once, in the body of a request,
 * and comes back as a cookie that no script can read: the page keeps it nowhere, and never takes one from its address.
 */

import { h } from "./dom.js";

export class SignIn {
  #dialog;
  #actions;
  #token = h("input", { type: "password", id: "token", name: "token", autocomplete: "current-password", required: true });
  #button = h("button", { type: "submit", class: "primary" }, "Sign in");
  #told = h("p", { class: "told", role: "alert" });

  /**
   * @param {HTMLDialogElement} dialog
   * @param {{signIn: (token: string) => Promise<{user: string}>, done: (user: string) => void}} actions
   */
  constructor(dialog, actions) {
    this.#dialog = dialog;
    this.#actions = actions;
    const form = h(
      "form",
      { onsubmit: (event) => this.#submit(event) },
      h("h2", { id: "sign-in-title" }, "Sign in"),
      h("p", {}, "This server answers people it knows. Your answers are safe and go on by themselves."),
      h("label", { for: "token" }, "Token"),
      this.#token,
      this.#told,
      this.#button,
    );
    dialog.append(form);
    dialog.addEventListener("cancel", (event) => event.preventDefault()); // behind it there is nothing to use
  }

  show() {
    if (this.#dialog.open) return;
    this.#told.textContent = "";
    this.#dialog.showModal();
    this.#token.focus();
  }

  hide() {
    if (this.#dialog.open) this.#dialog.close();
  }

  async #submit(event) {
    event.preventDefault();
    const token = this.#token.value.trim();
    if (!token) return;
    this.#button.disabled = true;
    this.#told.textContent = "";
    try {
      const { user } = await this.#actions.signIn(token);
      this.#token.value = "";
      this.hide();
      this.#actions.done(user);
    } catch (error) {
      this.#told.textContent = said(error);
      this.#token.select();
    } finally {
      this.#button.disabled = false;
    }
  }
}

const said = ({ status }) =>
  status === 401 || status === 422
    ? "The server does not take this token. It may have expired."
    : "The server can't check it now. Try again.";
