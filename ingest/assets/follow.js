// Whether the reader follows what arrives: at the end of the list, the list moves on with it. Anywhere else, or paused, it
// stands still and counts.

const NEAR = 40;
const REMEMBERED = "agent-comms-paused";

export class Follow {
  #box;
  #jump;
  #button;
  #fresh = 0;
  #away = false;
  #end = true;
  #height;
  #onResume;
  #onLatest;
  paused = false;

  // `resumed` is called when the list may move again, `latest` when its end is asked for.
  constructor(box, { resumed, latest }) {
    this.#box = box;
    this.#height = box.clientHeight;
    this.#onResume = resumed;
    this.#onLatest = latest;
    this.#jump = document.getElementById("jump");
    this.#button = document.getElementById("pause");
    this.#button.hidden = false;
    this.#button.addEventListener("click", () => this.pause(!this.paused));
    this.#jump.addEventListener("click", () => this.toLatest());
    document.addEventListener("selectionchange", () => !this.#selecting() && !this.paused && this.atEnd() && this.#onResume());
    // What appears around the list takes room from it: whoever was at its end stays there. A list that has another height tells
    // nothing of its reader, who did not move.
    box.addEventListener("scroll", () => box.clientHeight === this.#height && this.#stand(this.atEnd()), { passive: true });
    new ResizeObserver(() => {
      this.#height = box.clientHeight;
      if (this.#end && !this.paused) this.toEnd();
    }).observe(box);
    if (remembered() === "true") this.#set(true);
    this.#listen();
  }

  atEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    return scrollHeight - scrollTop - clientHeight < NEAR;
  }

  // Whether what arrives now may be shown. Selected text must not run away from the pointer.
  moves() {
    return !this.paused && !this.#selecting() && (this.atEnd() || (this.#end && this.#box.clientHeight !== this.#height));
  }

  toEnd() {
    this.#stand(true);
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  // The reader is not at the end, though nothing was scrolled yet.
  stay() {
    this.#stand(this.atEnd());
  }

  #stand(end) {
    if (this.#end === end) return;
    this.#end = end;
    this.#listen();
  }

  // So many have arrived that are not shown; the end of the list may be on another page of it.
  waiting(fresh, away = false) {
    if (this.#fresh === fresh && this.#away === away) return;
    this.#fresh = fresh;
    this.#away = away;
    this.#show();
  }

  toLatest() {
    this.#set(false);
    this.#onLatest();
  }

  pause(paused) {
    if (this.paused === paused) return;
    this.#set(paused);
    if (!paused) this.#onLatest();
  }

  #set(paused) {
    this.paused = paused;
    this.#button.setAttribute("aria-pressed", String(paused));
    this.#button.firstChild.textContent = paused ? "Resume " : "Pause ";
    try {
      localStorage.setItem(REMEMBERED, String(paused));
    } catch {
      // A browser that keeps nothing begins with following.
    }
    this.#listen();
    this.#show();
  }

  // Readers by ear are told what arrives while they follow it, and nothing else.
  #listen() {
    this.#box.setAttribute("aria-live", this.paused || !this.#end ? "off" : "polite");
  }

  #selecting() {
    const selected = getSelection();
    return selected && !selected.isCollapsed && this.#box.contains(selected.anchorNode);
  }

  #show() {
    const fresh = this.#fresh > 0 ? `${this.#fresh.toLocaleString("en")} new` : "";
    const words = [this.paused && "Paused", fresh].filter(Boolean).join(", ");
    this.#jump.hidden = words === "" && !this.#away;
    this.#jump.firstElementChild.textContent = words;
    this.#jump.dataset.words = words ? "some" : "none";
  }
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}
