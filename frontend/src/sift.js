// [data-sift="#list"]: a field that leaves of the things in a list (data-sifts="words to be found by") those that fit what is
// typed; half spaces and the letters that Arabic keyboards have for Persian ones make no difference. A group (data-sifted) of
// which nothing is left goes too; [data-sifted-none] stands there when nothing fits at all.
import { each } from "./pages.js";

const LIKE = { ي: "ی", ى: "ی", ك: "ک", ة: "ه", أ: "ا", إ: "ا", آ: "ا" };
const bare = (text) => text.toLowerCase().replace(/[\u200c\u200d]/g, "").replace(/[يىكةأإآ]/g, (sign) => LIKE[sign]);

each("[data-sift]", (place) => {
  const field = place.querySelector("input");
  const list = document.querySelector(place.dataset.sift);
  place.hidden = false;
  field.addEventListener("input", () => {
    const words = bare(field.value).split(/\s+/).filter(Boolean);
    let left = 0;
    for (const one of list.querySelectorAll("[data-sifts]")) {
      one.hidden = !words.every((word) => bare(one.dataset.sifts).includes(word));
      left += one.hidden ? 0 : 1;
    }
    for (const group of list.querySelectorAll("[data-sifted]")) group.hidden = !group.querySelector("[data-sifts]:not([hidden])");
    list.querySelector("[data-sifted-none]").hidden = left > 0;
  });
});
