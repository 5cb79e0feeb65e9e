// Rows put into the list as the server would have: a day above them, an agent named once, a result in its call's row, quiet
// rows folded. Single rows arrive at the end, whole pages at both ends. The server renders every row; nothing here makes
// markup of a message's text.

import { isAfter } from "./cursor.js";

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
// A fold holds no more: what is folded is in the page all the same.
const MOST_FOLDED = 100;

// The elements of a piece of HTML that the server sent.
export function parseAll(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return [...template.content.children];
}

// Of one that is a single element.
export function parse(html) {
  return parseAll(html)[0];
}

function firstRow(entry) {
  return entry?.matches(".row") ? entry : entry?.querySelector(".row");
}

function lastRow(entry) {
  if (!entry || entry.matches(".row")) return entry;
  const rows = entry.querySelectorAll(".row");
  return rows[rows.length - 1];
}

export function rowsOf(entry) {
  return entry.matches(".row") ? [entry] : entry.querySelectorAll(".row");
}

// The positions of the results in the row of their call.
function resultsOf(row) {
  return [...row.querySelectorAll(".results > span[id]")].map(({ id }) => id.slice("m-".length));
}

export class Rows {
  #list;
  #calls = new Map();
  // Calls that are not in the page any more, while a result in their row is from after its start.
  #cutOff = new Map();
  #zone = "UTC";

  constructor(list) {
    this.#list = list;
    this.#rememberAll(list);
  }

  get list() {
    return this.#list;
  }

  get count() {
    return this.#list.querySelectorAll(".row").length;
  }

  has(cursor) {
    return document.getElementById(`m-${cursor}`) !== null;
  }

  firstCursor() {
    return firstRow(this.#list)?.dataset.cursor;
  }

  lastCursor() {
    return lastRow(this.#list)?.dataset.cursor;
  }

  append(row) {
    if (row.dataset.kind === "tool_result" && this.#join(row)) return;
    this.#remember(row);
    const last = this.#list.lastElementChild;
    const previous = lastRow(last);
    if (previous?.dataset.day !== row.dataset.day) {
      this.#list.append(this.#dayOf(row), row);
      return;
    }
    if (row.hasAttribute("data-fold")) {
      if (last.matches(".fold") && last.childElementCount <= MOST_FOLDED) return this.#foldInto(last, row);
      if (last.matches(".row[data-fold]")) return this.#foldInto(this.#foldOf(last), row);
    }
    if (last.matches(".row") && last.dataset.who === row.dataset.who) row.classList.add("same");
    this.#list.append(row);
  }

  // A page of the server at the end, or at the start.
  appendPage(entries) {
    const upper = this.#list.lastElementChild;
    const kept = this.#fresh(entries);
    this.#list.append(...kept);
    this.#seam(upper, kept[0]);
    for (const entry of kept) this.#joinAll(entry);
    for (const entry of kept) this.#rememberAll(entry);
    for (const entry of kept) this.#joinAll(entry);
    this.#divide();
  }

  prependPage(entries) {
    const lower = this.#list.firstElementChild;
    const kept = this.#fresh(entries);
    for (const entry of kept) this.#rememberAll(entry);
    this.#list.prepend(...kept);
    this.#joinAll(this.#list);
    if (lower?.isConnected) this.#seam(lower.previousElementSibling, lower);
    this.#divide();
  }

  // Divides the list by the days of another zone; its rows know theirs.
  redoDays(zone) {
    if (zone === this.#zone) return;
    this.#zone = zone;
    this.#putDays();
  }

  // Takes away the oldest, or the newest, while there are more rows than `most`, as long as they are far; true when any was.
  trim(most, atStart, isFar) {
    let over = this.count - most;
    const gone = [];
    let entry = atStart ? this.#list.firstElementChild : this.#list.lastElementChild;
    // All are measured before the first goes: after that the browser would have to lay out for each.
    while (over > 0 && entry && isFar(entry)) {
      gone.push(entry);
      over -= rowsOf(entry).length;
      entry = atStart ? entry.nextElementSibling : entry.previousElementSibling;
    }
    for (const entry of gone) entry.remove();
    const first = this.firstCursor();
    const reaches = (row) => first !== undefined && resultsOf(row).some((cursor) => !isAfter(first, cursor));
    for (const [call, row] of this.#cutOff) if (!reaches(row)) this.#cutOff.delete(call);
    for (const entry of gone) {
      for (const row of rowsOf(entry)) {
        if (!row.dataset.call) continue;
        this.#calls.delete(row.dataset.call);
        if (atStart && reaches(row)) this.#cutOff.set(row.dataset.call, row);
      }
    }
    return gone.length > 0;
  }

  clear() {
    this.#calls.clear();
    this.#cutOff.clear();
    this.#list.replaceChildren();
  }

  // Rows that are there already, as results in the rows of their calls, do not come again.
  #fresh(entries) {
    for (const entry of entries) {
      for (const row of rowsOf(entry)) if (this.has(row.dataset.cursor)) row.remove();
    }
    return entries.map((entry) => this.#whole(entry)).filter((entry) => entry.matches(".day, .notice") || (entry.matches(".row") ? !this.has(entry.dataset.cursor) : entry.querySelector(".row")));
  }

  // A call that was let go before a result of it comes back as it was: its page of the server knows nothing of that result.
  #whole(entry) {
    const row = this.#cutOff.get(entry.dataset.call);
    if (!row || row.dataset.cursor !== entry.dataset.cursor) return entry;
    this.#cutOff.delete(entry.dataset.call);
    row.className = entry.className;
    row.dataset.day = entry.dataset.day;
    row.querySelector("a.when").replaceWith(entry.querySelector("a.when"));
    entry.replaceWith(row);
    return row;
  }

  #rememberAll(entry) {
    if (entry.matches(".row")) this.#remember(entry);
    else for (const row of entry.querySelectorAll('.row[data-kind="tool_call"]')) this.#remember(row);
  }

  #remember(row) {
    if (row.dataset.kind === "tool_call" && row.dataset.call) this.#calls.set(row.dataset.call, row);
  }

  // What stood at the edge of two pages stands as if they had been one.
  #seam(upper, lower) {
    if (!upper || !lower) return;
    if (lower.matches(".day")) {
      if (lastRow(upper)?.dataset.day !== lower.dataset.day) return;
      const next = lower.nextElementSibling;
      lower.remove();
      return this.#seam(upper, next);
    }
    if (upper.matches(".fold") && lower.matches(".fold")) {
      const rows = [...lower.querySelectorAll(".row")];
      if (upper.childElementCount + rows.length > MOST_FOLDED) return;
      for (const row of rows) this.#foldInto(upper, row);
      lower.remove();
      return;
    }
    if (lower.matches(".row")) lower.classList.toggle("same", upper.matches(".row") && upper.dataset.who === lower.dataset.who);
  }

  #joinAll(entry) {
    const rows = entry.matches(".row") ? [entry] : entry.querySelectorAll('.row[data-kind="tool_result"]');
    for (const row of rows) {
      if (row.dataset.kind !== "tool_result") continue;
      const next = row.nextElementSibling;
      if (!this.#join(row)) continue;
      row.remove();
      if (next?.matches(".row")) this.#seam(next.previousElementSibling, next);
    }
  }

  #join(result) {
    const call = this.#calls.get(result.dataset.call);
    if (!call?.isConnected) return false;
    call.querySelector(".outcome").replaceChildren(...result.querySelector(".outcome").childNodes);
    const results = call.querySelector(".results");
    results.append(...result.querySelector(".results").childNodes);
    // The result's own position stays findable: links to it lead to its call.
    const place = document.createElement("span");
    place.id = result.id;
    results.append(place);
    return true;
  }

