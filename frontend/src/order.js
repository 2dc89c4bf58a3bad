// A list with data-order is put in order by dragging its [data-grip]s, or with the buttons [data-move="up|down"] of
// each item. Whenever the order has changed, "reordered" is told to the list.
import Sortable from "sortablejs";
import { each } from "./pages.js";

const told = (list) => list.dispatchEvent(new CustomEvent("reordered", { bubbles: true }));

each("[data-order]", (list) => {
  Sortable.create(list, { handle: "[data-grip]", animation: 150, onEnd: () => told(list) });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  const item = button?.closest("[data-order] > *");
  if (!item) return;
  event.preventDefault();
  const up = button.dataset.move === "up";
  const other = up ? item.previousElementSibling : item.nextElementSibling;
  if (!other) return;
  up ? other.before(item) : other.after(item);
  button.focus();
  told(item.parentElement);
});
