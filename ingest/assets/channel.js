// The last lines of the shared channel beside the list of runs. Its stream is no business of the reader's: whether the page is
// live, the list says.

import { parse } from "./rows.js";

const MOST = 15;

export class Channel {
  #list = document.getElementById("channel");

  // Whether the page has it: who may not read the channel is not shown it.
  get isThere() {
    return this.#list !== null;
  }

  follow() {
    this.#list.scrollTop = this.#list.scrollHeight;
    const url = new URL("/api/agents/events", location.href);
    url.searchParams.set("channel", "general");
    url.searchParams.set("view", "rows");
    url.searchParams.set("after", this.#list.dataset.after);
    // Where there is no room for it, it is not asked for.
    if (!this.#list.checkVisibility()) return;
    const source = new EventSource(url);
    source.addEventListener("message", (event) => this.#arrived(event.data, event.lastEventId));
  }

  #arrived(data, id) {
    if (document.getElementById(`m-${id}`)) return;
    this.#list.querySelector("p.quiet")?.remove();
    this.#list.append(parse(data));
    while (this.#list.childElementCount > MOST) this.#list.firstElementChild.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}
