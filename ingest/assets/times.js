// Times as the reader likes them: UTC as the server writes them, local, since the run began, or since the row before.

const REMEMBERED = "agent-comms-times";
const MODES = ["utc", "local", "relative", "delta"];

function two(number) {
  return String(number).padStart(2, "0");
}

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function day(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function since(milliseconds) {
  const sign = milliseconds < 0 ? "−" : "+";
  const all = Math.abs(milliseconds);
  const hours = Math.floor(all / 3_600_000);
  const minutes = Math.floor(all / 60_000) % 60;
  const seconds = two(Math.floor(all / 1_000) % 60);
  return `${sign}${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${seconds}.${String(all % 1_000).padStart(3, "0")}`;
}

function put(time, text) {
  if (time.textContent !== text) time.textContent = text;
}

export class Times {
  #box;
  #group = document.getElementById("times");
  #mode = "utc";
  #begin;
  #changed;

  // `changed` is called when the reader chose other times.
  constructor(box, changed) {
    this.#box = box;
    this.#changed = changed;
    try {
      const kept = localStorage.getItem(REMEMBERED);
      if (MODES.includes(kept)) this.#mode = kept;
    } catch {
      // A browser that keeps nothing shows UTC.
    }
    this.#group.hidden = false;
    this.#group.addEventListener("click", (event) => {
      const mode = event.target.dataset.time;
      if (mode) this.#choose(mode);
    });
    this.#mark();
  }

  // Whose days the list is divided by.
  get zone() {
    return this.#mode === "local" ? "local time" : "UTC";
  }

  next() {
    this.#choose(MODES[(MODES.indexOf(this.#mode) + 1) % MODES.length]);
  }

  // Writes the times in an element that the server has rendered.
  write(root) {
    if (this.#mode !== "utc") this.#all(root);
  }

  // Writes the times that depend on the row before, once rows are where they belong.
  chain(list) {
    if (this.#mode !== "delta") return;
    let before;
    for (const entry of list.children) {
      for (const time of entry.querySelectorAll(":scope > summary time, a.when time")) {
        const now = Date.parse(time.dateTime);
        put(time, before === undefined ? "·" : since(now - before));
        // The line of a fold has the time of its first row.
        if (!time.closest("summary")) before = now;
      }
    }
  }

  #choose(mode) {
    this.#mode = mode;
    try {
      localStorage.setItem(REMEMBERED, mode);
    } catch {
      // The choice then lasts as long as the page.
    }
    this.#mark();
    this.#changed(() => this.#all(this.#box));
  }

  #all(root) {
    for (const time of root.querySelectorAll("time")) this.#one(time);
  }

  #one(time) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) return;
    time.title = time.dateTime;
    const row = time.closest(".row");
    if (row) row.dataset.day = this.#mode === "local" ? day(date) : time.dateTime.slice(0, 10);
    if (this.#mode === "local") put(time, clock(date));
    else if (this.#mode === "relative") put(time, since(date - this.#start()));
    else if (this.#mode === "utc") put(time, time.dateTime.slice(11, 23));
  }

  // When the run began; in the shared channel, the first time that is shown.
  #start() {
    this.#begin ??= Date.parse(document.querySelector(".rail time")?.dateTime ?? this.#box.querySelector("time")?.dateTime);
    return this.#begin;
  }

  #mark() {
    for (const button of this.#group.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.time === this.#mode));
    }
  }
}
