// What is typed into a form stays in this tab until the form has been taken: a session that has ended, a server that is
// away and a page that was left by mistake lose none of it. For forms that ask for it with `data-kept`, which says whose
// they are: whoever signs in after somebody else finds nothing of theirs. Never passwords, and never files.
//
// A form was taken when its answer led on to another page, or to its own with `done`. An answer that stays shows what
// was typed by itself; one that led to the entrance, or never came, has taken nothing.
import { each } from "./pages.js";

const BEGINS = "kept ", LASTS_MS = 12 * 3_600_000;
const led = performance.getEntriesByType("navigation")[0]?.redirectCount > 0;
const here = new URL(location.href);
const all = () => Object.keys(sessionStorage).filter((key) => key.startsWith(BEGINS));
const nameOf = (form) => `${BEGINS}${form.dataset.kept} ${new URL(form.action).pathname}`;

const fields = (form) => [...form.elements].filter((one) => one.name && one.name !== "token" && !["password", "file", "submit", "button"].includes(one.type));
const ticks = (one) => one.type === "checkbox" || one.type === "radio";
const typedIn = (form) => fields(form).map((one) => [one.name, ticks(one) ? `${one.value} ${one.checked}` : one.value]);

const read = (key) => {
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  return kept && Date.now() - kept.at < LASTS_MS ? kept : null;
};
const keep = (form, sent) => sessionStorage.setItem(nameOf(form), JSON.stringify({ at: Date.now(), sent, typed: typedIn(form) }));

function restore(form, typed) {
  const left = [...typed];
  let changed = false;
  for (const one of fields(form)) {
    const at = left.findIndex(([name]) => name === one.name);
    if (at < 0) continue;
    const [[, was]] = left.splice(at, 1);
    if (ticks(one) ? was === `${one.value} ${one.checked}` : was === one.value) continue;
    if (ticks(one)) one.checked = was === `${one.value} true`;
    else one.value = was;
    changed ||= one.type !== "hidden";
    one.dispatchEvent(new Event("change", { bubbles: true }));
  }
  return changed;
}

function tell(form) {
  const notice = document.createElement("div");
  notice.className = "notice on";
  notice.setAttribute("role", "status");
  const words = document.createElement("p"), drop = document.createElement("button");
  words.textContent = form.dataset.keptSays;
  drop.textContent = form.dataset.keptDrops;
  drop.type = "button";
  drop.className = "btn btn-sm";
  drop.addEventListener("click", () => {
    sessionStorage.removeItem(nameOf(form));
    location.replace(here.pathname + here.search);
  });
  notice.append(words, drop);
  form.before(notice);
}

// Whoever comes to the entrance by themselves has gone.
if (here.pathname === "/enter" && !here.searchParams.has("undone")) all().forEach((key) => sessionStorage.removeItem(key));

each("form[data-kept]", (form) => {
  const kept = read(nameOf(form));
  // What answers a form shows what was typed; and the newer state that it was told of is not to be taken back.
  const stands = "answersForm" in document.body.dataset;
  // A page that comes with what to begin with, by its address, begins with that, unless its form was sent.
  const wanted = kept && !stands && (kept.sent || !here.search);
  if (kept?.sent && led && here.searchParams.has("done")) sessionStorage.removeItem(nameOf(form));
  else if (wanted && restore(form, kept.typed)) tell(form);
  listen(form);
});

function listen(form) {
  form.addEventListener("input", () => keep(form, false));
  form.addEventListener("change", (event) => event.isTrusted && keep(form, false));
  form.addEventListener("submit", () => keep(form, true));
  for (const link of form.querySelectorAll(".btn-list a")) link.addEventListener("click", () => sessionStorage.removeItem(nameOf(form)));
}

addEventListener("load", () => {
  if (!led || here.pathname === "/enter") return;
  const shown = new Set([...document.querySelectorAll("form[data-kept]")].map(nameOf));
  for (const key of all()) if (!shown.has(key) && read(key)?.sent !== false) sessionStorage.removeItem(key);
});
