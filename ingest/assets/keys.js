// Single keys, where nobody writes into a field, and the sheet that lists them.

import { tell } from "./told.js";

const TROUBLE = ".row.error, .row.warning";
// Of these are the rows that other parts of the list are asked for.
const KINDS = ["error", "gap"];

// The sheet alone, for pages without a list.
export function help() {
  const sheet = document.getElementById("help");
  const button = document.getElementById("keys");
  button.hidden = false;
  button.addEventListener("click", () => sheet.showModal());
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.matches?.("input")) event.target.blur();
    if (!isFree(event)) return;
    if (event.key === "?") sheet.showModal();
    else if (event.key === "/") document.querySelector(".search input")?.focus();
    else return;
    event.preventDefault();
  });
}

function isFree(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return false;
  return !event.target.closest?.("input, textarea, select, [contenteditable], dialog");
}

export class Keys {
  #box;
  #parts;

  constructor(box, parts) {
    this.#box = box;
    this.#parts = parts;
    help();
    addEventListener("keydown", (event) => {
      if (isFree(event) && this.#key(event)) event.preventDefault();
    });
  }

  #key({ key, target }) {
    const { follow, pages, copy, times, toLatest } = this.#parts;
    const onControl = target.closest?.("button, a, summary");
    switch (key) {
      case "j":
        this.#step(1, ".row");
        return true;
      case "k":
        this.#step(-1, ".row");
        return true;
      case "e":
        return this.#step(1, TROUBLE) || this.#elsewhere("after");
      case "E":
        return this.#step(-1, TROUBLE) || this.#elsewhere("before");
      case "Enter":
        return !onControl && this.#toggle();
      case "f":
      case " ":
        if (key === " " && onControl) return false;
        follow.pause(!follow.paused);
        return true;
      case "G":
        follow.paused ? follow.toLatest() : toLatest();
        return true;
      case "g":
        this.#first();
        return true;
      case "x":
        document.querySelector('.chip[data-chip="error"]')?.click();
        return true;
      case "y":
        copy.copy(this.#current(), "link");
        return true;
      case "m":
        copy.copy(this.#current(), "markdown");
        return true;
      case "J":
        copy.copy(this.#current(), "json");
        return true;
      case "r":
        copy.turn(this.#current());
        return true;
      case "c":
        this.#current()?.querySelector("a.when").click();
        return true;
      case "t":
        times.next();
        return true;
      default:
        return false;
    }
  }

  #current() {
    return document.activeElement.closest("#rows .row");
  }

  #rows(selector) {
    return [...this.#box.querySelectorAll(selector)].filter((row) => row.checkVisibility());
  }

  // To the next row of some sort, if there is one in the page; without a current one, from the edge of what is on screen.
  #step(by, selector) {
    const rows = this.#rows(selector);
    const current = this.#current();
    const { top, bottom } = this.#box.getBoundingClientRect();
    const follows = (row) => current.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING;
    const precedes = (row) => current.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_PRECEDING;
    let next;
    if (current) next = by > 0 ? rows.find(follows) : rows.findLast(precedes);
    else if (by > 0) next = rows.find((row) => row.getBoundingClientRect().top >= top) ?? rows[rows.length - 1];
    else next = rows.findLast((row) => row.getBoundingClientRect().bottom <= bottom);
    if (!next) return false;
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  // To the next error or gap that is not in the page.
  #elsewhere(side) {
    const edge = this.#parts.pages.edge(side);
    const url = document.querySelector(".export a")?.href.replace("/export.jsonl", "/messages");
    if (edge && url) this.#find(new URL(url), side, edge);
    else tell("no more errors");
    return true;
  }

  async #find(url, side, edge) {
    // The filters of the page hold here as well.
    const kinds = url.searchParams.getAll("kind");
    const wanted = KINDS.filter((kind) => kinds.length === 0 || kinds.includes(kind));
    url.searchParams.delete("kind");
    for (const kind of wanted) url.searchParams.append("kind", kind);
    url.searchParams.set(side, edge);
    url.searchParams.set("limit", "1");
    const answer = wanted.length > 0 && (await fetch(url).catch(() => null));
    if (answer === null || (answer && !answer.ok)) return tell("not found: the server does not answer");
    const [message] = answer ? (await answer.json()).messages : [];
    if (message) location.assign(this.#parts.pages.link({ at: message.cursor }));
    else tell("no more errors");
  }

  #toggle() {
    const row = this.#current();
    const details = row?.querySelector("details.tool") ?? row?.closest("details.fold");
    if (details) details.open = !details.open;
    else row?.querySelector("a[data-body]")?.click();
    return true;
  }

  async #first() {
    const { pages, scrolled } = this.#parts;
    if (pages.older) {
      const url = pages.link({ after: "0.0" });
      if (!(await pages.show("after", "0.0"))) return;
      history.replaceState(null, "", url);
    }
    this.#box.scrollTop = 0;
    // A large screen has room for more.
    scrolled();
  }
}
