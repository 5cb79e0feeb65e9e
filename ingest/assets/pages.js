// The part of a list that is in the page: a window over all of it. More is fetched at both ends as the reader comes near them,
// and what is far from them is taken away, so that the page stays as small as it was however long the list is.

// Rows in the page at most: when some come or go at its start, the browser moves all that follow.
const MOST = 400;
const SLACK = 100;
// How near an end is before more is fetched.
const NEAR = 1500;
// What is shown is drawn before what is far away is let go.
const TRIMMED = 50;

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

  // Fetches what the reader is coming near to. True when something was.
  async fill() {
    if (this.#busy) return false;
    const { scrollTop, scrollHeight, clientHeight } = this.#box;
    if (this.older && this.#first && scrollTop < NEAR) return this.#extend("before", this.#first);
    if (this.newer && this.#last && scrollHeight - scrollTop - clientHeight < NEAR) return this.#extend("after", this.#last);
    return false;
  }

  // Shows another part of the list in place of this one: at a position, or its end.
  async show(place, position) {
    this.#turn += 1;
    const turn = this.#turn;
    const section = await this.#fetch(place ? { [place]: position } : {});
    if (!section || turn !== this.#turn) return false;
    this.#rows.clear();
    this.#box.querySelector(":scope > .notice")?.remove();
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
    if (this.#rows.list.childElementCount > MOST + SLACK) this.#trimming ||= setTimeout(() => this.#trim(), TRIMMED);
  }

  #trim() {
    this.#trimming = 0;
    // Only who follows the end is far from the start.
    if (!this.atEnd || this.#box.scrollTop < NEAR) return;
    this.still(() => this.#rows.trim(MOST, true) && this.#cut(true));
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
      const entries = [...section.querySelector("#rows").children];
      const before = name === "before";
      this.still(() => {
        if (before) this.#rows.prependPage(entries);
        else this.#rows.appendPage(entries);
        if (before) {
          this.older = section.hasAttribute("data-older");
          this.#first = section.dataset.first ?? this.#first;
        } else {
          this.newer = section.hasAttribute("data-newer");
          this.#last = section.dataset.last ?? this.#last;
          this.asOf = section.dataset.after;
        }
        if (this.#rows.trim(MOST, !before)) this.#cut(!before);
        this.#arranged();
        this.#links();
      });
      return true;
    } finally {
      this.#busy = false;
      this.#box.removeAttribute("aria-busy");
    }
  }

  // Changes the list without moving what the reader sees.
  still(change) {
    const seen = entryAt(this.#box, "top") ?? this.#rows.list.firstElementChild;
    const was = seen?.getBoundingClientRect().top;
    // One of the two: what the browser would do as well is done here, for those that do not.
    this.#box.style.overflowAnchor = "none";
    change();
    if (seen?.isConnected) this.#box.scrollTop += seen.getBoundingClientRect().top - was;
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
    const section = template.content.querySelector("#timeline");
    if (section) this.#settle(section);
    return section;
  }
}
