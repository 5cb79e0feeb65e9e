// A page that could not be made: it is asked for until it can be, and then loaded.

import { Chip } from "./chip.js";

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;

const chip = new Chip({ ages: false });
let wait = FIRST_WAIT;
let timer = 0;

async function attempt() {
  clearTimeout(timer);
  chip.show("opening", "Trying again");
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" }).catch(() => null);
  if (answer && answer.status !== 503) location.reload();
  else later();
}

function later() {
  // Spread over time: what comes back is asked for by everybody at once.
  const pause = wait * (0.5 + Math.random());
  wait = Math.min(wait * 2, LONGEST_WAIT);
  chip.show("closed", `Trying again in ${Math.max(1, Math.round(pause / 1000))} s`);
  timer = setTimeout(attempt, pause);
}

addEventListener("online", attempt);
later();
