// Times as the reader likes them: UTC as the server writes them, local, or since the run began.

const REMEMBERED = "agent-comms-times";
const MODES = ["utc", "local", "relative"];

function two(number) {
  return String(number).padStart(2, "0");
}

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function since(milliseconds) {
  const sign = milliseconds < 0 ? "−" : "+";
  const all = Math.abs(milliseconds);
  const hours = Math.floor(all / 3_600_000);
  const minutes = Math.floor(all / 60_000) % 60;
  const seconds = two(Math.floor(all / 1_000) % 60);
  return `${sign}${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${seconds}.${String(all % 1_000).padStart(3, "0")}`;
}

export class Times {
  #box;
  #group = document.getElementById("times");
  #mode = "utc";
  #begin;

  constructor(box) {
    this.#box = box;
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

  next() {
    this.#choose(MODES[(MODES.indexOf(this.#mode) + 1) % MODES.length]);
  }

  // Writes the times in an element that the server has rendered.
  write(root) {
    if (this.#mode === "utc") return;
    for (const time of root.querySelectorAll("time")) this.#one(time);
  }

  #choose(mode) {
    this.#mode = mode;
    try {
      localStorage.setItem(REMEMBERED, mode);
    } catch {
      // The choice then lasts as long as the page.
    }
    this.#mark();
    for (const time of this.#box.querySelectorAll("time")) this.#one(time);
  }

  #one(time) {
    const date = new Date(time.dateTime);
    if (Number.isNaN(date.getTime())) return;
    time.title = time.dateTime;
    if (this.#mode === "utc") time.textContent = time.dateTime.slice(11, 23);
    else if (this.#mode === "local") time.textContent = clock(date);
    else time.textContent = since(date - this.#start());
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
