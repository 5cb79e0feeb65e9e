// The line that says by how much storing lags, kept true while the page is open. The server makes it.

const EVERY = 10000;
// What was said so long ago and lags by then is told; what nobody says cannot lag.
const LASTING = 30000;

const line = document.getElementById("behind");
const told = document.getElementById("lags");
let saidAt = -LASTING;
let always = false;

// Something was said.
export function said() {
  saidAt = performance.now();
}

// The page is not told of what is said: what lags is not in it.
export function watch() {
  always = true;
}

async function ask() {
  // Where nobody looks it is asked for when somebody does.
  if (document.hidden || !navigator.onLine) return;
  const isShown = line.childElementCount > 0;
  if (!always && !isShown && performance.now() - saidAt > LASTING) return;
  const answer = await fetch("/agents?part=behind").catch(() => null);
  // Whoever has to sign in again is led elsewhere.
  if (!answer?.ok || answer.redirected) return;
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const isBehind = template.content.childElementCount > 0;
  if (!isShown && !isBehind) return;
  line.replaceChildren(template.content);
  if (isShown !== isBehind) told.textContent = isBehind ? "Storing lags behind what is said." : "Storing has caught up.";
}

document.addEventListener("visibilitychange", ask);
setInterval(ask, EVERY);
