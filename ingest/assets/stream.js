// One event stream that stays: the browser reconnects it while the server may answer, and this reopens it where the browser
// gives up (any answer but 200 closes an EventSource for good). It tells how it stands and never asks for a reload.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;

export class Stream {
  #url;
  #handlers;
  #chip;
  #source = null;
  #wait = FIRST_WAIT;
  #timer = 0;
  #after;
  #before = false;

  // `handlers` maps names of events to functions of (data, id). A stream without positions also has `reopened`, which fetches
  // what a break made it miss.
  constructor(url, after, handlers) {
    this.#url = url;
    this.#after = after;
    this.#handlers = handlers;
    this.#chip = document.getElementById("connection");
    this.#chip.hidden = false;
    addEventListener("online", () => this.#source === null && this.open());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.close();
    const url = new URL(this.#url, location.href);
    if (this.#after) url.searchParams.set("after", this.#after);
    const source = new EventSource(url);
    this.#source = source;
    this.#show("opening", this.#after ? "Catching up" : "Connecting");
    source.addEventListener("open", () => {
      this.#wait = FIRST_WAIT;
      this.#opened();
    });
    source.addEventListener("error", () => this.#failed(source));
    source.addEventListener("caught_up", () => this.#show("live", "Live"));
    source.addEventListener("status", () => this.#show("waiting", "Waiting for history"));
    for (const [name, handle] of Object.entries(this.#handlers)) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) this.#after = event.lastEventId;
        handle(event.data, event.lastEventId);
      });
    }
  }

  #opened() {
    // A stream with positions says itself when everything was told.
    if (!this.#handlers.reopened) return;
    this.#show("live", "Live");
    if (this.#before) this.#handlers.reopened();
    this.#before = true;
  }

  // Goes on from an earlier position: what came after it and was not kept comes again.
  openAfter(position) {
    if (position) this.#after = position;
    this.open();
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #failed(source) {
    if (source !== this.#source) return;
    if (source.readyState === EventSource.CONNECTING) {
      this.#show("waiting", "Reconnecting");
      return;
    }
    this.close();
    // Spread over time: after a restart of the server everybody comes back.
    const wait = this.#wait * (0.5 + Math.random());
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#show("closed", `Reconnecting in ${Math.max(1, Math.round(wait / 1000))} s`);
    this.#timer = setTimeout(() => this.open(), wait);
    this.#explain();
  }

  // An EventSource does not tell why it was refused; a question to the same address does.
  async #explain() {
    const answer = await fetch(new URL(this.#url, location.href), { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (answer?.status !== 401 || this.#source !== null) return;
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in again";
    this.#chip.lastElementChild.replaceChildren(link);
  }

  #show(state, text) {
    if (this.#chip.dataset.state === state && this.#chip.lastElementChild.textContent === text) return;
    this.#chip.dataset.state = state;
    this.#chip.lastElementChild.textContent = text;
  }
}
