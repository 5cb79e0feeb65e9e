// The list of runs, while it is open. A row that is there changes where it stands. New runs and a new order wait while the
// pointer or the focus is on the list, and are counted.

import { Channel } from "./channel.js";
import { isAfter } from "./cursor.js";
import { help } from "./keys.js";
import { watch } from "./lag.js";
import { Stream } from "./stream.js";

const EVERY = 1000;
// More runs than this are on older pages.
const MOST = 200;

const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

const table = document.querySelector("table.runs");
const list = document.querySelector(".list");
const body = document.getElementById("runs");
const updated = document.getElementById("updated");
const waiting = new Map();
// Runs that said something since the list was put in order.
const moved = new Set();
let timer = 0;

function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.querySelector("tr");
}

function find(run) {
  return body.querySelector(`tr[data-run="${CSS.escape(run)}"]`);
}

function update(row) {
  const run = row.dataset.run;
  const present = find(run);
  const known = present ?? waiting.get(run);
  // A fresh page was made while the stream went on.
  if (known && isAfter(known.dataset.last, row.dataset.last)) return;
  if (present) {
    if (present.dataset.last !== row.dataset.last) moved.add(run);
    // The cells alone: the row keeps its place, and the focus what it was on.
    const cells = [...row.cells];
    for (const [index, cell] of [...present.cells].entries()) {
      if (!cell.contains(document.activeElement)) cell.replaceWith(cells[index]);
    }
    present.dataset.last = row.dataset.last;
    present.dataset.state = row.dataset.state;
  } else {
    if (table.dataset.new === undefined || !belongs(row)) return;
    waiting.set(run, row);
    // They do not come in their order.
    if (waiting.size > MOST) waiting.delete([...waiting].reduce(earlier)[0]);
  }
  timer ||= setTimeout(settle, body.childElementCount === 0 ? 0 : EVERY);
}

function earlier(one, other) {
  return isAfter(one[1].dataset.last, other[1].dataset.last) ? other : one;
}

// Whether a run belongs on this page. What was searched for stays, whatever becomes of it.
function belongs(row) {
  const wanted = table.dataset.new?.split(" ") ?? ["all"];
  return wanted.includes("all") || wanted.includes(row.dataset.state);
}

function isBusy() {
  return document.hidden || body.matches(":hover") || body.contains(document.activeElement) || list.scrollTop > 0;
}

function settle() {
  timer = 0;
  if (isBusy()) show();
  else apply();
}

function show() {
  const gone = [...body.children].filter((row) => !belongs(row)).length;
  const out = waiting.size + Math.max(gone, isInOrder() ? 0 : moved.size);
  updated.hidden = out === 0;
  updated.textContent = `${out} updated`;
}

function isInOrder() {
  const rows = [...body.children];
  return rows.every((row, index) => index === 0 || !isAfter(row.dataset.last, rows[index - 1].dataset.last));
}

function apply() {
  if (waiting.size > 0) {
    document.getElementById("nothing")?.remove();
    document.getElementById("table").hidden = false;
    body.append(...waiting.values());
  }
  waiting.clear();
  moved.clear();
  for (const row of [...body.children]) if (!belongs(row)) row.remove();
  if (!isInOrder()) {
    const rows = [...body.children].sort((left, right) => (isAfter(left.dataset.last, right.dataset.last) ? -1 : 1));
    body.append(...rows);
  }
  if (table.dataset.new !== undefined) cut();
  show();
}

// What is too much goes to the page of older runs.
function cut() {
  if (body.childElementCount <= MOST) return;
  for (const row of [...body.children].slice(MOST)) row.remove();
  let older = document.querySelector(".older a");
  if (!older) {
    older = document.createElement("a");
    older.textContent = "Older runs";
    const line = document.createElement("p");
    line.className = "older";
    line.append(older);
    document.getElementById("table").after(line);
  }
  const url = new URL(location.href);
  url.searchParams.set("before", body.lastElementChild.dataset.last);
  older.href = url;
}

// "2 s ago" grows old by itself, in the words that the server has for it.
function age() {
  for (const time of document.querySelectorAll("time.ago")) {
    const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
    if (seconds < 2) time.textContent = "now";
    else if (seconds < 60) time.textContent = `${seconds} s ago`;
    else if (seconds < 3600) time.textContent = `${Math.floor(seconds / 60)} m ago`;
    else if (seconds < 86400) time.textContent = `${Math.floor(seconds / 3600)} h ago`;
    // Older ones stay as the server wrote them.
    else if (time.textContent.endsWith("ago")) time.textContent = DAY.format(new Date(time.dateTime));
  }
}

// The stream has no positions: what was missed while it was not open is on a fresh page.
async function refresh() {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = [...page.querySelectorAll("#runs > tr")];
  // What is newer than the oldest of them and is not among them has become something else.
  const [known, oldest] = [new Set(fresh.map((row) => row.dataset.run)), fresh.at(-1)?.dataset.last];
  for (const row of body.children) {
    const missing = !known.has(row.dataset.run) && (!oldest || isAfter(row.dataset.last, oldest));
    if (missing && !table.dataset.new?.includes("all")) row.dataset.state = "gone";
  }
  for (const row of fresh.reverse()) update(row);
}

updated.addEventListener("click", () => {
  list.scrollTop = 0;
  apply();
});
setInterval(age, 5000);
help();
watch();
if (table.dataset.stream) new Stream(table.dataset.stream, "", { run: (data) => update(parse(data)), opened: refresh }).open();
else Stream.still();
const channel = new Channel();
if (channel.isThere) channel.follow();
