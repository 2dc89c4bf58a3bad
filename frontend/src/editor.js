// The editor of templates: one wording at a time or all beside one another, what is inserted where the caret was,
// the way from a finding to its place, and the mail shown anew while it is typed.
import { each } from "./pages.js";

const MAIL_AFTER_MS = 700;
let opened = 0;
let beside = false;
let last = null; // the field that had the caret

const show = () => {
  const all = document.querySelector("[data-wordings]");
  if (!all) return;
  const wordings = [...all.querySelectorAll("[data-wording]")];
  opened = Math.min(opened, wordings.length - 1);
  all.classList.toggle("beside", beside);
  all.classList.toggle("alone", !beside);
  wordings.forEach((one, place) => one.classList.toggle("open", beside || place === opened));
  all.querySelectorAll("[data-open]").forEach((tab, place) => {
    tab.classList.toggle("active", place === opened && !beside);
    place === opened ? tab.setAttribute("aria-current", "true") : tab.removeAttribute("aria-current");
  });
  all.querySelector("[data-beside]")?.setAttribute("aria-pressed", String(beside));
};

const openAt = (place) => {
  opened = Number(place);
  show();
};

each("[data-wordings]", (all) => openAt(all.dataset.opened));

// What the server sent knows nothing of what is open here.
document.addEventListener("htmx:after:swap", (event) => {
  const all = document.querySelector("[data-wordings]");
  if (!all) return;
  if (event.detail?.ctx?.target === all || event.target === all) opened = Number(all.dataset.opened);
  show();
});

document.addEventListener("click", (event) => {
  const tab = event.target.closest("[data-open]");
  if (tab) {
    event.preventDefault();
    beside ? document.getElementById(`wording-${tab.dataset.open}`).scrollIntoView({ inline: "start", block: "nearest" }) : openAt(tab.dataset.open);
    document.querySelector(`#wording-${tab.dataset.open} textarea`)?.focus({ preventScroll: beside });
  }
  if (event.target.closest("[data-beside]")) {
    beside = !beside;
    show();
  }
  const insert = event.target.closest("[data-insert]");
  if (insert) put(insert.dataset.insert, insert.dataset.inside !== undefined);
  const place = event.target.closest("[data-place]");
  if (place) go(place.dataset);
});

// A source is read from the side of its words, whatever tag of Liquid comes before them; the server says so of what it draws.
const TAG = /\{\{.*?(?:\}\}|$)|\{%.*?(?:%\}|$)/gs;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
document.addEventListener("input", ({ target }) => {
  if (!target.matches("[data-turns]")) return;
  const [letter] = target.value.replace(TAG, "").match(/\p{L}/u) ?? [];
  if (letter) target.dir = RIGHT_TO_LEFT.test(letter) ? "rtl" : "ltr";
});

document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-takes]")) last = event.target;
});

// At the caret; a filter inside of the braces that the caret is in or behind.
const put = (text, inside) => {
  const field = last?.isConnected ? last : document.querySelector(".wording.open textarea[data-takes]");
  if (!field) return;
  let from = field.selectionStart ?? field.value.length;
  let to = field.selectionEnd ?? from;
  if (inside) {
    const end = field.value.lastIndexOf("}}", from);
    const open = field.value.lastIndexOf("{{", from);
    const close = open > end ? field.value.indexOf("}}", open) : end;
    if (close < 0) return;
    from = to = field.value[close - 1] === " " ? close - 1 : close;
  }
  field.focus();
  field.setRangeText(text, from, to, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
};

const go = ({ place, from, length }) => {
  const field = document.getElementsByName(place)[0];
  if (!field) return;
  const wording = field.closest("[data-wording]");
  if (wording && !beside) openAt(wording.dataset.wording);
  field.closest("details")?.setAttribute("open", "");
  field.focus();
  field.setSelectionRange?.(Number(from), Number(from) + Math.max(Number(length), 1));
};

// ── the mail ──
const timers = new WeakMap();
const mail = (button) => {
  if (button.isConnected && button.closest("details").open) button.form.requestSubmit(button);
};
each("[data-mail]", (button) => {
  button.closest("details").addEventListener("toggle", () => mail(button));
  mail(button);
});
document.addEventListener("input", (event) => {
  const button = event.target.closest?.("[data-wording]")?.querySelector("[data-mail]");
  if (!button) return;
  clearTimeout(timers.get(button));
  timers.set(button, setTimeout(() => mail(button), MAIL_AFTER_MS));
});
