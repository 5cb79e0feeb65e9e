// Filters that a reader wants on every run, kept in this browser. They are no part of a link: one that has filters or a place of
// its own shows others what it says. Not a module: the page is left before it is drawn.
(() => {
  const KEY = "agent-comms-filters";
  const KEPT = ["kind", "role", "agent", "step", "stage", "not"];
  const OWN = [...KEPT, "q", "regex", "since", "until", "before", "after", "at", "filters"];
  const url = new URL(location.href);
  if (!url.pathname.startsWith("/agents/")) return;

  function read() {
    try {
      return localStorage.getItem(KEY) ?? "";
    } catch {
      return "";
    }
  }

  function write(filters) {
    try {
      if (filters) localStorage.setItem(KEY, filters);
      else localStorage.removeItem(KEY);
    } catch {
      // A browser that keeps nothing shows every run whole.
    }
  }

  const saved = read();
  if (saved && !url.hash && !OWN.some((name) => url.searchParams.has(name))) {
    for (const [name, value] of new URLSearchParams(saved)) if (KEPT.includes(name)) url.searchParams.append(name, value);
    location.replace(url);
    return;
  }
  const shown = new URLSearchParams([...url.searchParams].filter(([name, value]) => KEPT.includes(name) && value)).toString();
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("keep");
    if (!button) return;
    const tell = () => {
      const is = read();
      button.hidden = !shown && !is;
      button.textContent = is && (!shown || is === shown) ? "Forget what is kept" : "Keep for every run";
    };
    button.addEventListener("click", () => {
      const is = read();
      write(is && (!shown || is === shown) ? "" : shown);
      tell();
    });
    tell();
  });
})();
