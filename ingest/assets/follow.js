// Whether the reader is at the end. There, the list moves on with what arrives; anywhere else it stands still and counts.

const NEAR = 40;

export class Follow {
  #box;
  #jump;
  #button;
  #fresh = 0;
  #onResume;
  paused = false;

  constructor(box, onResume) {
    this.#box = box;
    this.#onResume = onResume;
    this.#jump = document.getElementById("jump");
    this.#button = document.getElementById("pause");
    this.#button.hidden = false;
    this.#button.addEventListener("click", () => this.pause(!this.paused));
    this.#jump.addEventListener("click", () => this.toLatest());
    box.addEventListener("scroll", () => !this.paused && this.atEnd() && this.#count(0), { passive: true });
    addEventListener("keydown", (event) => this.#key(event));
  }

  atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  // Whether what arrives now should be scrolled to. Selected text must not run away from the pointer.
  moves() {
    const selected = getSelection();
    const selecting = selected && !selected.isCollapsed && this.#box.contains(selected.anchorNode);
    return !this.paused && !selecting && this.atEnd();
  }

  toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  arrived(count, moves) {
    if (moves) this.toEnd();
    else this.#count(this.#fresh + count);
  }

  toLatest() {
    this.pause(false);
    this.toEnd();
    this.#count(0);
  }

  pause(paused) {
    if (this.paused === paused) return;
    this.paused = paused;
    this.#button.setAttribute("aria-pressed", String(paused));
    this.#button.firstChild.textContent = paused ? "Resume " : "Pause ";
    if (!paused) {
      this.#count(0);
      this.#onResume();
      this.toEnd();
    }
  }

  #count(fresh) {
    this.#fresh = fresh;
    this.#jump.hidden = fresh === 0;
    this.#jump.firstElementChild.textContent = `${fresh.toLocaleString("en")} new`;
  }

  #key(event) {
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "G") this.toLatest();
    else if (event.key === "g") this.#box.scrollTop = 0;
    else if (event.key === "/") document.querySelector(".search input")?.focus();
    else if (event.key === " " && !event.target.closest("button, a, summary")) this.pause(!this.paused);
    else return;
    event.preventDefault();
  }
}
