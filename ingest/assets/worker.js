// What the tabs of a browser share: their streams. HTTP/1.1 has six connections for all tabs together, and a stream takes one
// for as long as it is open: with one of its own for each tab, the seventh would stand still.
//
// A tab that is gone is known by a lock that it held, however it ended; so is this worker, by one that it holds.

import { Lane, ListLane } from "./lane.js";
import { Want } from "./want.js";

// Rows that a tab has not said to have taken. One that takes none is frozen; it begins again from its place when it goes on.
const MOST_UNHEARD = 2000;

const alive = `agent-comms worker ${crypto.randomUUID()}`;
const held = new Promise((resolve) => {
  navigator.locks.request(alive, () => {
    resolve();
    return new Promise(() => {});
  });
});

let lanes = [];
let list = null;

class Tab {
  want;
  position = "";
  inPlace = false;
  #port;
  #lane = null;
  #lock = null;
  #unheard = 0;

  constructor(port) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#asked(data);
    held.then(() => this.tell({ alive }));
  }

  tell(message) {
    this.#port.postMessage(message);
  }

  tellRow(data, id) {
    this.#unheard += 1;
    if (this.#unheard <= MOST_UNHEARD) return this.tell({ event: "message", data, id });
    this.#leave();
    this.tell({ behind: true });
  }

  #asked({ join, leave, heard, online }) {
    if (join) this.#join(join);
    if (leave) this.#leave();
    if (heard) this.#unheard -= heard;
    if (online !== undefined) for (const lane of [...lanes, list]) lane?.online(online);
  }

  #join({ url, after, lock, heartbeat }) {
    this.#leave();
    this.want = new Want(url);
    this.position = after;
    this.#unheard = 0;
    this.#lane = laneOf(this.want, url, heartbeat);
    this.#lane.add(this);
    if (this.#lock === lock) return;
    this.#lock = lock;
    // Given when the tab is gone.
    navigator.locks.request(lock, () => this.#leave());
  }

  #leave() {
    const lane = this.#lane;
    if (!lane) return;
    this.#lane = null;
    lane.remove(this);
    if (!lane.isEmpty) return;
    lanes = lanes.filter((other) => other !== lane);
    if (list === lane) list = null;
  }
}

function laneOf({ isList, runs }, url, heartbeat) {
  if (isList) return (list ??= new ListLane(url, heartbeat));
  const base = runs.length > 0 ? "/api/agents/events?view=tabs" : "/api/agents/events?channel=general&view=tabs";
  const known = lanes.filter((lane) => lane.base === base);
  const lane = known.find((lane) => lane.has(runs)) ?? known.find((lane) => lane.takes(runs));
  if (lane) return lane;
  const fresh = new Lane(base, heartbeat);
  lanes.push(fresh);
  return fresh;
}

for (const [name, online] of [["online", true], ["offline", false]]) {
  addEventListener(name, () => {
    for (const lane of [...lanes, list]) lane?.online(online);
  });
}
addEventListener("connect", ({ ports: [port] }) => new Tab(port));
