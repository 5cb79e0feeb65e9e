// Long texts are fetched when somebody opens them, rendered by the server as the rest of the row was: more of them first, and
// all of it when that is asked for as well.

export class Bodies {
  #settle;
  #arranged;

  // `settle` makes what was fetched a part of the page, and `arranged` is called when it is where it belongs.
  constructor(box, settle, arranged) {
    this.#settle = settle;
    this.#arranged = arranged;
    // A details element tells its opening to itself alone.
    box.addEventListener("toggle", (event) => event.target.open && this.#open(event.target), { capture: true });
    box.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[data-body], a[data-whole]");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#fetch(link);
    });
  }

  #open(details) {
    if (!details.matches(".tool")) return;
    for (const link of details.querySelectorAll("a[data-body]")) this.#fetch(link);
  }

  async #fetch(link) {
    const url = link.dataset.body ?? link.dataset.whole;
    delete link.dataset.body;
    delete link.dataset.whole;
    const answer = await fetch(url).catch(() => null);
    // The link stays what it is: a way to the whole text.
    if (!answer?.ok || answer.redirected) return;
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    this.#settle(template.content);
    this.#put(link, template.content);
    this.#arranged();
  }

  #put(link, content) {
    const part = link.closest(".part");
    if (part) return part.replaceWith(content);
    const what = link.closest(".what");
    for (const shown of [...what.children]) if (!shown.matches(".kind, .mark")) shown.remove();
    const kind = what.querySelector(":scope > .kind");
    if (kind) kind.after(content);
    else what.prepend(content);
  }
}
