// A filter that is set or taken away keeps the place of a reader who has looked back: the page that it leads to begins with the
// row that is on top of the screen, or with the next one that the filter lets through.

import { entryAt } from "./pages.js";

const FILTERS = ".chips a, #about li a";

export function keepPlace(box, follow) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(FILTERS);
    if (!link) return;
    // Where it led before it was clicked last, in a window that stayed.
    link.dataset.plain ??= link.href;
    link.href = link.dataset.plain;
    if (follow.atEnd()) return;
    const cursor = topmost(box)?.dataset.cursor;
    if (!cursor) return;
    const [epoch, sequence] = cursor.split(".");
    const url = new URL(link.href);
    url.searchParams.set("after", `${epoch}.${Number(sequence) - 1}`);
    link.href = url;
  });
}

function topmost(box) {
  let entry = entryAt(box, "top");
  while (entry && !entry.matches(".row")) {
    const row = entry.querySelector(".row");
    if (row) return row;
    entry = entry.nextElementSibling;
  }
  return entry;
}
