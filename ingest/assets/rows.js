// Rows that arrive, put into the list as the server would have: a day above them, an agent named once, a result in its
// call's row, quiet rows folded. The server renders every row; nothing here makes markup of a message's text.

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });

// The rows of one piece of HTML that the server sent.
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

export class Rows {
  #list;
  #calls = new Map();

  constructor(list) {
    this.#list = list;
    for (const row of list.querySelectorAll('.row[data-kind="tool_call"]')) this.#remember(row);
  }

  has(cursor) {
    return document.getElementById(`m-${cursor}`) !== null;
  }

  append(row) {
    if (row.dataset.kind === "tool_result" && this.#join(row)) return;
    if (row.dataset.kind === "tool_call") this.#remember(row);
    this.#startDay(row);
    const last = this.#list.lastElementChild;
    if (row.hasAttribute("data-fold") && last) {
      if (last.matches(".fold")) return this.#foldInto(last, row);
      if (last.matches(".row[data-fold]")) return this.#foldInto(this.#foldOf(last), row);
    }
    if (last?.matches(".row") && last.dataset.who === row.dataset.who) row.classList.add("same");
    this.#list.append(row);
  }

  // Takes away the oldest while there are more than `most`; true when any was.
  trim(most) {
    let trimmed = false;
    while (this.#list.childElementCount > most) {
      const first = this.#list.firstElementChild;
      if (first.dataset.call) this.#calls.delete(first.dataset.call);
      first.remove();
      trimmed = true;
    }
    return trimmed;
  }

  clear() {
    this.#calls.clear();
    this.#list.replaceChildren();
  }

  firstCursor() {
    return this.#list.querySelector(".row")?.dataset.cursor;
  }

  #remember(row) {
    if (row.dataset.call) this.#calls.set(row.dataset.call, row);
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

  #startDay(row) {
    const days = this.#list.querySelectorAll(":scope > .day");
    if (days[days.length - 1]?.dataset.day === row.dataset.day) return;
    const day = document.createElement("div");
    day.className = "day";
    day.dataset.day = row.dataset.day;
    const text = document.createElement("span");
    text.textContent = `${DAY.format(new Date(`${row.dataset.day}T00:00:00Z`)).replace(",", "")}, UTC`;
    day.append(text);
    this.#list.append(day);
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
    row.replaceWith(fold);
    fold.append(summary, row);
    return fold;
  }

  #foldInto(fold, row) {
    fold.append(row);
    fold.querySelector(".count").textContent = `${fold.childElementCount - 1} status updates`;
    fold.querySelector(".latest").textContent = row.querySelector(".what p")?.textContent ?? "";
  }
}
