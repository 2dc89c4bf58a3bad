// A notice that is followed (data-reads="its id") is read: that is told while the browser goes on, by a request that
// outlives the page. Whoever marks all as read under the bell keeps the keyboard there. Who opened it before the page
// was ready to ask finds the notices all the same.
import { token } from "./pages.js";

const read = (event) => {
  const link = event.target.closest("a[data-reads]");
  if (!link || event.button > 1) return;
  const body = new URLSearchParams({ token: token(), id: link.dataset.reads });
  fetch("/notices/read", { method: "POST", body, keepalive: true, redirect: "manual" });
};

document.addEventListener("htmx:after:init", ({ target }) => {
  if (target.matches?.("[data-open-bell][aria-expanded=true]")) target.dispatchEvent(new Event("late"));
});
document.addEventListener("click", read);
document.addEventListener("auxclick", read);
document.addEventListener("submit", (event) => {
  if (event.target.dataset.readsAll !== undefined) document.querySelector("[data-open-bell]").focus();
});
