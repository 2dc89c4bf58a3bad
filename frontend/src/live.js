// A part of a page with data-live="message campaign" asks for itself anew (hx-trigger="live") when something of these
// nouns has changed in the workspace. How often pages are told is the server's business (web/live.py). While nobody looks
// a page does not listen, because a browser keeps no more than six connections to a host (RFC 9112 §9.4 leaves the number
// to it). It says of which change it was told, so that those who see the same can be given the same (web/copies.py).
import htmx from "htmx.org/dist/htmx.esm.js";
import { each } from "./pages.js";
import { STILL_MS, underHand } from "./hand.js";

const HEARD = "X-Angarium-Heard";
const UNASKED = "X-Angarium-Unasked"; // nobody has: a page that stands open keeps no session alive (web/session.py)
const AGAIN_MS = 5_000; // after which a stream that was refused is asked for again
let source = null;
let heard = ""; // the nouns that are listened for

const nouns = () => [...new Set([...document.querySelectorAll("[data-live]")].flatMap((part) => part.dataset.live.split(" ")))].sort().join(" ");

// Parts whose answer is on its way, and what they have heard since. The answer may be older than that; and htmx, which would
// ask once more by itself, lets go of it when the answer has put another part in the place of the one that asked.
const asking = new Map();
const asked = new WeakMap(); // by htmx's context of the request, in which the part is another once it was replaced

const tell = (part, heard) => {
  if (asking.has(part)) asking.set(part, { heard });
  else if (underHand(part)) wait(part, heard);
  else htmx.trigger(part, "live", { heard });
};

// What is told of a part while somebody is about to press something in it, until they have: it would be gone, or another,
// when the finger comes down. By the ids of parts, for a part may be another by then.
const waiting = new Map();

const wait = (part, heard) => {
  if (!waiting.size) setTimeout(goOn, STILL_MS);
  waiting.set(part.id, heard);
};

const goOn = () => {
  const told = [...waiting];
  waiting.clear();
  for (const [id, heard] of told) {
    const part = document.getElementById(id);
    if (part) tell(part, heard);
  }
};

const ask = ({ data, lastEventId }) => {
  const changed = data.split(" ");
  for (const part of document.querySelectorAll("[data-live]")) {
    if (part.dataset.live.split(" ").some((noun) => changed.includes(noun))) tell(part, lastEventId);
  }
};

document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!ctx.sourceElement.matches?.("[data-live]")) return;
  asked.set(ctx, ctx.sourceElement);
  asking.set(ctx.sourceElement, null);
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const part = asked.get(ctx);
  if (!part) return;
  const since = asking.get(part);
  asking.delete(part);
  const unseen = ctx.status === "issuing" && !part.isConnected; // something else took its place before the answer came
  const now = part.isConnected ? part : document.getElementById(part.id);
  if (now && (since || unseen)) tell(now, since?.heard);
});

// The hand may have come while the answer was on its way: that answer is let go of, and asked for again.
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx } = event.detail;
  const part = asked.get(ctx);
  if (!part?.isConnected || !underHand(part)) return;
  event.preventDefault();
  asking.set(part, asking.get(part) ?? { heard: ctx.sourceEvent?.detail?.heard });
});

document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
  const heard = ctx.sourceEvent?.detail?.heard;
  if (heard) ctx.request.headers[HEARD] = heard;
  if (!ctx.sourceEvent?.isTrusted && !navigator.userActivation?.isActive) ctx.request.headers[UNASKED] = "yes";
});

// What changed while nobody listened was told to nobody.
const askAll = () => document.querySelectorAll("[data-live]").forEach((part) => tell(part));

// A browser comes back by itself where a connection broke, and never where it was answered by an error: by a proxy whose
// server is away, or because too many pages listen (HTML, "Server-sent events", fail the connection).
const refused = ({ target }) => {
  if (target !== source || target.readyState !== EventSource.CLOSED) return;
  leave();
  setTimeout(listen, AGAIN_MS);
};

const listen = () => {
  if (source || document.hidden) return;
  heard = nouns();
  source = new EventSource(`/live?of=${encodeURIComponent(heard)}`);
  source.addEventListener("open", askAll);
  source.addEventListener("changed", ask);
  source.addEventListener("error", refused);
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
