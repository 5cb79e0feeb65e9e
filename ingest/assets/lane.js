// One stream for several tabs. Each has a position of its own, and is told what comes after it and is wanted, once: where the
// stream has to go back for one of them, the others pass over what they know.
//
// Everything after the position of the stream is still to come, so a tab is in place when that is not beyond its own and the
// stream tells of what it wants. Else the stream is opened again, from the lowest position that is needed.

import { isAfter } from "./cursor.js";
import { Source } from "./source.js";

// Runs of one stream; the server takes no more.
const MOST_RUNS = 20;
// Tabs that are opened together open one stream together.
const GATHER = 10;
// What nobody wants any more is asked for a while longer: a page that is loaded again wants it.
const LINGER = 5000;

export class Lane {
  base;
  #heartbeat;
  #tabs = new Set();
  #source = null;
  #runs = [];
  #state = null;
  #timer = 0;
  #lingering = 0;

  // A stream at this address, where runs are added to it; how often the server says something, a tab has told.
  constructor(base, heartbeat) {
    this.base = base;
    this.#heartbeat = heartbeat;
  }

  get isEmpty() {
    return this.#tabs.size === 0;
  }

  // Whether these runs are told of already.
  has(runs) {
    const wanted = this.#wanted();
    return runs.every((run) => wanted.has(run));
  }

  // Whether a tab with these runs has room.
  takes(runs) {
    return new Set([...this.#wanted(), ...runs]).size <= MOST_RUNS;
  }

  add(tab) {
    tab.inPlace = false;
    this.#tabs.add(tab);
    this.#timer ||= setTimeout(() => this.#settle(), GATHER);
  }

  remove(tab) {
    this.#tabs.delete(tab);
    if (this.isEmpty) {
      clearTimeout(this.#timer);
      clearTimeout(this.#lingering);
      this.#source?.end();
      this.#source = null;
      return;
    }
    clearTimeout(this.#lingering);
    this.#lingering = setTimeout(() => this.#shrink(), LINGER);
  }

  online(isOnline) {
    this.#source?.online(isOnline);
  }

  #wanted() {
    return new Set([...this.#tabs].flatMap((tab) => tab.want.runs));
  }

  #settle() {
    this.#timer = 0;
    const waiting = [...this.#tabs].filter((tab) => !tab.inPlace);
    if (waiting.length === 0) return;
    const known = waiting.every((tab) => tab.want.runs.every((run) => this.#runs.includes(run)));
    const from = lowest(waiting.map((tab) => tab.position));
    if (this.#source && known && !isAfter(this.#source.position, from)) {
      for (const tab of waiting) {
        tab.inPlace = true;
        tab.tell({ stands: this.#state });
      }
      return;
    }
    this.#open(this.#source ? this.#source.position : from);
  }

  #shrink() {
    if (this.#source && this.#wanted().size < this.#runs.length) this.#open(this.#source.position);
  }

  #open(position) {
    // Whoever came meanwhile comes along, from where it is.
    const waiting = [...this.#tabs].filter((tab) => !tab.inPlace);
    const after = lowest([position, ...waiting.map((tab) => tab.position)]);
    this.#runs = [...this.#wanted()];
    for (const tab of this.#tabs) tab.inPlace = true;
    const url = new URL(this.base, location.href);
    for (const run of this.#runs) url.searchParams.append("runId", run);
    const handlers = {
      message: (data, id) => this.#message(data, id),
      reset: (data, id) => this.#reset(data, id),
      heartbeat: (_, id) => this.#reached(id),
      caught_up: (_, id) => this.#reached(id),
    };
    this.#source ??= new Source(url, after, handlers, (...state) => this.#stands(state), this.#heartbeat);
    this.#source.open(url, after);
  }

  #stands(state) {
    this.#state = state;
    for (const tab of this.#tabs) if (tab.inPlace) tab.tell({ stands: state });
  }

  #message(data, id) {
    const end = data.indexOf("\n");
    const head = JSON.parse(data.slice(0, end));
    const row = data.slice(end + 1);
    for (const tab of this.#tabs) {
      if (!tab.inPlace || !isAfter(id, tab.position)) continue;
      tab.position = id;
      if (tab.want.matches(head)) tab.tellRow(row, id);
    }
  }

  // Everything up to there was told.
  #reached(id) {
    for (const tab of this.#tabs) {
      if (!tab.inPlace || !isAfter(id, tab.position)) continue;
      tab.position = id;
      tab.tell({ reached: id });
    }
  }

  // The stream could not go back so far, and begins anew after this position: who is beyond it misses nothing.
  #reset(data, id) {
    const [epoch] = id.split(".");
    for (const tab of this.#tabs) {
      if (!tab.inPlace || (tab.position.split(".")[0] === epoch && !isAfter(id, tab.position))) continue;
      tab.position = id;
      tab.tell({ event: "reset", data, id });
    }
  }
}

// The stream of the list of runs, which has no positions: who comes to it later fetches what was missed, as when it is opened.
export class ListLane {
  #tabs = new Set();
  #source;
  #state = null;

  constructor(url, heartbeat) {
    const handlers = { run: (data) => this.#tell({ event: "run", data }), opened: () => this.#tell({ event: "opened" }) };
    const stands = (...state) => {
      this.#state = state;
      this.#tell({ stands: state });
    };
    this.#source = new Source(url, "", handlers, stands, heartbeat);
  }

  get isEmpty() {
    return this.#tabs.size === 0;
  }

  add(tab) {
    this.#tabs.add(tab);
    if (this.#tabs.size === 1) return this.#source.open();
    tab.tell({ stands: this.#state });
    if (this.#source.isOpen) tab.tell({ event: "opened" });
  }

  remove(tab) {
    this.#tabs.delete(tab);
    if (this.isEmpty) this.#source.end();
  }

  online(isOnline) {
    this.#source.online(isOnline);
  }

  #tell(message) {
    for (const tab of this.#tabs) tab.tell(message);
  }
}

function lowest(positions) {
  return positions.reduce((low, position) => (isAfter(low, position) ? position : low));
}
