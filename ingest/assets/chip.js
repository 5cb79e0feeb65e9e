// How the stream of the page stands, in a word; and as of when the page is, once it has not been live for a while.

const OLD = 10000;
const LOOKED = 5000;

export class Chip {
  #chip = document.getElementById("connection");
  #list = document.getElementById("timeline");
  #state = "";
  #text = "";
  // Since when nothing comes.
  #asOf = null;

  // `ages` is false for a page that shows nothing which could be old.
  constructor({ ages = true } = {}) {
    this.#chip.hidden = false;
    if (ages) setInterval(() => this.#asOf && this.#write(), LOOKED);
  }

  show(state, text) {
    if (this.#state === state && this.#text === text) return;
    this.#state = state;
    this.#text = text;
    if (state === "live" || state === "still") this.#asOf = null;
    else this.#asOf ??= Date.now();
    this.#chip.dataset.state = state;
    // What is caught up with is not read out line by line.
    if (state === "opening") this.#list?.setAttribute("aria-busy", "true");
    else this.#list?.removeAttribute("aria-busy");
    if (state === "out") this.#signIn();
    else this.#write();
  }

  #write() {
    if (this.#state === "out") return;
    const isOld = this.#asOf && Date.now() - this.#asOf > OLD;
    const words = isOld ? `${this.#text} · as of ${new Date(this.#asOf).toISOString().slice(11, 16)} UTC` : this.#text;
    const place = this.#chip.lastElementChild;
    if (place.textContent !== words) place.textContent = words;
  }

  #signIn() {
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = this.#text;
    this.#chip.lastElementChild.replaceChildren(link);
  }
}
