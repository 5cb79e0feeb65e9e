// One event stream that stays: the browser reconnects it while the server may answer, and this reopens it where the browser
// gives up (any answer but 200 closes an EventSource for good) or does not notice that nobody is there any more. It knows no
// page: whoever holds it, a page or what several pages share, is told how it stands.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// In heartbeats, of which the server tells how often they come. Two of them missed, and the connection is dead, whatever the
// system thinks.
const SILENCE = 7 / 3;
const LOOKED = 1 / 3;
// An answer begins at once. Where none does, the request went into a connection that only seems open.
const UNANSWERED = 10000;
// In heartbeats too: a clock that stood still for longer was asleep, and so was the connection, unless it was heard since.
const ASLEEP = 2;
const FRESH = 4 / 3;

export class Source {
  #url;
  #handlers;
  #stands;
  #heartbeat;
  #source = null;
  #wait = FIRST_WAIT;
  #timer = 0;
  #after;
  #before = false;
  #state = "";
  #heard = Date.now();
  #looked = Date.now();
  #looking;

  // `handlers` maps names of events to functions of (data, id). A stream without positions also has `opened`, which fetches what
  // was missed: in a break, or between the making of the page and the first opening. `stands` is told a state and a text. A heartbeat comes
  // after so many seconds without anything else.
  constructor(url, after, handlers, stands, heartbeat) {
    this.#url = url;
    this.#after = after;
    this.#handlers = handlers;
    this.#stands = stands;
    this.#heartbeat = heartbeat * 1000;
    this.#looking = setInterval(() => this.#look(), LOOKED * this.#heartbeat);
  }

  // Everything up to there was told.
  get position() {
    return this.#after;
  }

  get isOpen() {
    return this.#source?.readyState === EventSource.OPEN;
  }

  // Opens it anew from its position, or asks for something else from another.
  open(url = this.#url, after = this.#after) {
    this.close();
    this.#url = url;
    this.#after = after;
    this.#heard = Date.now();
    const source = new EventSource(this.#address());
    this.#source = source;
    // Until it is known better, what was said last holds: signed out, or without a network.
    if (navigator.onLine) this.#tries("opening", this.#before ? "Reconnecting" : "Connecting");
    source.addEventListener("open", () => {
      this.#heard = Date.now();
      this.#wait = FIRST_WAIT;
      this.#opened();
    });
    source.addEventListener("error", () => this.#failed(source));
    this.#listen("caught_up", () => this.#tell("live", "Live"));
    this.#listen("status", () => this.#tell("waiting", "Waiting for history"));
    this.#listen("heartbeat", () => {});
    for (const [name, handle] of Object.entries(this.#handlers)) {
      this.#listen(name, (event) => {
        // What waited for history goes on.
        if (this.#state === "waiting" && (name === "message" || name === "reset")) this.#tell("live", "Live");
        handle(event.data, event.lastEventId);
      });
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  // It is not opened again.
  end() {
    this.close();
    clearInterval(this.#looking);
  }

  // It is tried at once when there is a network again; and now and then without one, because a server on this machine needs none.
  online(isOnline) {
    if (!isOnline) this.#waitForNetwork();
    else if (!this.isOpen) this.open();
  }

  #waitForNetwork() {
    this.close();
    this.#tell("closed", "Offline");
    this.#again();
  }

  // Spread over time: after a restart of the server everybody comes back.
  #again() {
    const wait = this.#wait * (0.5 + Math.random());
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#timer = setTimeout(() => this.open(), wait);
    return wait;
  }

  #listen(name, handle) {
    this.#source.addEventListener(name, (event) => {
      this.#heard = Date.now();
      if (event.lastEventId) this.#after = event.lastEventId;
      handle(event);
    });
  }

  #address() {
    const url = new URL(this.#url, location.href);
    if (this.#after) url.searchParams.set("after", this.#after);
    return url;
  }

  #look() {
    const now = Date.now();
    const slept = now - this.#looked > ASLEEP * this.#heartbeat;
    this.#looked = now;
    const silent = now - this.#heard;
    const patience = this.isOpen ? (slept ? FRESH : SILENCE) * this.#heartbeat : UNANSWERED;
    if (this.#source && silent > patience) this.open();
  }

  #opened() {
    this.#before = true;
    // A stream with positions says itself when everything was told.
    if (!this.#handlers.opened) return this.#tell("opening", "Catching up");
    this.#tell("live", "Live");
    this.#handlers.opened();
  }

  #failed(source) {
    if (source !== this.#source) return;
    this.#heard = Date.now();
    if (!navigator.onLine) return this.#waitForNetwork();
    if (source.readyState === EventSource.CONNECTING) return this.#tries("waiting", "Reconnecting");
    this.close();
    const text = `Reconnecting in ${Math.max(1, Math.round(this.#again() / 1000))} s`;
    this.#tries("closed", text);
    this.#explain(text);
  }

  // An EventSource does not tell why it was refused; a question to the same address does.
  async #explain(text) {
    const answer = await fetch(new URL(this.#url, location.href), { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (this.#source !== null) return;
    if (answer?.status === 401) this.#tell("out", "Sign in again");
    else if (this.#state === "out") this.#tell("closed", text);
  }

  // Whoever has to sign in is told that until something is open again.
  #tries(state, text) {
    if (this.#state !== "out") this.#tell(state, text);
  }

  #tell(state, text) {
    this.#state = state;
    this.#stands(state, text);
  }
}
