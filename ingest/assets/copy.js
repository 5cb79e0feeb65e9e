// What is done with the row that the pointer or the focus is on: copied as its link, as markdown, as JSON, or turned to what was
// written.

import { hasRaw, isRaw, turn } from "./raw.js";
import { tell } from "./told.js";

function link(row) {
  return new URL(row.querySelector("a.when").href, location.href).href;
}

async function text(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.text();
}

export class Copy {
  #tools;
  #raw;
  #row = null;

  constructor(box) {
    this.#tools = document.createElement("div");
    this.#tools.className = "tools";
    for (const [name, title] of [["link", "Copy link"], ["markdown", "Copy as markdown"], ["json", "Copy as JSON"]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = -1;
      button.textContent = name === "json" ? "JSON" : name;
      button.title = title;
      button.addEventListener("click", () => this.copy(this.#row, name));
      this.#tools.append(button);
    }
    this.#raw = document.createElement("button");
    this.#raw.type = "button";
    this.#raw.tabIndex = -1;
    this.#raw.textContent = "raw";
    this.#raw.title = "The text as it was written";
    this.#raw.addEventListener("click", () => this.turn(this.#row));
    this.#tools.append(this.#raw);
    box.addEventListener("pointerover", (event) => this.#at(event.target.closest(".row")));
    box.addEventListener("focusin", (event) => this.#at(event.target.closest(".row")));
    box.addEventListener("pointerleave", () => this.#at(null));
  }

  async copy(row, form) {
    if (!row) return;
    const cursor = row.dataset.cursor;
    try {
      if (form === "link") await navigator.clipboard.writeText(link(row));
      else if (form === "markdown") await navigator.clipboard.writeText(await text(`/agents/messages/${cursor}/markdown`));
      else {
        const page = JSON.parse(await text(`/api/agents/messages/${cursor}?context=0`));
        await navigator.clipboard.writeText(JSON.stringify(page.messages[0], null, 2));
      }
      tell(`${form === "json" ? "JSON" : form} copied`);
    } catch {
      tell("not copied: the browser or the server refused");
    }
  }

  // Shows a row as it was written, and back.
  async turn(row) {
    if (!hasRaw(row)) return;
    if (!(await turn(row))) tell("not shown: the browser or the server refused");
    this.#raw.setAttribute("aria-pressed", String(isRaw(row)));
  }

  #at(row) {
    if (row === this.#row) return;
    this.#row?.classList.remove("at");
    this.#row = row;
    if (row) {
      this.#raw.hidden = !hasRaw(row);
      this.#raw.setAttribute("aria-pressed", String(isRaw(row)));
      row.classList.add("at");
      row.append(this.#tools);
    } else this.#tools.remove();
  }
}
