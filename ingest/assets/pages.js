// The part of a list that is in the page: a window over all of it. More is fetched at both ends as the reader comes near them,
// and what is far from them is taken away, so that the page stays as small as it was however long the list is.

import { rowsOf } from "./rows.js";

// Rows in the page, unless more are near: when some come or go at its start, the browser moves all that follow, and draws them
// anew.
const MOST = 300;
const SLACK = 60;
// Rows beyond which no more are fetched before others go: so many are near where they are folded.
const FULL = 1000;
// How near an end is before more is fetched, and how far what is let go: it must not come again at once.
const NEAR = 1500;
const FAR = 2000;
// What is shown is drawn before what is far away is let go.
const TRIMMED = 50;
// Entries of a page that are put into the list in one task. Laying them out is what takes long, and between two tasks the browser
// answers the reader.
const AT_ONCE = 12;

// The entry at an edge of what is on screen.
export function entryAt(box, edge) {
  const { left, top, bottom } = box.getBoundingClientRect();
  const [from, to, step] = edge === "top" ? [top + 1, bottom, 12] : [bottom - 2, top, -12];
  // Between two entries there may be nothing.
  for (let y = from; step > 0 ? y < to : y > to; y += step) {
    const entry = document.elementFromPoint(left + 6, y)?.closest("#rows > *, #rows .fold > .row");
    if (entry) return entry;
  }
  return null;
}

export class Pages {
  #box;
  #rows;
  #settle;
  #arranged;
  #busy = false;
  #trimming = 0;
  // What is left of a pixel, since lists scroll by whole ones: many changes would add up.
  #left = 0;
  // Counts what the reader asked for: an answer to an earlier question is no longer wanted.
  #turn = 0;
  #first;
  #last;
  older;
  newer;
  // Everything up to there is in this list or on its pages.
  asOf;

  // `settle` makes what was fetched a part of the page, and `arranged` is called when it stands among its neighbours.
  constructor(box, rows, { settle, arranged }) {
    this.#box = box;
    this.#rows = rows;
    this.#settle = settle;
    this.#arranged = arranged;
    this.#take(box);
  }

  // Whether the window ends where the list does.
  get atEnd() {
    return !this.newer;
  }

  // The position of the first or last row, where the list goes on beyond it.
  edge(side) {
    return side === "before" ? this.older && this.#first : this.newer && this.#last;
  }

