// A message as it was written, in place of what its markdown became, and back.

// What a row shows else, while it shows its text.
const put = new WeakMap();

// Whether a row has a text of its own: what a call says is shown as it is anyway.
export function hasRaw(row) {
  return row !== null && row.matches(".row:not(.call)");
}

export function isRaw(row) {
  return put.has(row);
}

// Turns a row over. False when its text could not be had.
export async function turn(row) {
  const what = row.querySelector(".what");
  const shown = put.get(row);
  if (shown) {
    put.delete(row);
    what.replaceChildren(...shown);
    return true;
  }
  const answer = await fetch(`/api/agents/messages/${row.dataset.cursor}/content`).catch(() => null);
  if (!answer?.ok || answer.redirected) return false;
  const text = document.createElement("pre");
  text.className = "line";
  text.textContent = await answer.text();
  // Asked for twice, it came once.
  if (put.has(row)) return true;
  const nodes = [...what.childNodes];
  put.set(row, nodes);
  const kept = nodes.filter((node) => node.nodeType === Node.ELEMENT_NODE && node.matches(".kind, .mark"));
  what.replaceChildren(...kept.filter((node) => node.matches(".kind")), text, ...kept.filter((node) => node.matches(".mark")));
  return true;
}
