// The last lines of the shared channel beside the list of runs. Its stream is no business of the reader's: whether the page is
// live, the list says.

import { parse } from "./rows.js";
import { Stream } from "./stream.js";

const MOST = 15;

export class Channel {
  #list = document.getElementById("channel");

  // Whether the page has it: who may not read the channel is not shown it.
  get isThere() {
    return this.#list !== null;
  }

  follow() {
    this.#list.scrollTop = this.#list.scrollHeight;
    // Where there is no room for it, it is not asked for.
    if (!this.#list.checkVisibility()) return;
    const arrived = { message: (data, id) => this.#arrived(data, id) };
    new Stream("/api/agents/events?channel=general&view=rows", this.#list.dataset.after, arrived, () => {}).open();
  }

  #arrived(data, id) {
    if (document.getElementById(`m-${id}`)) return;
    this.#list.querySelector("p.quiet")?.remove();
    this.#list.append(parse(data));
    while (this.#list.childElementCount > MOST) this.#list.firstElementChild.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}
