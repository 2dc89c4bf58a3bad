// In a narrow window each row of table.rows stands as a card (console.css): every cell is told what its column is called,
// and one that says nothing goes. Said anew when a part of the page is exchanged.
import { each } from "./pages.js";

const NOTHING = new Set(["", "–", "—"]);

const label = (table) => {
  const heads = [...table.querySelectorAll("thead th")].map((head) => (head.querySelector(".visually-hidden, input") ? "" : head.textContent.trim()));
  for (const row of table.tBodies[0]?.rows ?? []) {
    [...row.cells].forEach((cell, place) => {
      if (heads[place] && cell.colSpan === 1 && cell.dataset.label !== heads[place]) cell.dataset.label = heads[place];
      const silent = NOTHING.has(cell.textContent.trim()) && !cell.querySelector("input, button, a, progress");
      if (cell.hasAttribute("data-silent") !== silent) cell.toggleAttribute("data-silent", silent);
    });
  }
};

each("table.rows", (table) => {
  label(table);
  new MutationObserver(() => label(table)).observe(table, { childList: true, subtree: true, attributeFilter: ["data-label", "data-silent"] });
});
