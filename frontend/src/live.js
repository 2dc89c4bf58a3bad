// A part of a page with data-live="message campaign" asks for itself anew (hx-trigger="live") when something of these
// nouns has changed in the workspace, at most once a second, and not while nobody looks: a page that is hidden does not
// listen either, because a browser keeps no more than six connections to a host (RFC 9112 §9.4 leaves the number to it).
import htmx from "htmx.org/dist/htmx.esm.js";
import { each } from "./pages.js";

const EVERY_MS = 1000;
const due = new Set();
let timer = 0;
let source = null;
let heard = ""; // the nouns that are listened for

const nouns = () => [...new Set([...document.querySelectorAll("[data-live]")].flatMap((part) => part.dataset.live.split(" ")))].sort().join(" ");

const ask = () => {
  timer = 0;
  for (const part of document.querySelectorAll("[data-live]")) {
    if (part.dataset.live.split(" ").some((noun) => due.has(noun))) htmx.trigger(part, "live");
  }
  due.clear();
};

// What changed while nobody listened was told to nobody.
const askAll = () => document.querySelectorAll("[data-live]").forEach((part) => htmx.trigger(part, "live"));

const listen = () => {
  if (source || document.hidden) return;
  heard = nouns();
  source = new EventSource(`/live?of=${encodeURIComponent(heard)}`);
  source.addEventListener("open", askAll);
  source.addEventListener("changed", (event) => {
    event.data.split(" ").forEach((noun) => due.add(noun));
    if (!timer) timer = setTimeout(ask, EVERY_MS);
  });
};

const leave = () => {
  source?.close();
  source = null;
};

// A part that came later may show other things.
each("[data-live]", () => {
  if (source && nouns() !== heard) {
    leave();
    listen();
  }
});

const begin = () => {
  if (!document.querySelector("[data-live]")) return;
  listen();
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
  addEventListener("pagehide", leave);
  addEventListener("pageshow", listen); // one that the browser had kept
};

document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
