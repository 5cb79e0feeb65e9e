// What a tab wants to be told of, read from the address that a stream of its own would have. It chooses as the server does.

const NARROWING = ["kind", "agent", "role", "step", "stage"];

export class Want {
  runs;
  // Whether it is the list of runs.
  isList;
  #namespace;
  #values;

  constructor(url) {
    const { pathname, searchParams } = new URL(url, location.href);
    this.isList = pathname.endsWith("/runs/events");
    this.runs = searchParams.getAll("runId");
    this.#namespace = searchParams.get("namespace");
    this.#values = NARROWING.map((name) => {
      const values = searchParams.getAll(name).filter((value) => value !== "");
      return [name, new Set(name === "kind" || name === "role" ? values.map((value) => value.toLowerCase()) : values)];
    });
  }

  // Whether a message is wanted, by what the server says of it.
  matches(head) {
    return (
      (this.runs.length === 0 || head.ids.some((id) => this.runs.includes(id))) &&
      (!this.#namespace || this.#namespace === head.namespace) &&
      this.#values.every(([name, values]) => values.size === 0 || values.has(head[name] ?? ""))
    );
  }
}
