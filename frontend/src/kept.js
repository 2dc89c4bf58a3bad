// What is typed into a form stays in this tab until the form has been taken: a session that has ended, a server that is
// away and a page that was left by mistake lose none of it. For forms that ask for it with `data-kept`, which says whose
// they are: whoever signs in after somebody else finds nothing of theirs. Never passwords, never files, and nothing of a
// field with `data-unkept`; of passwords, and of what has `data-unkept="secret"`, it is told that they are to be typed again.
//
// A form was taken when its answer led on to another page, or to its own with `done`. An answer that stays shows what
// was typed by itself; one that led to the entrance, or never came, has taken nothing.
//
// A form that grows is drawn by the server as it was typed: `data-kept-draws` is what its button sends that draws it and
// saves nothing, and `data-kept-draws-at` where to, when that is not where the form goes. What has no place on any
// drawing is not put anywhere, and that is told.
import htmx from "htmx.org/dist/htmx.esm.js";
import { each } from "./pages.js";

const BEGINS = "kept ", LASTS_MS = 12 * 3_600_000;
const NEVER = new Set(["password", "file", "submit", "button"]);
const ENTERING = ["/enter", "/sign-in", "/account/proof"]; // on the way to where one was going
const led = performance.getEntriesByType("navigation")[0]?.redirectCount > 0;
const here = new URL(location.href);
const stands = () => "answersForm" in document.body.dataset; // what answers a form shows what was typed
const all = () => Object.keys(sessionStorage).filter((key) => key.startsWith(BEGINS));
const nameOf = (form) => `${BEGINS}${form.dataset.kept} ${new URL(form.action).pathname}`;

const isKept = (one) => one.name && one.name !== "token" && !NEVER.has(one.type) && one.autocomplete !== "new-password" && !("unkept" in one.dataset);
const isSecret = (one) => one.type === "password" || one.dataset.unkept === "secret";
const fields = (form) => [...form.elements].filter(isKept);
const ticks = (one) => one.type === "checkbox" || one.type === "radio";
// Names and values in order, of boxes whether they are ticked too.
const typedIn = (form) => fields(form).map((one) => (ticks(one) ? [one.name, one.value, one.checked] : [one.name, one.value]));
const same = (some, others) => JSON.stringify(some) === JSON.stringify(others);

const known = new WeakMap(); // forms, and what stood in them when that was last looked at
const drawn = new WeakMap(); // what stood in them before anybody typed

const read = (key) => {
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  return kept && Date.now() - kept.at < LASTS_MS ? kept : null;
};
function keep(form, sent) {
  const typed = typedIn(form);
  const kept = { at: Date.now(), sent, typed, drawn: drawn.get(form) ?? read(nameOf(form))?.drawn };
  kept.secret = [...form.elements].some((one) => isSecret(one) && one.value !== one.defaultValue);
  known.set(form, typed);
  try {
    sessionStorage.setItem(nameOf(form), JSON.stringify(kept));
  } catch {
    sessionStorage.removeItem(nameOf(form)); // more than a browser holds: rather nothing than an older state
  }
}

const fits = (one, [name, value, ticked]) =>
  name === one.name && ticks(one) === (ticked !== undefined) && (ticked === undefined || value === one.value) &&
  (one.type !== "select-one" || [...one.options].some((option) => option.value === value));

// Put what was typed where it was; whether that is anything new, and what has no place.
function restore(form, typed) {
  const left = [...typed];
  let changed = false;
  for (const one of fields(form)) {
    const at = left.findIndex((was) => fits(one, was));
    if (at < 0) continue;
    const [[, value, ticked]] = left.splice(at, 1);
    if (ticks(one) ? ticked === one.checked : value === one.value) continue;
    if (ticks(one)) one.checked = ticked;
    else one.value = value;
    changed ||= one.type !== "hidden";
    one.dispatchEvent(new Event("change", { bubbles: true }));
  }
  return { changed, left: left.filter(([name, value, ticked]) => value && ticked !== false && !name.startsWith("typed_")) };
}

