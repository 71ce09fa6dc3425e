/** What comes in front of the conversation: the chats on a narrow screen, and a source. Where there is room for one
 * thing only, what lies behind takes no focus. */

const NARROW = matchMedia("(max-width: 820px)");

export class Drawers {
  #body = document.body;
  #elements;

  /** @param {{main: HTMLElement, sidebar: HTMLElement, menu: HTMLElement, scrim: HTMLElement}} elements */
  constructor(elements) {
    this.#elements = elements;
    elements.menu.addEventListener("click", () => this.#openMenu());
    elements.scrim.addEventListener("click", () => this.leaveMenu());
    NARROW.addEventListener("change", () => this.closeMenu());
    this.closeMenu();
  }

  get isNarrow() {
    return NARROW.matches;
  }

  get isMenuOpen() {
    return this.#body.classList.contains("menu-open");
  }

  closeMenu() {
    this.#showMenu(false);
  }

  /** Closes the menu and puts the focus where it was before. */
  leaveMenu() {
    this.closeMenu();
    this.#elements.menu.focus();
  }

  /** @param {boolean} open */
  showPanel(open) {
    this.#body.classList.toggle("panel-open", open);
    this.#elements.main.inert = NARROW.matches && open;
  }

  #openMenu() {
    this.#showMenu(true);
    this.#elements.sidebar.querySelector("button").focus();
  }

  #showMenu(open) {
    this.#body.classList.toggle("menu-open", open);
    this.#elements.menu.setAttribute("aria-expanded", String(open));
    this.#elements.sidebar.inert = NARROW.matches && !open;
    this.#elements.main.inert = NARROW.matches && open;
  }
}
