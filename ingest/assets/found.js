// The text that was searched for, marked where rows say it. Marks are ranges over the text and no elements, so that what was
// copied or measured of a row stays what it was.

const NAME = "found";

export class Found {
  #list;
  #text = new URL(location.href).searchParams.get("q")?.toLowerCase();

  constructor(list) {
    this.#list = list;
  }

  // Marks it in all rows that are there.
  mark() {
    if (!this.#text || !CSS.highlights) return;
    const ranges = [];
    const walker = document.createTreeWalker(this.#list, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!node.parentElement.closest(".what")) continue;
      const text = node.data.toLowerCase();
      // A letter that has another length in lower case would shift what follows.
      if (text.length !== node.data.length) continue;
      for (let at = text.indexOf(this.#text); at >= 0; at = text.indexOf(this.#text, at + this.#text.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + this.#text.length);
        ranges.push(range);
      }
    }
    CSS.highlights.set(NAME, new Highlight(...ranges));
  }
}
