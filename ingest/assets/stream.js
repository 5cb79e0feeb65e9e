// The stream of a page. All tabs share one where the browser lets them; else, each has its own. It tells how it stands and never
// asks for a reload.

import { Chip } from "./chip.js";
import { Source } from "./source.js";
import { Tab } from "./tab.js";

// How often the server says something, in seconds.
const HEARTBEAT = Number(document.body.dataset.heartbeat);

export class Stream {
  #stream;

  // `handlers` maps names of events to functions of (data, id). A stream without positions also has `opened`, which fetches what
  // was missed: in a break, or between the making of the page and the first opening. `stands` is told a state and a text.
  constructor(url, after, handlers, stands = onChip()) {
    const own = (after) => new Source(url, after, handlers, stands, HEARTBEAT);
    const alone = (after) => {
      this.#stream = own(after);
      this.#stream.open();
    };
    stands("opening", "Connecting");
    this.#stream = Tab.isPossible ? new Tab(url, after, handlers, stands, alone, HEARTBEAT) : own(after);
    addEventListener("online", () => this.#stream.online(true));
    addEventListener("offline", () => {
      stands("closed", "Offline");
      this.#stream.online(false);
    });
    addEventListener("pagehide", () => this.#stream.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  // The chip of a page that stands still.
  static still() {
    new Chip().show("still", "Not live");
  }

  open() {
    this.#stream.open();
  }
}

function onChip() {
  const chip = new Chip();
  return (state, text) => chip.show(state, text);
}
