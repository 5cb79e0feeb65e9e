// The list of runs, while it is open. A row that is there changes where it stands; new runs wait while the pointer or the
// focus is on the table, and are counted.

import { Stream } from "./stream.js";

const table = document.querySelector("table.runs");
const body = document.getElementById("runs");
const updated = document.getElementById("updated");
const waiting = new Map();

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("tr");
}

function find(run) {
  return body.querySelector(`tr[data-run="${CSS.escape(run)}"]`);
}

function update(row) {
  const present = find(row.dataset.run);
  if (present) {
    // The cells alone: the row keeps its place, and the focus what it was on.
    if (!present.contains(document.activeElement)) present.replaceChildren(...row.childNodes);
    present.dataset.last = row.dataset.last;
    return;
  }
  if (!table.dataset.new) return;
  waiting.set(row.dataset.run, row);
  const busy = body.matches(":hover") || body.contains(document.activeElement) || document.querySelector("main").scrollTop > 0;
  if (busy) show();
  else apply();
}

function show() {
  updated.hidden = waiting.size === 0;
  updated.textContent = `${waiting.size} updated`;
}

function apply() {
  document.getElementById("nothing")?.remove();
  document.getElementById("table").hidden = false;
  for (const row of waiting.values()) body.prepend(row);
  waiting.clear();
  show();
}

// The times of day and "2 s ago" grow old by themselves.
function age() {
  for (const time of document.querySelectorAll("time.ago")) {
    const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (seconds < 2) time.textContent = "now";
    else if (seconds < 60) time.textContent = `${seconds} s ago`;
    else if (seconds < 3600) time.textContent = `${Math.floor(seconds / 60)} m ago`;
  }
}

// The stream has no positions: what a break made it miss is on a fresh page.
async function refresh() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const row of [...page.querySelectorAll("#runs > tr")].reverse()) update(row);
}

updated.addEventListener("click", apply);
setInterval(age, 5000);
if (table.dataset.stream) {
  new Stream(table.dataset.stream, "", { run: (data) => update(parse(data)), reopened: refresh }).open();
}
