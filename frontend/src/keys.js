// Keys: "?" shows them, "/" and Ctrl K look for something, "g" and a letter go to a room, "n" makes something new,
// "b" opens the notifications.
// By the physical key, so that they are the same on every layout; never while somebody writes.
const writing = (target) => target.closest?.("input, textarea, select, [contenteditable=true]");
let going = 0;

const press = (selector) => {
  const found = document.querySelector(selector);
  if (found) found.click();
  return Boolean(found);
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey) return;
  if ((event.ctrlKey || event.metaKey) && event.code === "KeyK") {
    if (press("[data-open-palette]")) event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || writing(event.target) || document.querySelector("dialog[open], .modal.show")) return;
  const letter = event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : "";
  if (Date.now() - going < 1500 && letter) {
    going = 0;
    if (press(`a[data-go="${letter}"]`)) event.preventDefault();
  } else if (event.key === "?") {
    if (press("[data-open-keys]")) event.preventDefault();
  } else if (event.code === "Slash") {
    if (press("[data-open-palette]")) event.preventDefault();
  } else if (letter === "g") {
    going = Date.now();
  } else if (letter === "b") {
    if (press("[data-open-bell]")) event.preventDefault();
  } else if (letter === "n") {
    if (press("a[data-new], button[data-new]")) event.preventDefault();
  }
});
