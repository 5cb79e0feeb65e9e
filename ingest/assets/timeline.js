// The page of a run or of the shared channel, while it is open: rows arrive at the end, pages at both ends.

import { About } from "./about.js";
import { Bodies } from "./body.js";
import { Copy } from "./copy.js";
import { isAfter } from "./cursor.js";
import { Follow } from "./follow.js";
import { Found } from "./found.js";
import { Keys } from "./keys.js";
import { said } from "./lag.js";
import { Pages } from "./pages.js";
import { keepPlace } from "./place.js";
import { Rows, parseAll } from "./rows.js";
import { Stream } from "./stream.js";
import { Times } from "./times.js";

// Rows that wait to be shown; of more than these the oldest are given up, and read from history when they are wanted.
const MOST_HELD = 1000;
// Rows that are shown at once, and how often: what arrives in bursts must not keep the page from answering.
const AT_ONCE = 20;
const EVERY = 50;
const AGAIN = 1000;

const timeline = document.getElementById("timeline");
const rows = new Rows(document.getElementById("rows"));
const times = new Times(timeline, retimed);
const found = new Found(rows.list);
const pages = new Pages(timeline, rows, { settle, arranged });
const about = new About(timeline);
const follow = new Follow(timeline, { resumed: flush, latest: toLatest });

let held = [];
// What was shown last: it comes again where the end of the list is fetched before history reaches so far.
let recent = [];
// The newest of those that were given up, and how many were.
let givenUp = null;
let lost = 0;
let fetching = false;
let timer = 0;
let shownAt = 0;

function arrived(data, id) {
  held.push({ data, id });
  if (held.length > MOST_HELD) {
    givenUp = held.shift().id;
    lost += 1;
  }
  about.stale();
  said();
  soon();
}

function soon() {
  timer ||= setTimeout(flush, Math.max(0, shownAt + EVERY - performance.now()));
}

function flush() {
  clearTimeout(timer);
  timer = 0;
  // A page that nobody looks at draws nothing.
  if (document.hidden) return;
  if (held.length === 0) return;
  if (!pages.atEnd || !follow.moves()) return wait();
  if (givenUp) return toLatest();
  shownAt = performance.now();
  const now = held.splice(0, AT_ONCE);
  recent = [...recent, ...now].slice(-MOST_HELD);
  for (const row of parseAll(now.map(({ data }) => data).join(""))) {
    if (rows.has(row.dataset.cursor)) continue;
    settle(row);
    rows.append(row);
  }
  pages.grew(now[now.length - 1].id);
  arranged();
  follow.toEnd();
  wait();
  about.moved();
  if (held.length > 0) soon();
}

// The end of the list, whatever part of it is in the page.
async function toLatest() {
  if (!pages.atEnd || givenUp) {
    if (fetching) return;
    fetching = true;
    const shown = await pages.show();
    fetching = false;
    if (!shown) return;
    keepAfter(pages.asOf);
    history.replaceState(null, "", pages.link({}));
    // So much is being said that history was behind it: once more, unless the reader has gone elsewhere.
    if (!pages.atEnd) setTimeout(() => follow.moves() && toLatest(), AGAIN);
  }
  follow.toEnd();
  flush();
  scrolled();
}

// What history has told already does not wait any more. What it does not reach yet is asked for again: false, where some of it
// is no longer here.
function keepAfter(position) {
  const last = rows.lastCursor();
  const isMissing = ({ id }) => isAfter(id, position) && (!last || isAfter(id, last)) && !rows.has(id);
  const missing = new Set(recent.filter(isMissing));
  recent = recent.filter((row) => !missing.has(row));
  held = [...missing, ...held.filter(({ id }) => isAfter(id, position))];
  if (givenUp && isAfter(givenUp, position)) {
    pages.lostEnd();
    return false;
  }
  givenUp = null;
  lost = 0;
  return true;
}

async function scrolled() {
  about.moved();
  while (await pages.fill()) {
    about.moved();
    if (pages.atEnd && !keepAfter(pages.asOf)) {
      setTimeout(scrolled, AGAIN);
      break;
    }
  }
  if (held.length > 0 && pages.atEnd && follow.moves()) soon();
  wait();
}

function wait() {
  follow.waiting(held.length + lost, !pages.atEnd);
}

function reset() {
  // The server cannot go on from our place, and begins again with its newest rows.
  held = [];
  recent = [];
  givenUp = null;
  lost = 0;
  pages.beginAnew();
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.textContent = "Some messages before these are no longer in the stream.";
  rows.list.append(notice);
  // Where none of them is for this page, it shows what history has.
  setTimeout(async () => {
    if (rows.count > 0 || held.length > 0 || !(await pages.show())) return;
    rows.list.prepend(notice);
    keepAfter(pages.asOf);
    follow.toEnd();
    scrolled();
  }, AGAIN);
}

// What the server has rendered becomes a part of this page: its times as the reader likes them, and what scrolls by itself can
// be reached by key.
function settle(root) {
  times.write(root);
  for (const pre of root.querySelectorAll("pre:not(.line)")) pre.tabIndex = 0;
}

// Rows stand where they belong.
function arranged() {
  times.chain(rows.list);
  found.mark();
}

// The reader chose other times.
function retimed(write) {
  const atEnd = follow.atEnd();
  pages.still(() => {
    write();
    rows.redoDays(times.zone);
    arranged();
  });
  if (atEnd) follow.toEnd();
}

// Whether the page begins where its link says. Where nothing comes after that, it ends before.
function beginsAfter() {
  const after = new URL(location.href).searchParams.get("after");
  const last = rows.lastCursor();
  return after !== null && (!last || isAfter(last, after));
}

// Its first row to the top: what is before it comes above.
function toFirst() {
  const first = pages.older && rows.list.querySelector(".row");
  if (first) timeline.scrollTop += first.getBoundingClientRect().top - timeline.getBoundingClientRect().top;
}

function start() {
  settle(timeline);
  rows.redoDays(times.zone);
  arranged();
  const at = timeline.dataset.at && document.getElementById(`m-${timeline.dataset.at}`);
  if (at) {
    const row = at.closest(".row");
    row.classList.add("here");
    row.closest("details.fold")?.setAttribute("open", "");
    row.scrollIntoView({ block: "center" });
  } else if (beginsAfter()) toFirst();
  else if (!location.hash) follow.toEnd();
  follow.stay();
  let waiting = false;
  timeline.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      scrolled();
    });
  }, { passive: true });
  document.addEventListener("visibilitychange", () => !document.hidden && flush());
  new Bodies(timeline, settle, arranged);
  keepPlace(timeline, follow);
  const copy = new Copy(timeline);
  new Keys(timeline, { follow, pages, copy, times, toLatest, scrolled });
  const url = timeline.dataset.stream;
  if (url) new Stream(url, timeline.dataset.after, { message: arrived, reset }).open();
  else Stream.still();
  scrolled();
}

start();
