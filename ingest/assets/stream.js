// One event stream that stays: the browser reconnects it while the server may answer, and this reopens it where the browser
// gives up (any answer but 200 closes an EventSource for good). It tells how it stands and never asks for a reload.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// A clock that stood still for longer was asleep, and so was the connection.
const ASLEEP = 30000;

export class Stream {
  #url;
  #handlers;
  #source = null;
  #wait = FIRST_WAIT;
  #timer = 0;
  #after;
  #before = false;
  #chip = new Chip();

  // `handlers` maps names of events to functions of (data, id). A stream without positions also has `opened`, which fetches what
  // was missed: in a break, or between the making of the page and the first opening.
  constructor(url, after, handlers) {
    this.#url = url;
    this.#after = after;
    this.#handlers = handlers;
    addEventListener("online", () => this.open());
    addEventListener("offline", () => this.#offline());
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    let seen = Date.now();
    setInterval(() => {
      const now = Date.now();
      if (now - seen > ASLEEP) this.open();
      seen = now;
    }, 5000);
  }

  // The chip of a page that stands still.
  static still() {
    new Chip().show("still", "Not live");
  }

  open() {
    this.close();
    const url = new URL(this.#url, location.href);
    if (this.#after) url.searchParams.set("after", this.#after);
    const source = new EventSource(url);
    this.#source = source;
    this.#chip.show("opening", this.#before ? "Reconnecting" : "Connecting");
    source.addEventListener("open", () => {
      this.#wait = FIRST_WAIT;
      this.#opened();
    });
    source.addEventListener("error", () => this.#failed(source));
    source.addEventListener("caught_up", () => this.#chip.show("live", "Live"));
    source.addEventListener("status", () => this.#chip.show("waiting", "Waiting for history"));
    for (const [name, handle] of Object.entries(this.#handlers)) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) this.#after = event.lastEventId;
        // What waited for history goes on.
        this.#chip.goesOn();
        handle(event.data, event.lastEventId);
      });
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #opened() {
    this.#before = true;
    // A stream with positions says itself when everything was told.
    if (!this.#handlers.opened) return this.#chip.show("opening", "Catching up");
    this.#chip.show("live", "Live");
    this.#handlers.opened();
  }

  #failed(source) {
    if (source !== this.#source) return;
    if (!navigator.onLine) return this.#offline();
    if (source.readyState === EventSource.CONNECTING) return this.#chip.show("waiting", "Reconnecting");
    this.close();
    // Spread over time: after a restart of the server everybody comes back.
    const wait = this.#wait * (0.5 + Math.random());
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#chip.show("closed", `Reconnecting in ${Math.max(1, Math.round(wait / 1000))} s`);
    this.#timer = setTimeout(() => this.open(), wait);
    this.#explain();
  }

  // Nothing is tried until the browser says that there is a network again.
  #offline() {
    this.close();
    this.#chip.show("closed", "Offline");
  }

  // An EventSource does not tell why it was refused; a question to the same address does.
  async #explain() {
    const answer = await fetch(new URL(this.#url, location.href), { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (answer?.status !== 401 || this.#source !== null) return;
    this.#chip.signIn();
  }
}

// How the stream of the page stands, in a word.
class Chip {
  #chip = document.getElementById("connection");

  constructor() {
    this.#chip.hidden = false;
  }

  show(state, text) {
    if (this.#chip.dataset.state === state && this.#chip.lastElementChild.textContent === text) return;
    this.#chip.dataset.state = state;
    this.#chip.lastElementChild.textContent = text;
  }

  goesOn() {
    if (this.#chip.dataset.state === "waiting") this.show("live", "Live");
  }

  signIn() {
    const link = document.createElement("a");
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in again";
    this.#chip.dataset.state = "out";
    this.#chip.lastElementChild.replaceChildren(link);
  }
}
