// [data-sift="#list"]: a field that leaves of the things in a list (data-sifts="words to be found by") those that fit what is
// typed. A group (data-sifted) of which nothing is left goes too; [data-sifted-none] stands there when nothing fits at all.
import { each } from "./pages.js";

each("[data-sift]", (place) => {
  const field = place.querySelector("input");
  const list = document.querySelector(place.dataset.sift);
  place.hidden = false;
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const one of list.querySelectorAll("[data-sifts]")) {
      one.hidden = !words.every((word) => one.dataset.sifts.toLowerCase().includes(word));
      left += one.hidden ? 0 : 1;
    }
    for (const group of list.querySelectorAll("[data-sifted]")) group.hidden = !group.querySelector("[data-sifts]:not([hidden])");
    list.querySelector("[data-sifted-none]").hidden = left > 0;
  });
});
