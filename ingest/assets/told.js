// Words that are said for a moment, for eyes and ears.

const MOMENT = 2000;

let timer = 0;

export function tell(words) {
  let told = document.getElementById("told");
  if (!told) {
    told = document.createElement("p");
    told.id = "told";
    told.setAttribute("role", "status");
    document.body.append(told);
  }
  told.textContent = words;
  clearTimeout(timer);
  timer = setTimeout(() => (told.textContent = ""), MOMENT);
}