  // The server divides its pages by days of UTC.
  #divide() {
    if (this.#zone !== "UTC") this.#putDays();
  }

  #putDays() {
    for (const day of this.#list.querySelectorAll(":scope > .day")) day.remove();
    let upper = null;
    for (const entry of [...this.#list.children]) {
      const row = firstRow(entry);
      if (!row) continue;
      if (lastRow(upper)?.dataset.day !== row.dataset.day) {
        entry.before(this.#dayOf(row));
        row.classList.remove("same");
      } else this.#seam(entry.previousElementSibling, entry);
      upper = entry;
    }
  }

  #dayOf(row) {
    const day = document.createElement("div");
    day.className = "day";
    day.dataset.day = row.dataset.day;
    const text = document.createElement("span");
    text.textContent = `${DAY.format(new Date(`${row.dataset.day}T00:00:00Z`)).replace(",", "")}, ${this.#zone}`;
    day.append(text);
    return day;
  }

  #foldOf(row) {
    const fold = document.createElement("details");
    fold.className = "fold";
    const summary = document.createElement("summary");
    const time = row.querySelector("time").cloneNode(true);
    const count = document.createElement("span");
    count.className = "count";
    const latest = document.createElement("span");
    latest.className = "latest";
    summary.append(time, count, latest);
    row.classList.remove("same");
    const focused = row.contains(document.activeElement) && document.activeElement;
    row.replaceWith(fold);
    fold.append(summary, row);
    if (focused) {
      // Whoever is at it stays there.
      fold.open = true;
      focused.focus({ preventScroll: true });
    }
    return fold;
  }

  #foldInto(fold, row) {
    fold.append(row);
    fold.querySelector(".count").textContent = `${fold.childElementCount - 1} status updates`;
    fold.querySelector(".latest").textContent = row.querySelector(".what p")?.textContent ?? "";
  }
}