  // Fetches what the reader is coming near to. True when something was.
  async fill() {
    if (this.#busy || this.#rows.count >= FULL) return false;
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    if (this.older && this.#first && scrollTop < NEAR) return this.#extend("before", this.#first);
    if (this.newer && this.#last && scrollHeight - scrollTop - clientHeight < NEAR) return this.#extend("after", this.#last);
    return false;
  }

  // Shows another part of the list in place of this one: at a position, or its end.
  async show(place, position) {
    this.#turn += 1;
    const turn = this.#turn;
    this.#box.setAttribute("aria-busy", "true");
    const section = await this.#fetch(place ? { [place]: position } : {});
    if (turn === this.#turn) this.#box.removeAttribute("aria-busy");
    if (!section || turn !== this.#turn) return false;
    this.#rows.clear();
    this.#box.querySelector(":scope > .notice")?.remove();
    this.#settle(section);
    this.#rows.appendPage([...section.querySelector("#rows").children]);
    this.#arranged();
    this.#take(section);
    this.#links();
    return true;
  }

  // Rows have been added at the end, up to this one.
  grew(cursor) {
    this.#last = cursor;
    if (!this.#first) {
      this.#first = this.#rows.firstCursor();
      this.#links();
    }
    document.getElementById("nothing")?.remove();
    // Not at every row, and in a task of its own: the page must go on answering.
    if (this.#rows.count > MOST + SLACK) this.#trimSoon();
  }

  #trimSoon() {
    this.#trimming ||= setTimeout(() => this.#trim(), TRIMMED);
  }

  #trim() {
    this.#trimming = 0;
    // What is being put at the start belongs to what is there now.
    if (this.#busy) return this.#trimSoon();
    if (!this.atEnd) return;
    this.still(() => this.#letGo(MOST, true));
    this.#arranged();
  }

  // Nothing is known but what arrives from now on; what is before it is on pages of the server.
  beginAnew() {
    this.#turn += 1;
    this.older = true;
    this.newer = false;
    this.#first = undefined;
    this.#last = undefined;
    this.#rows.clear();
  }

  // What follows the last row is on pages of the server again.
  lostEnd() {
    this.newer = true;
    this.#links();
  }

  async #extend(name, position) {
    const turn = this.#turn;
    this.#busy = true;
    this.#box.setAttribute("aria-busy", "true");
    try {
      const section = await this.#fetch({ [name]: position });
      if (!section || turn !== this.#turn) return false;
      const before = name === "before";
      const entries = [...section.querySelector("#rows").children];
      while (entries.length > AT_ONCE) {
        // Those first that are next to what is there.
        const next = before ? entries.splice(-AT_ONCE) : entries.splice(0, AT_ONCE);
        this.still(() => this.#put(next, before));
        await new Promise((resolve) => setTimeout(resolve));
        if (turn !== this.#turn) return false;
      }
      this.still(() => {
        this.#put(entries, before);
        if (before) {
          this.older = section.hasAttribute("data-older");
          this.#first = section.dataset.first ?? this.#first;
        } else {
          this.newer = section.hasAttribute("data-newer");
          this.#last = section.dataset.last ?? this.#last;
          this.asOf = section.dataset.after;
        }
        if (entries.length > 0) document.getElementById("nothing")?.remove();
        this.#arranged();
        this.#links();
      });
      return true;
    } finally {
      this.#busy = false;
      this.#box.removeAttribute("aria-busy");
    }
  }

  #put(entries, before) {
    let count = 0;
    for (const entry of entries) {
      this.#settle(entry);
      count += rowsOf(entry).length;
    }
    // First, while all that is there is laid out.
    this.#letGo(MOST - count, !before);
    if (before) this.#rows.prependPage(entries);
    else this.#rows.appendPage(entries);
  }

  #letGo(most, atStart) {
    const { top, bottom } = this.#box.getBoundingClientRect();
    const isFar = (entry) => {
      const its = entry.getBoundingClientRect();
      return atStart ? top - its.bottom > FAR : its.top - bottom > FAR;
    };
    if (this.#rows.trim(most, atStart, isFar)) this.#cut(atStart);
  }

  // Changes the list without moving what the reader sees.
  still(change) {
    const seen = entryAt(this.#box, "top") ?? this.#rows.list.firstElementChild;
    const was = seen?.getBoundingClientRect().top;
    const off = () => seen.getBoundingClientRect().top - was + this.#left;
    // One of the two: what the browser would do as well is done here, for those that do not.
    this.#box.style.overflowAnchor = "none";
    change();
    if (seen?.isConnected) {
      this.#box.scrollTop += off();
      this.#left = off();
      // At an end it cannot move further.
      if (Math.abs(this.#left) > 1) this.#left = 0;
    }
    this.#box.style.overflowAnchor = "";
  }

  #cut(atStart) {
    if (atStart) {
      this.older = true;
      this.#first = this.#rows.firstCursor();
    } else {
      this.newer = true;
      this.#last = this.#rows.lastCursor();
    }
    this.#links();
  }

  #take(section) {
    this.older = section.hasAttribute("data-older");
    this.newer = section.hasAttribute("data-newer");
    this.asOf = section.dataset.after;
    this.#first = section.dataset.first;
    this.#last = section.dataset.last;
  }

  #links() {
    for (const [id, shown, name, position, text] of [
      ["older", this.older, "before", this.#first, "Older messages"],
      ["newer", this.newer, "after", this.#last, "Newer messages"],
    ]) {
      const line = document.getElementById(id);
      line.hidden = !shown;
      if (!shown || !position) continue;
      const link = line.querySelector("a") ?? line.appendChild(document.createElement("a"));
      link.textContent = text;
      link.href = this.link({ [name]: position });
    }
  }

  // A link to a part of the list, under the same filters.
  link(place) {
    const url = new URL(location.href);
    for (const name of ["before", "after", "at", "part"]) url.searchParams.delete(name);
    for (const [name, value] of Object.entries(place)) url.searchParams.set(name, value);
    url.hash = "";
    return url;
  }

  async #fetch(place) {
    const url = this.link({ ...place, part: "rows" });
    const answer = await fetch(url, { headers: { accept: "text/html" } }).catch(() => null);
    if (!answer?.ok || answer.redirected) return null;
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    return template.content.querySelector("#timeline");
  }
}
