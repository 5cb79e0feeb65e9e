// How the stream of the page stands, in a word.

export class Chip {
  #chip = document.getElementById("connection");

  constructor() {
    this.#chip.hidden = false;
  }

  show(state, text) {
    if (this.#chip.dataset.state === state && this.#chip.lastElementChild.textContent === text) return;
    this.#chip.dataset.state = state;
    if (state === "out") this.#signIn(text);
    else this.#chip.lastElementChild.textContent = text;
  }

  #signIn(text) {
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = text;
    this.#chip.lastElementChild.replaceChildren(link);
  }
}
