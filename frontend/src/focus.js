// Whoever works by keyboard never falls back to the top of a page. What has the focus may go with the part that it
// stands in, when that is exchanged: then what has taken its place gets it, or else what is nearest to it; and where it was
// seen it stays seen. A form that comes back with something wrong begins there.
const CAN =
  "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select:not([disabled]), textarea:not([disabled]), summary";
let held = null; // what had the focus when an exchange began: the element, a selector of it, the ids around it

const selector = (one) => {
  if (one.id) return `#${CSS.escape(one.id)}`;
  const said = ["name", "value", "href", "aria-label"].filter((name) => one.getAttribute(name));
  const told = said.map((name) => `[${name}="${CSS.escape(one.getAttribute(name))}"]`);
  return told.length ? one.tagName.toLowerCase() + told.join("") : "";
};

const around = (one) => {
  const above = one.parentElement?.closest("[id]");
  return above ? [above.id, ...around(above)] : [];
};

const nobody = () => !document.activeElement || document.activeElement === document.body;
const inView = (one) => {
  const { top, bottom } = one.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
};

document.addEventListener("htmx:before:swap", () => {
  const one = document.activeElement;
  if (!nobody()) held = { one, like: selector(one), ids: around(one), inView: inView(one) };
});

const again = () => {
  if (!held) return;
  if (nobody()) {
    const near = held.ids.map((id) => document.getElementById(id)).find(Boolean) ?? document.getElementById("page");
    const like = held.like && (near?.querySelector(held.like) ?? document.querySelector(held.like));
    const found = held.one.isConnected ? held.one : like || near?.querySelector(CAN);
    found?.focus({ preventScroll: true });
  }
  if (held.inView && !nobody() && !inView(document.activeElement)) document.activeElement.scrollIntoView({ block: "nearest" });
};

document.addEventListener("htmx:after:swap", again);
document.addEventListener("htmx:finally:swap", () => {
  again();
  held = null;
});

const begin = () => {
  if (!location.hash) document.querySelector("main [aria-invalid=true]")?.focus();
};
document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", begin) : begin();