// The form as the server draws it with what was typed; null when it does not. Nothing is saved by that.
async function drawnWith(form, typed) {
  const sent = new URLSearchParams(form.dataset.keptDraws);
  sent.set("token", form.elements.token.value);
  for (const [name, value, ticked] of typed) if (ticked !== false) sent.append(name, value);
  form.inert = true; // what is typed meanwhile would be lost
  try {
    const answer = await fetch(form.dataset.keptDrawsAt ?? form.action, { method: "POST", body: sent, headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) return null;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    return [...page.querySelectorAll("form[data-kept]")].find((one) => nameOf(one) === nameOf(form)) ?? null;
  } catch {
    return null;
  } finally {
    form.inert = false;
  }
}

async function bringBack(form, kept) {
  const before = typedIn(form);
  const meanwhile = kept.drawn && !same(kept.drawn, before) && !form.elements.seen && !form.elements.based_on;
  const { keptSays, keptPart, keptOlder, keptSecret } = form.dataset;
  const secret = kept.secret ? keptSecret : "";
  if (same(before, kept.typed)) {
    if (secret) tell(form, secret);
    return form;
  }
  const fresh = "keptDraws" in form.dataset ? await drawnWith(form, kept.typed) : null;
  if (fresh) {
    form.replaceWith(fresh);
    htmx.process(fresh);
    drawn.set(fresh, before);
  }
  const shown = fresh ?? form;
  const { changed, left } = restore(shown, kept.typed);
  if (fresh ? !same(before, typedIn(shown)) : changed || left.length)
    tell(shown, left.length ? keptPart : keptSays, meanwhile ? keptOlder : "", secret);
  return shown;
}

function tell(form, ...sentences) {
  const notice = document.createElement("div");
  notice.className = "notice on";
  notice.setAttribute("role", "status");
  const words = document.createElement("p"), drop = document.createElement("button");
  words.textContent = sentences.filter(Boolean).join(" ");
  drop.textContent = form.dataset.keptDrops;
  drop.type = "button";
  drop.className = "btn btn-sm";
  drop.addEventListener("click", () => {
    sessionStorage.removeItem(nameOf(form));
    location.replace(here.pathname + here.search);
  });
  notice.append(words, drop);
  (form.closest("[data-live]") ?? form).before(notice); // what is exchanged by itself would take it away
}

// Whoever comes to the entrance by themselves has gone; who is led there will be led on.
const leads = here.searchParams.has("undone") || (led && here.searchParams.has("next"));
if (here.pathname === "/enter" && !leads) all().forEach((key) => sessionStorage.removeItem(key));

let begun = false; // forms that come later are of a page that somebody works at already
each("form[data-kept]", (form) => (begun ? listen(form) : begin(form)));
const opened = () => { begun = true; };
document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", opened) : opened();

async function begin(form) {
  const kept = read(nameOf(form));
  if (!stands()) drawn.set(form, typedIn(form));
  // A page that comes with what to begin with, by its address, begins with that, unless its form was sent.
  const asks = [...here.searchParams.keys()].some((name) => name !== "done" && name !== "back");
  // The newer state that an answer told of is not to be taken back.
  const wanted = kept && !stands() && (kept.sent || !asks);
  if (kept?.sent && led && here.searchParams.has("done")) sessionStorage.removeItem(nameOf(form));
  else if (wanted) return listen(await bringBack(form, kept));
  listen(form);
}

function listen(form) {
  if (known.has(form)) return;
  known.set(form, typedIn(form));
  form.addEventListener("input", ({ target }) => (isKept(target) || isSecret(target)) && keep(form, false));
  form.addEventListener("change", ({ target, isTrusted }) => isTrusted && isKept(target) && keep(form, false));
  form.addEventListener("reordered", () => keep(form, false));
  // What goes elsewhere, to be looked at, is not the form's end.
  form.addEventListener("submit", ({ submitter }) => submitter?.hasAttribute("formaction") || keep(form, true));
  for (const link of form.querySelectorAll(".btn-list a")) link.addEventListener("click", () => sessionStorage.removeItem(nameOf(form)));
}

// Rows that were added or taken away, and what a button has filled in, nobody has typed. What came by itself changes nothing.
document.addEventListener("htmx:after:swap", ({ detail }) => {
  if (detail?.ctx?.sourceEvent?.type === "live") return;
  for (const form of document.querySelectorAll("form[data-kept]")) {
    const before = known.get(form);
    if (begun && !form.inert && !(before && same(before, typedIn(form)))) keep(form, false);
  }
});

addEventListener("load", () => {
  if (!led || ENTERING.some((path) => here.pathname.startsWith(path))) return;
  const shown = new Set([...document.querySelectorAll("form[data-kept]")].map(nameOf));
  for (const key of all()) if (!shown.has(key) && read(key)?.sent !== false) sessionStorage.removeItem(key);
});
