// Light or dark: as the system says, unless the reader chose. The choice is kept in this browser.
(() => {
  const root = document.documentElement;
  let chosen = null;
  try {
    chosen = localStorage.getItem("agent-comms-theme");
  } catch {
    // A browser that keeps nothing follows the system.
  }
  if (chosen) root.dataset.theme = chosen;
  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.addEventListener("click", () => {
      const dark = getComputedStyle(root).colorScheme === "dark";
      root.dataset.theme = dark ? "light" : "dark";
      try {
        localStorage.setItem("agent-comms-theme", root.dataset.theme);
      } catch {
        // The choice then lasts as long as the page.
      }
    });
  });
})();
