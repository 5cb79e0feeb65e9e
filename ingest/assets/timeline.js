// The page of a run or of the shared channel, while it is open: rows arrive at the end.

import { Follow } from "./follow.js";
import { Rows, parse } from "./rows.js";
import { Stream } from "./stream.js";

// More than this is taken away at the top while the reader follows; links lead back to it.
const MOST_ROWS = 5000;
// A paused page holds this many; then it lets its stream go and asks again from where it stopped.
const MOST_HELD = 2000;

const timeline = document.getElementById("timeline");
const url = timeline.dataset.stream;

function start() {
  const rows = new Rows(document.getElementById("rows"));
  let held = [];
  let scheduled = false;
  let letGo = false;
  let last = timeline.dataset.after;
  const follow = new Follow(timeline, () => {
    flush();
    if (letGo) stream.openAfter(last);
    letGo = false;
  });

  function flush() {
    scheduled = false;
    if (follow.paused || held.length === 0) return;
    const moves = follow.moves();
    for (const { data, id } of held) {
      last = id;
      if (!rows.has(id)) rows.append(parse(data));
    }
    document.getElementById("nothing")?.remove();
    count(held.length);
    const arrived = held.length;
    held = [];
    if (moves && rows.trim(MOST_ROWS)) linkOlder(rows.firstCursor());
    follow.arrived(arrived, moves);
  }

  const stream = new Stream(url, last, {
    message(data, id) {
      held.push({ data, id });
      if (follow.paused) {
        follow.arrived(1, false);
        if (held.length > MOST_HELD) {
          stream.close();
          held = [];
          letGo = true;
        }
      } else if (!scheduled) {
        scheduled = true;
        // A hidden page draws nothing, so that frames alone would never come.
        if (document.hidden) setTimeout(flush, 200);
        else requestAnimationFrame(flush);
      }
    },
    reset() {
      // The server cannot go on from our place, and begins again with its newest rows.
      held = [];
      rows.clear();
      const notice = document.createElement("p");
      notice.className = "notice";
      notice.textContent = "Some messages before these are no longer in the stream.";
      document.getElementById("rows").append(notice);
    },
  });
  if (!location.hash) follow.toEnd();
  stream.open();
}

function count(arrived) {
  const total = document.getElementById("messages");
  if (!total) return;
  total.dataset.count = Number(total.dataset.count) + arrived;
  total.textContent = Number(total.dataset.count).toLocaleString("en");
}

function linkOlder(cursor) {
  let link = document.getElementById("older");
  if (!link) {
    const line = document.createElement("p");
    line.className = "older";
    link = document.createElement("a");
    link.id = "older";
    link.textContent = "Older messages";
    line.append(link);
    timeline.prepend(line);
  }
  const target = new URL(location.href);
  target.searchParams.set("before", cursor);
  link.href = target;
}

if (url) start();
else if (!location.hash) timeline.scrollTop = timeline.scrollHeight;
