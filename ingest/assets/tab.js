// This page's part in what the tabs of the browser share: it says what it wants and from where on, and is told of that alone.

// A worker that does not answer by then is none.
const ANSWERS = 10000;
// How many rows are taken before that is said.
const SAID = 200;

let lock = null;

// The name of a lock that this page holds while it is there.
function held() {
  lock ??= new Promise((resolve, reject) => {
    const name = `agent-comms tab ${crypto.randomUUID()}`;
    const request = navigator.locks.request(name, () => {
      resolve(name);
      return new Promise(() => {});
    });
    request.catch(reject);
  });
  return lock;
}

export class Tab {
  #url;
  #after;
  #handlers;
  #stands;
  #failed;
  #heartbeat;
  #port = null;
  #timer = 0;
  #taken = 0;

  // As for a stream of its own; `failed` is told, once, that there is nobody to share with, and the position so far.
  constructor(url, after, handlers, stands, failed, heartbeat) {
    this.#url = url;
    this.#after = after;
    this.#handlers = handlers;
    this.#stands = stands;
    this.#failed = failed;
    this.#heartbeat = heartbeat;
  }

  // Phones have no such workers, and pages that came over an open network no locks.
  static get isPossible() {
    return typeof SharedWorker === "function" && navigator.locks !== undefined;
  }

  async open() {
    try {
      await this.#enter();
    } catch {
      // A browser that lets a page keep nothing may have workers and locks, and refuse them.
      this.#giveUp();
    }
  }

  async #enter() {
    if (!this.#port) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#giveUp(), ANSWERS);
    }
    const name = await held();
    if (!this.#failed) return;
    if (this.#port) return this.#join(name);
    // Whoever signs in as somebody else shares nothing with who was there before.
    const worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: `agent-comms ${document.body.dataset.reader ?? ""}` });
    worker.addEventListener("error", () => this.#giveUp());
    this.#port = worker.port;
    this.#port.onmessage = ({ data }) => this.#told(data);
    this.#join(name);
  }

  close() {
    this.#port?.postMessage({ leave: true });
  }

  online(online) {
    this.#port?.postMessage({ online });
  }

  #join(lock) {
    this.#taken = 0;
    this.#port.postMessage({ join: { url: this.#url, after: this.#after, lock, heartbeat: this.#heartbeat } });
  }

  #told({ alive, stands, event, data, id, reached, behind }) {
    if (alive) this.#watch(alive, this.#port);
    if (stands) this.#stands(...stands);
    if (reached) this.#after = reached;
    if (behind) this.open();
    if (!event) return;
    if (id) this.#after = id;
    this.#handlers[event]?.(data, id);
    if (event !== "message") return;
    this.#taken += 1;
    if (this.#taken < SAID) return;
    this.#port.postMessage({ heard: this.#taken });
    this.#taken = 0;
  }

  // A worker that ended is followed by another.
  #watch(alive, port) {
    clearTimeout(this.#timer);
    const ended = navigator.locks.request(alive, { mode: "shared" }, () => {
      if (port !== this.#port) return;
      this.#port = null;
      this.#stands("opening", "Reconnecting");
      this.open();
    });
    ended.catch(() => this.#giveUp());
  }

  #giveUp() {
    clearTimeout(this.#timer);
    if (!this.#failed) return;
    const failed = this.#failed;
    this.#failed = null;
    this.#port?.postMessage({ leave: true });
    this.#port?.close();
    this.#port = null;
    failed(this.#after);
  }
}
