// A form with data-picking has rows with boxes: data-pick-all ticks them all, data-wants-picked is for when some are
// ticked, and data-picked-none says how many are (its own words: none).
import { each } from "./pages.js";

each("form[data-picking]", (form) => {
  const rows = () => [...form.querySelectorAll("[data-pick]")];
  const all = form.querySelector("[data-pick-all]");
  const said = form.querySelector("[data-picked-none]");
  const none = said?.textContent;
  const show = () => {
    const picked = rows().filter((one) => one.checked).length;
    for (const one of form.querySelectorAll("[data-wants-picked]")) one.disabled = !picked;
    if (all) {
      all.checked = picked > 0 && picked === rows().length;
      all.indeterminate = picked > 0 && !all.checked;
    }
    if (said) said.textContent = picked ? new Intl.NumberFormat(document.documentElement.lang).format(picked) + " ✓" : none;
  };
  form.addEventListener("change", (event) => {
    if (event.target === all) rows().forEach((one) => { one.checked = all.checked; });
    show();
  });
  show();
});
