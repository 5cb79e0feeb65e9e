// What stands around the list of a run: its state, its counts, the bars over time. They are asked for again while the run goes
// on; the bars tell what is on screen, and a range drawn over them is shown alone.

import { entryAt } from "./pages.js";

const EVERY = 5_000;
// Bars of a long run cost more to read.
const LONG = 10_000;
const EVERY_LONG = 60_000;
const OPEN = ".heading .state.running, .heading .state.stalled";
// How often the bars are marked.
const MARKED = 200;
const BARS = 120;
// A shorter way with the pointer is a click.
const DRAWN = 6;

export class About {
  #box;
  #spread = document.getElementById("spread");
  #timer = 0;
  #marking = false;
  #drag = null;

  constructor(box) {
    this.#box = box;
    if (!this.#spread) return;
    this.#listen();
    // The bars of a long run; its rows are drawn first.
    if (this.#spread.hidden && document.getElementById("messages")) requestAnimationFrame(() => setTimeout(() => this.#refresh()));
    // A run changes its state also when nothing is said any more, and a filter leaves out most of what is said.
    setInterval(() => document.querySelector(OPEN) && this.stale(), EVERY_LONG);
  }

  // Something was said: what is shown around the list is old.
  stale() {
    if (!this.#spread || this.#timer) return;
    const count = Number(document.getElementById("messages")?.dataset.count ?? 0);
    // A run of which nothing was known has its first message.
    const wait = count === 0 ? 500 : count > LONG ? EVERY_LONG : EVERY;
    this.#timer = setTimeout(() => this.#refresh(), wait);
  }

  // Other rows are on screen.
  moved() {
    if (!this.#spread || this.#marking) return;
    this.#marking = true;
    setTimeout(() => {
      this.#marking = false;
      this.#mark();
    }, MARKED);
  }

  async #refresh() {
    this.#timer = 0;
    if (document.hidden) return this.stale();
    const url = new URL(location.href);
    url.searchParams.set("part", "about");
    const answer = await fetch(url).catch(() => null);
    if (answer?.redirected) return;
    if (!answer?.ok) return this.stale();
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    for (const selector of [".heading", ".chips", "#about"]) this.#put(selector, template.content.querySelector(selector));
    const spread = template.content.querySelector("#spread");
    if (spread && !this.#drag) {
      this.#spread.replaceWith(spread);
      this.#spread = spread;
      this.#listen();
      this.#mark();
    }
  }

  // In place of what is there, unless the reader is in it.
  #put(selector, fresh) {
    if (!fresh) return;
    const there = document.querySelector(selector);
    if (!there) {
      // The first message of a run that nobody knew.
      if (selector === "#about") document.querySelector(".columns").append(fresh);
      return;
    }
    if (there.contains(document.activeElement) || there.innerHTML === fresh.innerHTML) return;
    const { scrollLeft, scrollTop } = there;
    there.replaceChildren(...fresh.childNodes);
    Object.assign(there, { scrollLeft, scrollTop });
  }

  #mark() {
    const [from, to] = ["from", "to"].map((name) => Number(this.#spread.dataset[name]));
    const bars = this.#spread.querySelectorAll(".bar");
    if (bars.length === 0) return;
    const rowAt = (edge) => {
      const entry = entryAt(this.#box, edge);
      return entry?.matches(".row") ? entry : (entry?.querySelector(".row") ?? entry?.nextElementSibling);
    };
    const place = (row) => Math.floor(((Number(row?.dataset.at) - from) / (to - from)) * BARS);
    const [low, high] = [place(rowAt("top")), Math.min(place(rowAt("bottom")), BARS - 1)];
    for (const bar of bars) {
      const number = Number(bar.dataset.bar);
      bar.classList.toggle("seen", number >= low && number <= high);
    }
  }

  #listen() {
    const spread = this.#spread;
    spread.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.target.closest(".whole")) return;
      this.#drag = { at: event.clientX, range: null };
    });
    spread.addEventListener("pointermove", (event) => this.#draw(event));
    spread.addEventListener("pointerup", (event) => this.#drawn(event));
    spread.addEventListener("pointercancel", () => this.#forget());
    // What was drawn over a bar is no click on it; nor is a bar dragged away.
    spread.addEventListener("click", (event) => this.#drag?.range && event.preventDefault(), { capture: true });
    spread.addEventListener("dragstart", (event) => event.preventDefault());
  }

  #draw(event) {
    // Released where nothing told of it.
    if (this.#drag && event.buttons === 0) this.#forget();
    if (!this.#drag || (!this.#drag.range && Math.abs(event.clientX - this.#drag.at) < DRAWN)) return;
    const svg = this.#spread.querySelector("svg");
    const box = svg.getBoundingClientRect();
    const part = (x) => Math.min(1, Math.max(0, (x - box.left) / box.width));
    if (!this.#drag.range) {
      this.#spread.setPointerCapture(event.pointerId);
      this.#drag.range = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      this.#drag.range.setAttribute("class", "range");
      this.#drag.range.setAttribute("height", "28");
      svg.append(this.#drag.range);
    }
    const [left, right] = [part(this.#drag.at), part(event.clientX)].sort((a, b) => a - b);
    this.#drag.range.setAttribute("x", left * 1200);
    this.#drag.range.setAttribute("width", (right - left) * 1200);
    this.#drag.parts = [left, right];
  }

  #drawn() {
    const { range, parts } = this.#drag ?? {};
    if (!range) return this.#forget();
    const [from, to] = ["from", "to"].map((name) => Number(this.#spread.dataset[name]));
    const [since, until] = parts.map((part) => new Date(from + (to - from) * part).toISOString());
    const url = new URL(location.href);
    for (const name of ["before", "after", "at", "since", "until"]) url.searchParams.delete(name);
    // A range up to an edge has no bound there: the last message is part of it, and so is what follows.
    if (parts[0] > 0) url.searchParams.set("since", since);
    if (parts[1] < 1) url.searchParams.set("until", until);
    url.hash = "";
    location.assign(url);
  }

  #forget() {
    this.#drag?.range?.remove();
    this.#drag = null;
  }
}
