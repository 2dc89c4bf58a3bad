// A part of a page with data-live="message campaign" asks for itself anew (hx-trigger="live") when something of these
// nouns has changed in the workspace, at most once a second, and not while nobody looks.
import htmx from "htmx.org/dist/htmx.esm.js";

const EVERY_MS = 1000;
const due = new Set();
let timer = 0;

const ask = () => {
  timer = 0;
  if (document.hidden) return; // asked for when somebody looks again
  for (const part of document.querySelectorAll("[data-live]")) {
    if (part.dataset.live.split(" ").some((noun) => due.has(noun))) htmx.trigger(part, "live");
  }
  due.clear();
};

const soon = () => {
  if (!timer && due.size) timer = setTimeout(ask, EVERY_MS);
};

const begin = () => {
  if (!document.querySelector("[data-live]")) return;
  const source = new EventSource("/live");
  source.addEventListener("changed", (event) => {
    event.data.split(" ").forEach((noun) => due.add(noun));
    soon();
  });
  // What changed between the drawing of the page and now was told to nobody.
  source.addEventListener("open", () => document.querySelectorAll("[data-live]").forEach((part) => htmx.trigger(part, "live")));
  document.addEventListener("visibilitychange", soon);
  addEventListener("pagehide", () => source.close());
};

document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
